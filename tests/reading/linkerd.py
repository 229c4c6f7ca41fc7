"""What Linkerd does with the objects, and with nothing else.

From what is known of its policy controller and proxies, and measured on them. Outbound: all routes of a Service and
port are one list; who wins: the longer path (an exact path and a regex count as the whole path), then more headers,
then more query parameters, then a method, then the older route, then the earlier rule. With a route, what nothing
matches is answered 404. Retries and (before 2.20, all) timeouts are annotations of the route object. A TrafficSplit
takes the place of every route.

Inbound: a Server takes a port of some pods; a port without one is under the default policy. With a route on the
Server, what no route matches is answered 404, and a route is open to whom its own policies or those of the Server or
the namespace let in; several references of one policy must all hold; a policy with a missing reference lets nobody in,
one without references everybody. What is not HTTP is judged by the Server alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.reading import http_route
from tests.reading.words import (
    HTTP,
    Answer,
    Breaker,
    Caller,
    Cluster,
    Kube,
    Labels,
    Redirected,
    Request,
    Retries,
    Traffic,
    Unmodelled,
    annotations,
    edited,
    labelled,
    labels,
    milliseconds,
    only,
    shares,
)

Body = Mapping[str, Any]
FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect")
ROUTE_ANNOTATIONS = (
    "retry.linkerd.io/http",
    "retry.linkerd.io/limit",
    "retry.linkerd.io/timeout",
    "timeout.linkerd.io/request",
)
CONDITIONS = {"5xx": frozenset(range(500, 600)), "gateway-error": frozenset({502, 503, 504})}
DEFAULTS = ("all-unauthenticated", "all-authenticated", "deny")
INJECTOR = "config.linkerd.io/"


class Linkerd:
    """The objects, indexed. The order of ``objects`` is the age of routes: the first is the oldest."""

    def __init__(
        self,
        objects: Sequence[Body],
        cluster: Cluster,
        *,
        version: str = "2.20",
        identity_trust_domain: str = "cluster.local",
        control_plane: str = "linkerd",
    ) -> None:
        self.cluster = cluster
        self.field_timeouts = tuple(map(int, version.split("."))) >= (2, 20)
        self.suffix = f"serviceaccount.identity.{control_plane}."
        self.trust_domain = identity_trust_domain
        self.outbound: dict[tuple[str, int], list[Body]] = {}
        self.inbound: dict[str, list[Body]] = {}
        self.servers: list[Body] = []
        self.splits: dict[str, Body] = {}
        self.breakers: dict[str, Breaker] = {}
        self.defaults: dict[str, str] = {}
        self.policies: dict[tuple[str, str, str], list[Body]] = {}
        self.authentications: dict[tuple[str, str, str], Body] = {}
        for one in objects:
            self._known(one)

    def _known(self, one: Body) -> None:
        kind, spec = one["kind"], one.get("spec", {})
        namespace, name = one["metadata"].get("namespace", ""), one["metadata"]["name"]
        if kind == "HTTPRoute":
            self._route(one)
        elif kind == "Server":
            only(spec, "podSelector", "port", "proxyProtocol", "accessPolicy", where=kind)
            self.servers.append(one)
        elif kind == "AuthorizationPolicy":
            only(spec, "targetRef", "requiredAuthenticationRefs", where=kind)
            target = only(spec["targetRef"], "group", "kind", "name", where="targetRef")
            self.policies.setdefault((namespace, target["kind"], target["name"]), []).append(one)
        elif kind in ("MeshTLSAuthentication", "NetworkAuthentication"):
            self.authentications[kind, namespace, name] = one
        elif kind == "Namespace":
            policy = annotations(one).get("config.linkerd.io/default-inbound-policy")
            if policy is not None and policy not in DEFAULTS:
                raise Unmodelled(f"default-inbound-policy {policy}")
            if labels(one) or any(not a.startswith((INJECTOR, "linkerd.io/inject")) for a in annotations(one)):
                raise Unmodelled(f"labels or annotations of a namespace: {one['metadata']}")
            if policy is not None:
                self.defaults[name] = policy
        elif kind == "Service":
            if "spec" in one:
                self.cluster.add(http_route.emitted_service(one, ()))
            if labels(one) or any(not a.startswith("balancer.linkerd.io/") for a in annotations(one)):
                raise Unmodelled(f"labels or annotations of a Service: {one['metadata']}")
            if annotations(one):
                self.breakers[f"{namespace}/{name}"] = _breaker(annotations(one))
        elif kind == "TrafficSplit":
            only(spec, "service", "backends", where=kind)
            self.splits[f"{namespace}/{spec['service'].partition('.')[0]}"] = one
        elif kind in ("Deployment", "StatefulSet", "DaemonSet"):
            self._workload(one)
        else:
            raise Unmodelled(kind)

    def _workload(self, one: Body) -> None:
        found = one["spec"]["template"]["metadata"]
        only(found, "annotations", where="pod template")
        for annotation in found["annotations"]:
            if not annotation.startswith(
                ("config.linkerd.io/proxy-cpu", "config.linkerd.io/proxy-mem", "linkerd.io/inject")
            ):
                raise Unmodelled(annotation)

    def _route(self, one: Body) -> None:
        only(annotations(one), *ROUTE_ANNOTATIONS, where="annotations of a route")
        namespace = one["metadata"]["namespace"]
        reference = one["spec"]["parentRefs"][0]
        if (reference["group"], reference["kind"]) == ("", "Service"):
            found = http_route.parent(one, ported=True)
            self.outbound.setdefault((f"{namespace}/{found['name']}", found["port"]), []).append(one)
        elif (reference["group"], reference["kind"]) == ("policy.linkerd.io", "Server"):
            found = http_route.parent(one, ported=False)
            self.inbound.setdefault(f"{namespace}/{found['name']}", []).append(one)
        else:
            raise Unmodelled(f"parent {reference}")

    def answer(self, request: Request) -> Answer:
        """What becomes of a request."""
        service = self.cluster[request.service]
        port = service.port(request.port)
        http = port is not None and port.protocol in HTTP and bool(request.method)
        traffic = None
        if http and request.by_name and not request.caller.plain:
            traffic = self.traffic(service, request)
            if traffic is None:
                return Answer(allowed=False, note="404: no route outbound")
            if traffic.redirect is not None:
                return Answer(allowed=True, traffic=traffic)
        target = request.port if port is None else port.target
        verdicts = {
            self.admits(service.namespace, pod, edited(request, traffic), target, http=http) for pod in service.pods
        }
        if len(verdicts) > 1:
            raise Unmodelled("versions of one service answer differently")
        return Answer(verdicts.pop(), traffic)

    # ------------------------------------------------------------------ outbound

    def traffic(self, service: Kube, request: Request) -> Traffic | None:
        """What the caller's proxy does; None if nothing matches."""
        key = f"{service.namespace}/{service.name}"
        breaker = self.breakers.get(key)  # of the Service that is called, whatever the backends say
        plain = Traffic(backends=shares([(service.backend(request.port), 1)]), path=request.path, breaker=breaker)
        if key in self.splits:
            if any(name == key for name, _ in self.outbound):
                raise Unmodelled("a TrafficSplit switches the routes of its Service off")
            weighted = []
            for one in self.splits[key]["spec"]["backends"]:
                only(one, "service", "weight", where="backend")
                weighted.append(
                    (self.cluster[f"{service.namespace}/{one['service']}"].backend(request.port), one["weight"])
                )
            return replace(plain, backends=shares(weighted), breaker=None)
        routes = self.outbound.get((key, request.port))
        if routes is None:
            return plain
        best = _best(routes, request)
        return None if best is None else self._rule(*best, request, breaker)

    def _rule(self, route: Body, rule: Body, request: Request, breaker: Breaker | None) -> Traffic:
        traffic = Traffic(path=request.path)
        for kind, content in http_route.filters(rule, FILTERS):
            if kind == "RequestRedirect":
                if "backendRefs" in rule or len(rule["filters"]) > 1:
                    raise Unmodelled(f"beside a redirect: {rule}")
                return replace(traffic, redirect=_redirect(content, request))
            traffic = replace(traffic, edits=traffic.edits | set(http_route.edits(kind, content, str)))
        references = [(http_route.backend(one, self.cluster), one["weight"]) for one in rule["backendRefs"]]
        if len(references) == 1:
            references = [(references[0][0], 1)]
        timeout = annotations(route).get("timeout.linkerd.io/request")
        timeouts = only(rule.get("timeouts", {}), "request", where="timeouts")
        if timeout is None and self.field_timeouts:
            timeout = timeouts.get("request")
        return replace(
            traffic,
            backends=shares(references),
            timeout=None if timeout is None else milliseconds(timeout),
            retry=_retry(annotations(route)),
            breaker=breaker,
        )

    # ------------------------------------------------------------------ inbound

    def admits(self, namespace: str, pod: Labels, request: Request, port: int | str, *, http: bool) -> bool:
        """Whether a pod's proxy lets a request or a connection in."""
        found = [
            one
            for one in self.servers
            if one["metadata"]["namespace"] == namespace
            and labelled(only(one["spec"]["podSelector"], "matchLabels")["matchLabels"]) <= pod
            and one["spec"]["port"] == port
        ]
        if len(found) > 1:
            raise Unmodelled("two Servers of one port: the older would win")
        if not found:
            return _default(self.defaults.get(namespace, "all-unauthenticated"), request.caller)
        server, name = found[0], found[0]["metadata"]["name"]
        everywhere = (
            _default(server["spec"]["accessPolicy"], request.caller)
            or self._admitted(namespace, "Server", name, request.caller)
            or self._admitted(namespace, "Namespace", namespace, request.caller)
        )
        protocol = server["spec"]["proxyProtocol"]
        if protocol not in ("unknown", "HTTP/1", "HTTP/2", "opaque", "TLS"):
            raise Unmodelled(f"proxyProtocol {protocol}")
        routes = self.inbound.get(f"{namespace}/{name}")
        if not http or protocol in ("opaque", "TLS") or routes is None:
            return everywhere
        best = _best(routes, request)
        if best is None:
            return False
        return everywhere or self._admitted(namespace, "HTTPRoute", best[0]["metadata"]["name"], request.caller)

    def _admitted(self, namespace: str, kind: str, name: str, caller: Caller) -> bool:
        for policy in self.policies.get((namespace, kind, name), ()):
            if all(self._authenticated(one, namespace, caller) for one in policy["spec"]["requiredAuthenticationRefs"]):
                return True
        return False

    def _authenticated(self, reference: Body, namespace: str, caller: Caller) -> bool:
        only(reference, "group", "kind", "name", "namespace", where="requiredAuthenticationRef")
        found = self.authentications.get((reference["kind"], reference.get("namespace", namespace), reference["name"]))
        if found is None:
            raise Unmodelled(f"there is no {reference['kind']} {reference['name']}: nobody is let in")
        spec = found["spec"]
        if reference["kind"] == "NetworkAuthentication":
            if {one["cidr"] for one in only(spec, "networks")["networks"]} != {"0.0.0.0/0", "::/0"}:
                raise Unmodelled(f"networks {spec}")
            return True
        if len(only(spec, "identities", "identityRefs", where="MeshTLSAuthentication")) != 1:
            raise Unmodelled("identities and identityRefs exclude each other")
        if caller.plain:
            return False
        identity = f"{caller.account}.{caller.namespace}.{self.suffix}{caller.trust or self.trust_domain}"
        return any(_identity_holds(one, identity) for one in self._identities(spec, found["metadata"]["namespace"]))

    def _identities(self, spec: Body, namespace: str) -> Iterable[str]:
        yield from spec.get("identities", ())
        for one in spec.get("identityRefs", ()):
            only(one, "group", "kind", "name", "namespace", where="identityRef")
            if one["kind"] != "ServiceAccount":
                raise Unmodelled(f"identityRef {one}")
            yield f"{one['name']}.{one.get('namespace', namespace)}.{self.suffix}{self.trust_domain}"


def _identity_holds(pattern: str, identity: str) -> bool:
    if pattern.startswith("*."):
        return identity.endswith(pattern[1:])
    if "*" in pattern[1:]:
        raise Unmodelled(f"a star that stands for itself: {pattern}")
    return pattern in ("*", identity)


def _default(policy: str, caller: Caller) -> bool:
    if policy not in DEFAULTS:
        raise Unmodelled(f"policy {policy}")
    return policy == "all-unauthenticated" or (policy == "all-authenticated" and not caller.plain)


def _best(routes: Sequence[Body], request: Request) -> tuple[Body, Body] | None:
    """The route and the rule that win: the first of those that rank highest."""
    best: tuple[tuple[int, ...], Body, Body] | None = None
    for route in routes:
        for rule in route["spec"]["rules"]:
            only(rule, "name", "matches", "filters", "backendRefs", "timeouts", where="rule")
            for match in rule["matches"]:
                if http_route.match_holds(match, request):
                    rank = _rank(match, request)
                    if best is None or rank > best[0]:
                        best = (rank, route, rule)
    return None if best is None else best[1:]


def _rank(match: Body, request: Request) -> tuple[int, ...]:
    path = match["path"]
    length = len(path["value"].rstrip("/") or "/") if path["type"] == "PathPrefix" else len(request.path)
    return length, len(match.get("headers", ())), len(match.get("queryParams", ())), "method" in match


def _retry(found: Mapping[str, str]) -> Retries | None:
    limit, timeout = found.get("retry.linkerd.io/limit"), found.get("retry.linkerd.io/timeout")
    if "retry.linkerd.io/http" not in found:
        if limit is not None or timeout is not None:
            raise Unmodelled("a limit or timeout alone retries what nobody asked for")
        return None
    statuses: set[int] = set()
    conditions = found["retry.linkerd.io/http"].split(",")
    for one in conditions:
        if one not in CONDITIONS and not (len(one) == 3 and one.isdecimal()):
            raise Unmodelled(f"retry condition {one!r}")
        statuses |= CONDITIONS.get(one) or {int(one)}
    if limit == "0":
        raise Unmodelled("limit 0 means 1")
    return Retries(
        int(limit or 1), frozenset(), frozenset(statuses), None if timeout is None else milliseconds(timeout)
    )


def _breaker(found: Mapping[str, str]) -> Breaker:
    """Consecutive accrual: a mistake in any of its annotations would drop all of them."""
    prefix = "balancer.linkerd.io/failure-accrual"
    names = ("", *(f"-consecutive-{name}" for name in ("max-failures", "min-penalty", "max-penalty", "jitter-ratio")))
    only(found, *(prefix + name for name in names), where="annotations of a Service")
    least, most = (milliseconds(found[f"{prefix}-consecutive-{name}-penalty"]) for name in ("min", "max"))
    if found[prefix] != "consecutive" or not 0 < least <= most:
        raise Unmodelled(f"accrual {found}")
    return Breaker(consecutive_5xx=int(found[f"{prefix}-consecutive-max-failures"]), base_ejection_time=least)


def _redirect(redirect: Body, request: Request) -> Redirected:
    only(redirect, "scheme", "hostname", "path", "port", "statusCode", where="RequestRedirect")
    path = request.path
    if "path" in redirect:
        path = only(redirect["path"], "type", "replaceFullPath")["replaceFullPath"]
    return Redirected(
        redirect["statusCode"], redirect.get("scheme", "http"), redirect.get("hostname"),
        redirect.get("port", request.port), path,
    )  # fmt: skip
