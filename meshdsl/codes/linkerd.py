"""The codes of what Linkerd cannot do in combination."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH641",
        "retries on resets alone",
        "Linkerd retries by status and has no condition for a reset or refused connection. Between services "
        "in the mesh such a failure arrives at the caller's proxy as status 502, so retry_on that names 5xx, "
        "gateway-error or the status 502 covers it exactly. Without any of them it could only be retried "
        'together with every other 502, which the policy did not ask for. Add "gateway-error" to retry_on.',
    ),
    Page(
        "MESH642",
        "the order of two rules is not certain",
        "Two rules of one port match the same request, and do different things with it. Linkerd prefers the "
        "longer matched path, then more headers, more query parameters, a method; an exact path and a prefix "
        "of the same text are equal to it, and a regular expression counts as the whole path. Retries (and, "
        "before 2.20, timeouts) belong to a route object, so rules with different ones are in different "
        "objects, and of two equal rules in two objects the older object wins, which changes when it is made "
        "anew. Give both rules the same retries, or tell them apart by a method, a header or a longer path.",
    ),
    Page(
        "MESH643",
        "a service that is split by SMI has weights only",
        'With split_api = "smi" a split is written as a TrafficSplit, which the extension linkerd-smi turns '
        "into a ServiceProfile. A ServiceProfile switches routes, retries, timeouts and the circuit breaker "
        "off for the whole service and for all its ports. So such a service can have one set of weights, the "
        'same on every port, and nothing else. Set split_api = "gateway-api", or leave the other policies out '
        "for this target with only=(…).",
    ),
    Page(
        "MESH644",
        "the workload of a service is not named",
        "A policy about the proxy of one service becomes annotations on the pod template of its workload, "
        "because that is where Linkerd's injector reads them. The service does not say which workload that "
        "is. Name it with workload=, or attach the policy to the namespace, whose annotations are read as "
        "well.",
    ),
    Page(
        "MESH645",
        "an allow rule names one of several ports with one target",
        "Several ports of the service lead to the same port of the workload. Linkerd decides in the "
        "workload's proxy, which sees its own port and not the port of the Service that was called. A rule "
        "for one of them would hold for all of them, and so be wider than it was written. Name all of these "
        "ports in the rule, or none.",
    ),
    Page(
        "MESH646",
        "a probe's port cannot be told from a service's target",
        "When rules about requests stand on a port, Linkerd no longer lets the kubelet's probes through by "
        "itself, so each declared probe gets a route on its port. This probe names its port by number where "
        "the service names its target by name, or the other way round; only the pod knows whether they are "
        "one. Guessing wrong would make the pods unready. Write both in the same way.",
    ),
    Page(
        "MESH647",
        "two services decide for the same pods",
        "Both services select the same pods and have the same target port, and at least one needs a Server, which "
        "is Linkerd's object for who may come in. A Server decides for a port of a pod, whichever Service led "
        "there, so callers of the one would be judged by the rules of the other; and of two Servers on one port "
        "Linkerd follows the older and ignores the other without a word. Declare one service for these pods, or "
        "use labels that tell the pods apart.",
    ),
    Page(
        "MESH648",
        "allow rules overlap in a way that routes cannot say",
        "Allow rules add up, but Linkerd follows one route for each request and asks only that route's "
        "callers. Where two rules with different callers overlap, their intersection becomes a route with the "
        "callers of both. Here that is not possible: a regular expression overlaps another path in a way that "
        "no path condition describes, or an exact path and a prefix of the same text tie, so that the age of "
        "two objects would decide. Give the rules the same callers, or paths that do not overlap; a prefix "
        "such as /a/* includes /a itself.",
    ),
    Page(
        "MESH649",
        "who may come in, on a service without ports",
        "Linkerd decides who may come in with a Server, which is for one port of the pods. A service that declares no "
        "port gets none, so an Allow or a mode of mTLS of its own would come to nothing. Declare the ports.",
    ),
    Page(
        "MESH650",
        "it is not known whether a service has probes",
        "As soon as rules about requests stand on a port, Linkerd lets the kubelet's probes through no longer:"
        " a pod whose probes are not declared is never ready. Declare them with Service(…, probes=(Probe(…),)), or say"
        " probes=() if there are none over HTTP. This is a warning: the build goes on.",
    ),
    Page(
        "MESH651",
        "requests on a port that the mesh takes for bytes",
        "Linkerd has a list of ports on which it expects a protocol of bytes: 25, 587, 3306, 4444, 5432, 6379,"
        " 9300 and 11211, unless it was installed with another (Helm: proxy.opaquePorts). On such a port of a"
        " Service every route, retry, timeout and breaker is ignored. To such a port of pods requests are sent as"
        " bytes, so that rules about requests refuse everyone, and an application that resets is not seen. Mostly"
        ' the port speaks no HTTP, and only its protocol="tcp" was forgotten. Otherwise give the Service, or the'
        " pods, another port. Where the Service says appProtocol: http and the pods have an annotation"
        " config.linkerd.io/opaque-ports without the port, or the mesh has another list, say so with opaque_ports"
        " of the target. A target port that is given by name is taken to be none of them.",
    ),
)
