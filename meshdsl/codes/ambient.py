"""The codes of what ambient cannot do in combination."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH621",
        "a service has the waypoint's name",
        "In ambient, what looks at requests happens in a waypoint, and meshdsl makes one named waypoint in each "
        "namespace that needs it. istiod then makes a Deployment, a Service and a ServiceAccount of that name, "
        "which would collide with this service's. Rename the service, or give the profile the name of a waypoint "
        'that exists (waypoint = "…").',
    ),
    Page(
        "MESH622",
        "a workload has the waypoint's identity",
        "The pods of a service with access rules in the waypoint take requests from the waypoint's identity "
        "alone, so that nobody goes past the rules. A workload that runs as the service account of the same name "
        "would have that identity, and with it a way past the rules of every service of the namespace. Give it an "
        "account of its own.",
    ),
    Page(
        "MESH623",
        "callers outside the mesh and rules in a waypoint",
        "Only callers in the mesh come through a waypoint. A caller without a mesh identity reaches the pods "
        "directly: either it goes past the rules, or the fence around the pods cuts it off although the policies "
        "let it in. Neither is what was written, so a service that takes plain text cannot have rules in a "
        "waypoint that concern such callers. Make mTLS strict for the service, or name the callers, or leave out "
        "whatever needs a waypoint (routes, a breaker, rules by method or path). Anyone.at_all() without methods, "
        "paths, headers and denies is no obstacle.",
    ),
    Page(
        "MESH624",
        "a retry condition that an HTTPRoute cannot say",
        "The retry of an HTTPRoute names HTTP statuses. Beside them Istio retries connect-failure, refused-stream "
        "and the gRPC codes unavailable and cancelled, always. It has no word for the other gRPC codes, and none "
        "for reset; reset beside other conditions is the approximation of MESH514, alone nothing would be left of "
        "it. Leave the condition out, or name statuses.",
    ),
    Page(
        "MESH625",
        "a try may take longer than the request",
        "timeouts.backendRequest of an HTTPRoute, which is the timeout of each try, must not be longer than "
        "timeouts.request, which is the timeout of the request with all its retries; the API server refuses it. "
        "Make per_try_timeout at most the timeout.",
    ),
    Page(
        "MESH626",
        "another Service in front of the same pods",
        "The rules in a waypoint belong to a Service, not to pods, and the pods take requests from the waypoint "
        "alone. A second Service in front of the same pods is then another way in: bound to the waypoint, it "
        "reaches them under its own rules; unbound, it does not reach them at all. Sidecars apply the rules to "
        "the pods, whatever the Service. Give both services the same rules and routes, or let them select "
        "different pods.",
    ),
    Page(
        "MESH627",
        "a rule would overtake another one",
        "Istio sorts the rules of an HTTPRoute by itself: exact paths first, then prefixes, then regular "
        "expressions, the longer text first, then by method, number of headers and query parameters. meshdsl "
        "ranks a regular expression before a prefix, since it is usually the narrower one. Where two rules "
        "overlap and the two orders differ, a request would be treated by the wrong rule. Write the regular "
        "expression as exact paths or prefixes, or keep the two from overlapping.",
    ),
    Page(
        "MESH628",
        "a path is put before every path",
        "A rewrite of a rule without a path condition replaces the prefix /. Envoy replaces it as text, and Istio "
        "drops a slash at the end of the replacement, so that /v2 would make /v2orders of /orders. Rewrite a "
        "route that has a path.",
    ),
    Page(
        "MESH630",
        "a mirror to a service with access rules",
        "In ambient the copies of a mirror are sent by the waypoint, under the waypoint's identity. Access rules "
        "of the service that receives them would judge the waypoint in place of the caller: an allow would refuse "
        "all copies, a deny would let them in. Mirror to a service without access rules, or to a version of the "
        "service itself, whose rules the request has passed already.",
    ),
    Page(
        "MESH632",
        "a revision for one service",
        "In ambient a revision says which control plane runs the waypoint, and a namespace has one waypoint. On "
        "the pods of one service it would mean nothing, or have a sidecar injected. Set it on the namespace, or "
        "as the profile's revision.",
    ),
    Page(
        "MESH634",
        "routes on several ports before Istio 1.30",
        "istiod turns the HTTPRoutes of each port of a Service into a VirtualService of its own. Before Istio 1.30 a "
        "waypoint takes the first one of a host for all its ports and leaves the others out, so that timeouts, retries "
        "and splits of all ports but one would be lost without a word. Use Istio 1.30 or newer, or let the policies "
        "speak of one port.",
    ),
)
