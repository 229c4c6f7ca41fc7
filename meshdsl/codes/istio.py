"""The codes of what a mesh cannot do in combination."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH601",
        "a value that Istio reads as a pattern",
        'In an AuthorizationPolicy "*" at the start or end of a value means anything, and in a path so do "*" and'
        ' "{…}". There is no way to escape them, so a rule that asks for exactly such a value would allow or refuse'
        " more than it says. Ask for a value without these characters.",
    ),
    Page(
        "MESH602",
        "the workload's port is not known",
        "A sidecar sees the port of the workload, not that of the Service, and an AuthorizationPolicy takes"
        " numbers only. A rule that names ports, or looks at methods, paths or headers (which must be tied to the"
        " ports that speak HTTP, or Istio would drop part of it elsewhere), therefore needs the number behind a"
        " named target port. Give it with target_port=… or Port(…, target=…). The same code is shown where such a"
        " rule stands on a service without any HTTP port.",
    ),
    Page(
        "MESH603",
        "two ports of a service lead to one workload port",
        "A sidecar cannot tell which port of the Service was called if both lead to the same port of the workload."
        " A rule about the one would hold for the other too, so it is refused. Name both ports, or give them"
        " workload ports of their own.",
    ),
    Page(
        "MESH604",
        "access by regular expression",
        "Istio's AuthorizationPolicy compares with exact values, prefixes and suffixes; it has no regular"
        ' expressions. A path can be exact or "/a/*"; a header can have an exact value, or simply be'
        ' there: Header("x-name").',
    ),
    Page(
        "MESH605",
        "two services select the same pods",
        "Access policies and mTLS modes are attached to pods by labels. If the labels of one service are among"
        " those of another, its policies hold for the other's pods as well: callers would be let in or shut out"
        " there that no policy names. Give both services the same policies, or labels that tell their pods apart.",
    ),
    Page(
        "MESH606",
        "a policy for the root namespace alone",
        "In Istio's root namespace (root_namespace of the target, istio-system by default) an access policy holds"
        " for every namespace, the mTLS mode of the namespace is that of the mesh, and the mode of a workload is"
        " ignored. Such a policy cannot be had for that namespace alone. Say what you mean for the mesh with"
        " Mesh(), or run the workload elsewhere.",
    ),
    Page(
        "MESH607",
        "two objects of one name",
        "Objects are named after what they are for: the service, the service with -deny, default for the mTLS mode"
        " of a namespace, default-deny. Two services whose names differ by such a suffix, or that share one"
        " workload, would overwrite each other's object. Rename one, or keep the policy on one of them.",
    ),
    Page(
        "MESH608",
        "too many access rules",
        "An AuthorizationPolicy has at most 512 rules (its CRD says so), and each Allow or Deny is one. Name"
        " several callers, methods or paths in one policy.",
    ),
    Page(
        "MESH609",
        "enrolment that would not take effect",
        "Istio injects no sidecar if the namespace or the pod says so, and goes by the namespace's revision before"
        " the pod's. A service that is to be enrolled in a namespace that is kept out, or by another revision than"
        " its namespace, would silently not be. Leave the namespace without a policy and enrol its services one by"
        " one, or use one revision. A revision on a service also needs enrolled=True.",
    ),
    Page(
        "MESH610",
        "the workload is not known",
        "What a single service says of its enrolment, and what its sidecars may use, stands in the pod template of"
        " its workload. A Service does not name its workload, so it must be told: Service(…,"
        ' workload=Workload("Deployment", "api")). Resources that are set on a namespace need it for each of its'
        " services.",
    ),
    Page(
        "MESH611",
        "sidecar resources in part",
        "If a pod sets one of the sidecar's CPU and memory values, Istio's injector takes all of them from the"
        " pod: those that are missing are not filled in from the mesh's settings, and the sidecar runs without"
        " them. Give all four: cpu_request, cpu_limit, memory_request, memory_limit.",
    ),
    Page(
        "MESH614",
        "a port name that says another protocol",
        "Istio goes by appProtocol, then by the part of the port's name before the first dash. A port that is"
        " declared as HTTP here and named tcp-… there is taken for bytes unless appProtocol says otherwise: no"
        " route, retry or timeout holds, and a rule about requests may refuse everything. Set appProtocol in the"
        " Kubernetes Service, or rename the port.",
    ),
    Page(
        "MESH615",
        "retries on reset alone",
        "Between sidecars it is the callee's own proxy whose connection an application resets or refuses, or whose"
        " stream it does not read. That proxy answers 503, and the caller's proxy, which is the one that retries,"
        " sees an answer and no broken connection. A retry on reset, connect-failure or refused-stream alone would"
        ' do nothing for it. Retry on "5xx" or "gateway-error", or name the status 503, beside or instead of it.',
    ),
    Page(
        "MESH616",
        "a header that the proxy writes itself",
        "Envoy, in the caller's sidecar or the waypoint, writes the header server of every answer and date where it"
        " is missing, after every edit, and takes x-envoy-decorator-operation away. Of a request the service's sidecar"
        " writes x-request-id, x-forwarded-proto and x-forwarded-client-cert again where they were removed, adds to an"
        " x-forwarded-client-cert that was set, and takes away the headers by which proxies are told what to do:"
        " x-envoy-max-retries, x-envoy-upstream-rq-timeout-ms and the like. An edit that says something else of them"
        " would have no effect, or another one than it says. Leave it out, or use a header of your own.",
    ),
    Page(
        "MESH617",
        "a condition on a header that the proxy writes itself",
        "Envoy gives a request x-request-id and x-forwarded-proto where it has none, x-envoy-attempt-count, and its own"
        " x-forwarded-client-cert, before it looks for a route or before the service's proxy judges who may call; it"
        " takes keep-alive, proxy-connection, te and some headers of its own (x-envoy-internal, …) away. A rule that"
        " asks whether such a header is there would hold for every request, or for none, whatever the caller sent: an"
        " Allow would let in more than it says. Let callers send a header of your own, and look at that.",
    ),
)
