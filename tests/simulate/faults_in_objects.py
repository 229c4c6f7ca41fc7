"""Faults in what comes out: one field, one item, one object of a subject's manifests is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.simulate.mutations import Fault, Objects, drop, fault, find, gone, moved, put, swap

Made = Callable[[str], Fault]
VS, DR, AP, DENY = (
    "VirtualService api",
    "DestinationRule api",
    "AuthorizationPolicy api",
    "AuthorizationPolicy api-deny",
)
HR, FENCE = "HTTPRoute api-8080", "AuthorizationPolicy api.fence"
PROD, ROOT = "PeerAuthentication prod/default", "PeerAuthentication istio-system/default"
PRINCIPALS = "spec>rules>0>from>0>source>principals"
ACCRUAL = "metadata>annotations>balancer.linkerd.io/failure-accrual"
INBOUND = "metadata>annotations>config.linkerd.io/default-inbound-policy"
WAYPOINT = "metadata>labels>istio.io/use-waypoint"


def _prefix(match: Any) -> Any:
    """An exact ``uri`` as a prefix."""
    return {"prefix": match["exact"]}


def _reversed(items: Any) -> Any:
    return items[::-1]


def _weights(items: Any) -> Any:
    """The weights in each other's place."""
    return [{**one, "weight": other["weight"]} for one, other in zip(items, items[::-1], strict=True)]


def _all(*changes: Callable[[Objects], None]) -> Callable[[Objects], None]:
    def change(objects: Objects) -> None:
        for one in changes:
            one(objects)

    return change


def _open_beside(objects: Objects) -> None:
    """A second ALLOW policy, which adds up: everybody in the mesh."""
    found = find(objects, AP)
    rules = [{"from": [{"source": {"principals": ["*"]}}]}]
    objects.append(
        {**found, "metadata": {**found["metadata"], "name": "more"}, "spec": {**found["spec"], "rules": rules}}
    )


def _any_server(objects: Objects) -> None:
    """A policy of the Server beside those of its routes opens every path."""
    found = find(objects, "AuthorizationPolicy api-8080.account.prod.job")
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": "api-8080"}
    objects.append(
        {**found, "metadata": {**found["metadata"], "name": "wide"}, "spec": {**found["spec"], "targetRef": target}}
    )


ROUTES: Final[list[Made]] = [
    fault("traffic", "the catch-all is lost", drop(VS, "spec>http>default")),
    fault("traffic", "the canary comes after the rest", swap(VS, "spec>http", "default", "default-canary")),
    fault("traffic", "a canary comes after its route", swap(VS, "spec>http", "items", "items-canary")),
    fault("traffic", "the catch-all comes first", put(VS, "spec>http", _reversed)),
    fault("traffic", "what is below a prefix is lost", drop(VS, "spec>http>items>match>1")),
    fault("traffic", "the segment of a prefix is lost", drop(VS, "spec>http>items>match>0")),
    fault("traffic", "a prefix is one of characters", put(VS, "spec>http>items>match>1>uri>prefix", "/items")),
    fault("traffic", "a prefix is too long", put(VS, "spec>http>items>match>1>uri>prefix", "/items/x")),
    fault("traffic", "the method is lost", drop(VS, "spec>http>items>match>0>method")),
    fault("traffic", "another method", put(VS, "spec>http>items>match>0>method>exact", "POST")),
    fault("traffic", "any method", put(VS, "spec>http>items>match>1>method", {"regex": ".*"})),
    fault("traffic", "the header is lost", drop(VS, "spec>http>items-canary>match>0>headers")),
    fault("traffic", "the header need only be there", put(VS, "spec>http>default-canary>match>0>headers>x-canary", {})),
    fault("traffic", "another value", put(VS, "spec>http>default-canary>match>0>headers>x-canary>exact", "True")),
    fault("traffic", "a value is a prefix", put(VS, "spec>http>default-canary>match>0>headers>x-canary", _prefix)),
    fault("traffic", "the query parameter is lost", drop(VS, "spec>http>new>match>1>queryParams")),
    fault("traffic", "a parameter becomes a header", _all(
        drop(VS, "spec>http>new>match>1>queryParams"), put(VS, "spec>http>new>match>1>headers", {"q": {"exact": "1"}})
    )),
    fault("traffic", "an exact path is a prefix", put(VS, "spec>http>new>match>1>uri", _prefix)),
    fault("traffic", "a path in upper case", put(VS, "spec>http>new>match>0>uri>exact", "/NEW")),
    fault("traffic", "the paths ignore case", put(VS, "spec>http>new>match>1>ignoreUriCase", True)),
    fault("traffic", "the timeout is lost", drop(VS, "spec>http>default>timeout")),
    fault("traffic", "a timeout in the wrong unit", put(VS, "spec>http>default>timeout", "5ms")),
    fault("traffic", "a timeout without its fraction", put(VS, "spec>http>items>timeout", "2s")),
    fault("traffic", "attempts 0 is lost", drop(VS, "spec>http>default>retries")),
    fault("traffic", "one retry where none is meant", put(VS, "spec>http>default>retries", {"attempts": 1, "retryOn": "5xx"})),
    fault("traffic", "a weight is off by one", put(VS, "spec>http>new>route>0>weight", 26)),
    fault("traffic", "the weights are swapped", put(VS, "spec>http>default>route", _weights)),
    fault("traffic", "a destination is lost", drop(VS, "spec>http>default>route>1")),
    fault("traffic", "another subset", put(VS, "spec>http>default-canary>route>0>destination>subset", "v1")),
    fault("traffic", "no subset", drop(VS, "spec>http>default-canary>route>0>destination>subset")),
    fault("traffic", "a subset that nobody declares", put(VS, "spec>http>default>route>1>destination>subset", "v3")),
    fault("traffic", "another port", put(VS, "spec>http>default>route>0>destination>port>number", 80)),
    fault("traffic", "the host of another namespace", put(VS, "spec>hosts", ["api.front.svc.cluster.local"])),
    fault("traffic", "a destination elsewhere", put(
        VS, "spec>http>default>route>0>destination>host", "web.front.svc.cluster.local"
    )),
    fault("traffic", "only its own namespace sees the routes", put(VS, "spec>exportTo", ["."])),
    fault("traffic", "the routes are lost", gone(VS)),
    fault("traffic", "the subsets are lost", drop(DR, "spec>subsets")),
    fault("traffic", "a subset of other pods", put(DR, "spec>subsets>0>labels>version", "v2")),
    fault("traffic", "a subset without labels", put(DR, "spec>subsets>1>labels", {})),
    fault("traffic", "the breaker is lost", drop(DR, "spec>trafficPolicy")),
    fault("traffic", "errors are counted to six", put(DR, "spec>trafficPolicy>outlierDetection>consecutive5xxErrors", 6)),
    fault("traffic", "gateway errors count, too", put(
        DR, "spec>trafficPolicy>outlierDetection>consecutiveGatewayErrors", 5
    )),
    fault("traffic", "the interval is the default", drop(DR, "spec>trafficPolicy>outlierDetection>interval")),
    fault("traffic", "an ejection of 30 ms", put(DR, "spec>trafficPolicy>outlierDetection>baseEjectionTime", "30ms")),
    fault("traffic", "a tenth may be ejected", drop(DR, "spec>trafficPolicy>outlierDetection>maxEjectionPercent")),
    fault("traffic", "the rule of another host", put(DR, "spec>host", "web.front.svc.cluster.local")),
    fault("traffic", "TLS is switched off", put(DR, "spec>trafficPolicy>tls", {"mode": "DISABLE"})),
    fault("retries", "a POST is retried", drop(VS, "spec>http>default-retried>match>0>method")),
    fault("retries", "one retry fewer", put(VS, "spec>http>default-retried>retries>attempts", 2)),
    fault("retries", "no condition", drop(VS, "spec>http>default-retried>retries>retryOn")),
    fault("retries", "a status is lost", put(VS, "spec>http>default-retried>retries>retryOn", "5xx")),
    fault("retries", "a condition is lost", put(VS, "spec>http>default-retried>retries>retryOn", "429")),
    fault("retries", "spaces in the list", put(VS, "spec>http>default-retried>retries>retryOn", "5xx, 429"), "istiod trims each part of the list"),
    fault("retries", "tries are not bound", drop(VS, "spec>http>default-retried>retries>perTryTimeout")),
    fault("retries", "a try of 1500 s", put(VS, "spec>http>default-retried>retries>perTryTimeout", "1500s")),
    fault("retries", "another cookie", put(
        VS, "spec>http>default-canary>match>0>headers>cookie>regex", "(?:.*;[ ]*)?id=.*"
    )),
    fault("retries", "the cookie must stand alone", put(
        VS, "spec>http>default-canary>match>0>headers>cookie", {"exact": "id=x.y"}
    )),
    fault("retries", "the dot of a cookie is any character", put(
        VS, "spec>http>default-canary>match>0>headers>cookie>regex", "(?:.*;[ ]*)?id=x.y(?:[ ]*;.*)?"
    )),
    fault("edits", "a percent sign is not doubled", put(VS, "spec>http>old>headers>request>set>x-p", "1%")),
    fault("edits", "a header is not removed", drop(VS, "spec>http>old>headers>request>remove")),
    fault("edits", "set in place of add", put(VS, "spec>http>told>headers>request", {"set": {"x-s": "3"}})),
    fault("edits", "the response is not edited", drop(VS, "spec>http>told>headers>response")),
    fault("edits", "a header that must have a value", put(VS, "spec>http>old>match>0>headers>x-old", {"exact": ".*"})),
    fault("regex", "a regular expression in part", put(VS, "spec>http>version>match>0>uri>regex", "/v|/v/[0-9]")),
    fault("regex", "a regular expression as it is", put(VS, "spec>http>version>match>0>uri", {"exact": "/v|/v/[0-9]+"})),
    fault("regex", "a header's expression is lost", put(VS, "spec>http>beta>match>0>headers>x-beta", {})),
    fault("redirect", "another status", drop(VS, "spec>http>moved>redirect>redirectCode")),
    fault("redirect", "no other path", drop(VS, "spec>http>moved>redirect>uri")),
    fault("redirect", "another host", drop(VS, "spec>http>away>redirect>authority")),
    fault("redirect", "another scheme", drop(VS, "spec>http>away>redirect>scheme")),
    fault("redirect", "another port", put(VS, "spec>http>away>redirect>port", 443)),
    fault("istio only", "a limit is lost", drop(DR, "spec>trafficPolicy>connectionPool>tcp")),
    fault("istio only", "two limits are swapped", put(
        DR, "spec>trafficPolicy>connectionPool>http",
        {"http1MaxPendingRequests": 30, "http2MaxRequests": 20, "maxRequestsPerConnection": 40},
    )),
    fault("istio only", "the default of 5xx counts", drop(
        DR, "spec>trafficPolicy>outlierDetection>consecutive5xxErrors"
    )),
    fault("istio only", "everything is mirrored", drop(VS, "spec>http>fine>mirrors>0>percentage")),
    fault("istio only", "another share is mirrored", put(VS, "spec>http>fine>mirrors>0>percentage>value", 12)),
    fault("istio only", "any version gets the copies", drop(VS, "spec>http>default>mirrors>0>destination>subset")),
    fault("istio only", "the mirror is lost", drop(VS, "spec>http>one>mirrors")),
    fault("istio only", "the host is not rewritten", drop(VS, "spec>http>one>rewrite>authority")),
    fault("istio only", "the path is not rewritten", drop(VS, "spec>http>one>rewrite>uri")),
    fault("istio only", "the backoff is lost", drop(VS, "spec>http>default>retries>backoff")),
    fault("failures", "no share: none is aborted", drop(VS, "spec>http>0>fault>abort>percentage")),
    fault("failures", "another status is made", put(VS, "spec>http>0>fault>abort>httpStatus", 500)),
    fault("failures", "the delay is lost", drop(VS, "spec>http>0>fault>delay")),
    fault("failures", "a shorter delay", put(VS, "spec>http>0>fault>delay>fixedDelay", "1s")),
    fault("ports", "a route of every port", drop("VirtualService two", "spec>http>slow-81>match"),
          "it is the last, and the requests of the only other HTTP port are taken before it"),
    fault("ports", "the routes of two ports are swapped", put("VirtualService two", "spec>http>default-80>match>0>port", 81)),
    fault("ports", "a port without routes", drop("VirtualService two", "spec>http>default-80")),
]  # fmt: skip
"""Of VirtualServices and DestinationRules."""

ACCESS: Final[list[Made]] = [
    fault("callers", "the allow policy is lost", gone(AP)),
    fault("callers", "no rule at all", drop(AP, "spec>rules")),
    fault("callers", "an empty rule", put(AP, "spec>rules", [{}])),
    fault("callers", "from nobody", drop(AP, "spec>rules>0>from")),
    fault("callers", "a caller is lost", drop(AP, f"{PRINCIPALS}>1")),
    fault("callers", "another trust domain", put(AP, f"{PRINCIPALS}>0", "cluster.local/ns/front/sa/web")),
    fault("callers", "any trust domain", put(AP, f"{PRINCIPALS}>0", "*/ns/front/sa/web")),
    fault("callers", "another account", put(AP, f"{PRINCIPALS}>0", "example.org/ns/front/sa/default")),
    fault("callers", "another namespace", put(AP, f"{PRINCIPALS}>0", "example.org/ns/prod/sa/web")),
    fault("callers", "every account that begins so", put(AP, f"{PRINCIPALS}>0", "example.org/ns/front/sa/web*")),
    fault("callers", "every namespace that begins so", put(AP, f"{PRINCIPALS}>2", "example.org/ns/back*")),
    fault("callers", "namespaces of any trust domain", put(
        AP, "spec>rules>0>from>0>source", {"namespaces": ["back"], "principals": ["*"]}
    )),
    fault("callers", "anyone in the mesh is anyone", put("AuthorizationPolicy job", "spec>rules", [{}]),
          "mTLS of its namespace is strict: nobody without an identity comes so far"),
    fault("callers", "anyone at all needs an identity", put(
        "AuthorizationPolicy store", "spec>rules", [{"from": [{"source": {"principals": ["*"]}}]}]
    )),
    fault("callers", "a policy of other pods", put(AP, "spec>selector>matchLabels>app", "web")),
    fault("callers", "a policy of the whole namespace", drop("AuthorizationPolicy job", "spec>selector")),
    fault("callers", "a policy in another namespace", moved(AP, "front")),
    fault("callers", "a DENY in place of an ALLOW", put(AP, "spec>action", "DENY")),
    fault("callers", "only a record is kept", put(AP, "spec>action", "AUDIT")),
    fault("callers", "everybody is let in besides", _open_beside),
    fault("denied", "mTLS is permissive", put(PROD, "spec>mtls>mode", "PERMISSIVE")),
    fault("denied", "mTLS is not set", gone(PROD)),
    fault("denied", "mTLS of another namespace", moved(PROD, "back")),
    fault("callers", "mTLS is strict for one that is not", put("PeerAuthentication store", "spec>mtls>mode", "STRICT")),
    fault("open", "the mesh's mode in no root namespace", moved(ROOT, "prod")),
    fault("open", "the mesh's mode is lost", gone(ROOT)),
    fault("mesh", "the mesh is not closed", gone("AuthorizationPolicy istio-system/default-deny")),
    fault("mesh", "a service that nobody may call is open", _all(
        gone("AuthorizationPolicy job"), gone("AuthorizationPolicy istio-system/default-deny")
    )),
    fault("mesh", "the mesh lets everybody in", put("AuthorizationPolicy istio-system/default-deny", "spec", {"rules": [{}]})),
    fault("open", "a service's own mode is lost", gone("PeerAuthentication api")),
    fault("open", "a service's own mode for all", drop("PeerAuthentication api", "spec>selector")),
    fault("requests", "any method", drop(AP, "spec>rules>0>to>0>operation>methods")),
    fault("requests", "any path", drop(AP, "spec>rules>0>to>0>operation>paths")),
    fault("requests", "a method more", put(AP, "spec>rules>0>to>0>operation>methods", ["GET", "POST", "PATCH"])),
    fault("requests", "a method fewer", put(AP, "spec>rules>0>to>0>operation>methods", ["GET"])),
    fault("requests", "a prefix of characters", put(AP, "spec>rules>0>to>0>operation>paths", ["/a*", "/b"])),
    fault("requests", "only what is below", put(AP, "spec>rules>0>to>0>operation>paths", ["/a/*", "/b"])),
    fault("requests", "only the segment itself", put(AP, "spec>rules>0>to>0>operation>paths", ["/a", "/b"])),
    fault("requests", "a header is lost", drop(AP, "spec>rules>1>when>0")),
    fault("requests", "no header", drop(AP, "spec>rules>1>when")),
    fault("requests", "a value that begins so", put(AP, "spec>rules>1>when>0>values", ["1*"])),
    fault("requests", "a rule is lost", drop(AP, "spec>rules>2")),
    fault("requests", "two rules become one", put(AP, "spec>rules", lambda rules: [
        rules[0], {**rules[1], "to": [*rules[1]["to"], *rules[2]["to"]]}
    ])),
    fault("denied", "the DENY is lost", gone(DENY)),
    fault("denied", "the DENY of callers is lost", gone("AuthorizationPolicy job-deny")),
    fault("denied", "the DENY is an ALLOW", put(DENY, "spec>action", "ALLOW")),
    fault("denied", "a rule of the DENY is lost", drop(DENY, "spec>rules>1")),
    fault("denied", "nobody is denied below", put(DENY, "spec>rules>1>to>0>operation>paths", ["/admin"])),
    fault("denied", "more is denied than meant", drop(DENY, "spec>rules>0>to")),
    fault("denied", "another caller is denied", put(DENY, PRINCIPALS, ["example.org/ns/front/sa/job"])),
]  # fmt: skip
"""Of AuthorizationPolicies and PeerAuthentications; where Ambient has the same objects, on both."""

ISTIO: Final[list[Made]] = [
    *ROUTES,
    *ACCESS,
    fault("requests", "the Service's port", put(AP, "spec>rules>0>to>0>operation>ports", ["8080"])),
    fault("ports", "every port", drop("AuthorizationPolicy two", "spec>rules>0>to")),
    fault("ports", "another port", put("AuthorizationPolicy two", "spec>rules>1>to>0>operation>ports", ["8080"])),
]

AMBIENT: Final[list[Made]] = [
    fault("traffic", "the catch-all is lost", drop(HR, "spec>rules>4")),
    fault("traffic", "another type of path", put(HR, "spec>rules>2>matches>0>path>type", "Exact")),
    fault("traffic", "the method is lost", drop(HR, "spec>rules>2>matches>0>method")),
    fault("traffic", "the header is lost", drop(HR, "spec>rules>1>matches>0>headers")),
    fault("traffic", "the query parameter is lost", drop(HR, "spec>rules>0>matches>1>queryParams")),
    fault("traffic", "a weight is off by one", put(HR, "spec>rules>0>backendRefs>0>weight", 26)),
    fault("traffic", "another version", put(HR, "spec>rules>3>backendRefs>0>name", "api-v1")),
    fault("traffic", "a backend of another port", put(HR, "spec>rules>4>backendRefs>0>port", 80)),
    fault("traffic", "the timeout is lost", drop(HR, "spec>rules>4>timeouts")),
    fault("traffic", "a timeout in the wrong unit", put(HR, "spec>rules>4>timeouts>request", "5ms")),
    fault("traffic", "a timeout of each try", put(HR, "spec>rules>4>timeouts", {"backendRequest": "5s"}), "without a retry it takes the place of the request's timeout, and is as long"),
    fault("traffic", "a route of another port", put(HR, "spec>parentRefs>0>port", 80)),
    fault("traffic", "a route of another Service", put(HR, "spec>parentRefs>0>name", "api-v1")),
    fault("traffic", "a route in another namespace", moved(HR, "front")),
    fault("traffic", "the route is lost", gone(HR)),
    fault("traffic", "the Service is not bound", put("Service api", WAYPOINT, "none")),
    fault("traffic", "the binding is lost", gone("Service api")),
    fault("traffic", "the waypoint is lost", gone("Gateway waypoint")),
    fault("traffic", "a waypoint in another namespace", moved("Gateway waypoint", "front")),
    fault("traffic", "a waypoint for workloads", put(
        "Gateway waypoint", "metadata>labels>istio.io/waypoint-for", "workload"
    )),
    fault("traffic", "the Service of a version selects all", drop("Service api-v1", "spec>selector>version")),
    fault("traffic", "the Service of a version selects another", put("Service api-v1", "spec>selector>version", "v2")),
    fault("traffic", "the Service of a version has another port", put("Service api-v1", "spec>ports>0>port", 80)),
    fault("traffic", "the Service of a version leads elsewhere", put("Service api-v1", "spec>ports>0>targetPort", 8080)),
    fault("traffic", "the Service of a version is lost", gone("Service api-v2")),
    fault("traffic", "a version without its breaker", gone("DestinationRule api-v1")),
    fault("retries", "the retry is lost", drop(HR, "spec>rules>7>retry")),
    fault("retries", "one retry fewer", put(HR, "spec>rules>7>retry>attempts", 2)),
    fault("retries", "a status is lost", put(HR, "spec>rules>7>retry>codes", lambda codes: codes[1:])),
    fault("retries", "tries are not bound", drop(HR, "spec>rules>7>timeouts")),
    fault("retries", "a POST is retried", drop(HR, "spec>rules>7>matches>0>method")),
    fault("retries", "what is never retried is", put(HR, "spec>rules>1>retry", {"attempts": 1, "codes": [503]})),
    fault("edits", "a percent sign is not doubled", put(
        HR, "spec>rules>1>filters>0>requestHeaderModifier>set>0>value", "1%"
    )),
    fault("edits", "the response is not edited", drop(HR, "spec>rules>0>filters>1")),
    fault("regex", "the catch-all is a prefix", put(
        HR, "spec>rules>2>matches>0>path", {"type": "PathPrefix", "value": "/"}
    )),
    fault("redirect", "another status", put(HR, "spec>rules>0>filters>0>requestRedirect>statusCode", 301)),
    fault("redirect", "a prefix is replaced", put(
        HR, "spec>rules>0>filters>0>requestRedirect>path", {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}
    )),
    fault("istio only", "everything is mirrored", drop(HR, "spec>rules>0>filters>0>requestMirror>fraction")),
    fault("istio only", "any version gets the copies", put(
        HR, "spec>rules>1>filters>0>requestMirror>backendRef>name", "copy"
    )),
    fault("requests", "the fence is lost", gone(FENCE)),
    fault("requests", "the fence is open", put(FENCE, "spec>rules", [{}])),
    fault("requests", "the fence keeps the waypoint out", put(
        FENCE, f"{PRINCIPALS}>0", "example.org/ns/prod/sa/default"
    )),
    fault("requests", "requests are judged at ztunnel", put(AP, "spec", lambda spec: {
        **{key: value for key, value in spec.items() if key != "targetRefs"}, "selector": {"matchLabels": {"app": "api"}}
    })),
    fault("requests", "the workload's port", put(AP, "spec>rules>0>to>0>operation>ports", ["9000"])),
    fault("requests", "a policy of another Service", put(AP, "spec>targetRefs>0>name", "job")),
    fault("denied", "requests are denied at ztunnel", put(DENY, "spec", lambda spec: {
        **{key: value for key, value in spec.items() if key != "targetRefs"}, "selector": {"matchLabels": {"app": "api"}}
    })),
    *(make for make in ACCESS if make("").subject in ("callers", "mesh", "open") or "mTLS" in make("").name),
]  # fmt: skip

TO = "spec>requiredAuthenticationRefs"
LINKERD: Final[list[Made]] = [
    fault("traffic", "the catch-all is lost", drop(HR, "spec>rules>4")),
    fault("traffic", "another type of path", put(HR, "spec>rules>2>matches>0>path>type", "Exact")),
    fault("traffic", "the method is lost", drop(HR, "spec>rules>2>matches>0>method")),
    fault("traffic", "the header is lost", drop(HR, "spec>rules>1>matches>0>headers")),
    fault("traffic", "the query parameter is lost", drop(HR, "spec>rules>0>matches>1>queryParams")),
    fault("traffic", "a weight is off by one", put(HR, "spec>rules>0>backendRefs>0>weight", 26)),
    fault("traffic", "no weight at all", _all(
        put(HR, "spec>rules>0>backendRefs>0>weight", 0), put(HR, "spec>rules>0>backendRefs>1>weight", 0)
    )),
    fault("traffic", "another version", put(HR, "spec>rules>3>backendRefs>0>name", "api-v1")),
    fault("traffic", "the timeout is lost", drop(HR, "spec>rules>4>timeouts")),
    fault("traffic", "a timeout of two units", put(HR, "spec>rules>4>timeouts>request", "1m30s")),
    fault("traffic", "a route of another port", put(HR, "spec>parentRefs>0>port", 80)),
    fault("traffic", "the parent is a Gateway", put(
        HR, "spec>parentRefs>0", {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "api"}
    )),
    fault("traffic", "a filter that the mesh does not know", put(
        HR, "spec>rules>4>filters", [{"type": "URLRewrite", "urlRewrite": {"hostname": "x.example"}}]
    )),
    fault("traffic", "the Service of a version selects another", put("Service api-v1", "spec>selector>version", "v2")),
    fault("traffic", "the Service of a version leads elsewhere", put("Service api-v1", "spec>ports>0>targetPort", 8080)),
    fault("traffic", "six failures", put("Service api", f"{ACCRUAL}-consecutive-max-failures", "6")),
    fault("traffic", "a short penalty", put("Service api", f"{ACCRUAL}-consecutive-min-penalty", "1s")),
    fault("traffic", "a penalty that nobody can read", put("Service api", f"{ACCRUAL}-consecutive-min-penalty", "1m30s")),
    fault("traffic", "the breaker is lost", gone("Service api")),
    fault("retries", "one retry fewer", put(
        "HTTPRoute api-8080.default-canary-retried", "metadata>annotations>retry.linkerd.io/limit", "2"
    )),
    fault("retries", "a limit of 0", put(
        "HTTPRoute api-8080.stock-canary", "metadata>annotations>retry.linkerd.io/limit", "0"
    ), "the mesh reads 0 as 1, which is meant"),
    fault("retries", "spaces in the list", put(
        "HTTPRoute api-8080.default-canary-retried", "metadata>annotations>retry.linkerd.io/http", "5xx, 429"
    )),
    fault("retries", "a status is lost", put(
        "HTTPRoute api-8080.default-canary-retried", "metadata>annotations>retry.linkerd.io/http", "5xx"
    )),
    fault("retries", "tries are not bound", drop(
        "HTTPRoute api-8080.default-canary-retried", "metadata>annotations>retry.linkerd.io/timeout"
    )),
    fault("retries", "the rest is retried as well", put(
        HR, "metadata>annotations", {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"}
    )),
    fault("retries", "a POST is retried", drop("HTTPRoute api-8080.default-canary-retried", "spec>rules>1>matches>0>method")),
    fault("retries", "a class of routes is lost", gone("HTTPRoute api-8080.stock-canary")),
    fault("edits", "a percent sign is doubled", put(
        HR, "spec>rules>1>filters>0>requestHeaderModifier>set>0>value", "1%%"
    )),
    fault("edits", "a header is not removed", drop(HR, "spec>rules>1>filters>0>requestHeaderModifier>remove")),
    fault("regex", "a regular expression without anchors", put(
        HR, "spec>rules>1>matches>0>path>value", "/v|/v/[0-9]+"
    )),
    fault("redirect", "another status", put(HR, "spec>rules>0>filters>0>requestRedirect>statusCode", 301)),
    fault("redirect", "another host", drop(HR, "spec>rules>1>filters>0>requestRedirect>hostname")),
    fault("callers", "a Server that lets all in", put("Server api-8080", "spec>accessPolicy", "all-unauthenticated")),
    fault("callers", "a Server that lets the mesh in", put("Server api-8080", "spec>accessPolicy", "all-authenticated")),
    fault("callers", "a Server of the Service's port", put("Server api-8080", "spec>port", 8080)),
    fault("callers", "a Server of other pods", put("Server api-8080", "spec>podSelector>matchLabels>app", "job")),
    fault("callers", "the Server is lost", gone("Server api-8080")),
    fault("callers", "the policy is lost", gone("AuthorizationPolicy api-8080")),
    fault("callers", "a policy without conditions", put("AuthorizationPolicy api-8080", TO, [])),
    fault("callers", "a policy of nobody's authentication", put("AuthorizationPolicy api-8080", f"{TO}>0>name", "none")),
    fault("callers", "two conditions at once", put("AuthorizationPolicy api-8080", TO, lambda refs: [
        *refs, {**refs[0], "name": "api-8080.namespaces"}
    ])),
    fault("callers", "a caller is lost", drop("MeshTLSAuthentication api-8080", "spec>identityRefs>1")),
    fault("callers", "an account of another namespace", put(
        "MeshTLSAuthentication api-8080", "spec>identityRefs>0>namespace", "prod"
    )),
    fault("callers", "another trust domain", put("MeshTLSAuthentication api-8080.namespaces", "spec>identities", [
        "*.back.serviceaccount.identity.linkerd.cluster.local"
    ])),
    fault("callers", "everybody in the mesh", put("MeshTLSAuthentication api-8080.namespaces", "spec>identities", ["*"])),
    fault("callers", "identities of another namespace", put(
        "MeshTLSAuthentication api-8080.namespaces", "spec>identities",
        ["*.front.serviceaccount.identity.linkerd.example.org"],
    )),
    fault("callers", "the namespace is open", put("Namespace prod", INBOUND, "all-unauthenticated")),
    fault("mesh", "a port of bytes is taken for HTTP", put("Server store-5432", "spec>proxyProtocol", "HTTP/1")),
    fault("open", "a service's own mode is lost", gone("Server api-8080")),
    fault("open", "the namespace takes plain text", put("Namespace prod", INBOUND, "all-unauthenticated")),
    fault("requests", "a policy of the Server beside routes", _any_server),
    fault("requests", "the route of other callers", put(
        "AuthorizationPolicy api-8080.account.front.web", "spec>targetRef>name", "api-8080.account.prod.job"
    )),
    fault("requests", "a path is lost", drop("HTTPRoute api-8080.account.front.web", "spec>rules>0>matches>0")),
    fault("requests", "an exact path is a prefix", put(
        "HTTPRoute api-8080.account.front.web", "spec>rules>0>matches>0>path>type", "PathPrefix"
    )),
    fault("requests", "any method", drop("HTTPRoute api-8080.account.front.web", "spec>rules>0>matches>2>method")),
    fault("requests", "the overlap is lost", gone("HTTPRoute api-8080.callers.2-a9dd9ba76e")),
    fault("requests", "a header is lost", drop("HTTPRoute api-8080.account.prod.job", "spec>rules>0>matches>0>headers>0")),
    fault("requests", "the probes are lost", gone("HTTPRoute api-8080.anyone.at-all")),
    fault("requests", "every GET is a probe", put(
        "HTTPRoute api-8080.anyone.at-all", "spec>rules>0>matches>0>path", {"type": "PathPrefix", "value": "/"}
    )),
    fault("requests", "routes of a section of the Server", put(
        "HTTPRoute api-8080.account.front.web", "spec>parentRefs>0>sectionName", "http"
    )),
    fault("requests", "an HTTP port of bytes", put("Server api-8080", "spec>proxyProtocol", "opaque")),
    fault("ports", "a Server of another port", put("Server two-81", "spec>port", 8080)),
    fault("ports", "the timeout is on another port", put("HTTPRoute two-81", "spec>parentRefs>0>port", 80)),
]  # fmt: skip

FAULTS: Final = [
    *(make("istio") for make in ISTIO),
    *(make("ambient") for make in AMBIENT),
    *(make("linkerd") for make in LINKERD),
    fault(
        "traffic",
        "an annotation's timeout is lost",
        drop("HTTPRoute api-8080.items-canary", "metadata>annotations>timeout.linkerd.io/request"),
    )("linkerd-2.18"),
    fault(
        "traffic",
        "a field that the mesh does not obey",
        _all(drop(HR, "metadata>annotations"), put(HR, "spec>rules>0>timeouts", {"request": "5s"})),
    )("linkerd-2.18"),
    fault("split", "a weight is off by one", put("TrafficSplit api", "spec>backends>0>weight", 79))("linkerd-smi"),
    fault("split", "the split is lost", gone("TrafficSplit api"))("linkerd-smi"),
]
"""All of them."""
