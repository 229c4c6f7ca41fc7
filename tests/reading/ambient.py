"""What Istio Ambient does with the objects, and with nothing else.

From what is known of istiod, ztunnel and waypoints (ztunnel also measured): a call by name to a Service that is bound
to a waypoint passes the waypoint, which reads the policies with ``targetRefs``, the HTTPRoutes, and the *Service's*
port; the ztunnel before the pod then sees the waypoint's identity. Everything else meets that ztunnel alone: it reads
the policies with a selector or without any, the workload's port, and no requests at all, so that an ALLOW rule about
requests is dropped and a DENY rule about requests does nothing unless it names ports. A caller outside the mesh never
passes a waypoint. Matches of HTTPRoutes: exact, then prefix, then regex; then the longer path; then a method; then more
headers; then more query parameters; then the earlier. ``retry`` comes on top of the mesh's own conditions;
``backendRequest`` without ``retry`` would take the place of ``request``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.reading import http_route
from tests.reading.istio import Rules, breaker_of, literal, mtls_mode, principal_of, selects
from tests.reading.words import (
    HTTP,
    MESH,
    Answer,
    Breaker,
    Cluster,
    Kube,
    Labels,
    Redirected,
    Request,
    Retries,
    Traffic,
    Unmodelled,
    labels,
    milliseconds,
    only,
    share,
    shares,
)

Body = Mapping[str, Any]
ALWAYS = frozenset({"connect-failure", "refused-stream", "unavailable", "cancelled"})
FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "RequestMirror", "URLRewrite")
WAYPOINT_LABELS = ("istio.io/use-waypoint", "istio.io/ingress-use-waypoint")


class Ambient:
    """The objects, indexed.

    Args:
        waypoints: ``namespace/name`` of waypoints that are there already.
        default_retries: whether the mesh's own default retries are on.
    """

    def __init__(
        self,
        objects: Sequence[Body],
        cluster: Cluster,
        *,
        root: str = "istio-system",
        trust_domain: str = "cluster.local",
        waypoints: Sequence[str] = (),
        default_retries: bool = True,
    ) -> None:
        self.objects = objects
        self.cluster = cluster
        self.root = root
        self.trust_domain = trust_domain
        self.default_retries = default_retries
        self.waypoints = set(waypoints)
        self.bound: dict[str, str] = {}
        self.routes: dict[tuple[str, int], Body] = {}
        self.at_waypoint: dict[str, list[Body]] = {}
        self.at_ztunnel: list[Body] = []
        self.breakers: dict[str, Breaker | None] = {}
        for one in objects:
            self._known(one)

    def _known(self, one: Body) -> None:
        kind, spec = one["kind"], one.get("spec", {})
        namespace, name = one["metadata"].get("namespace", ""), one["metadata"]["name"]
        if kind == "Gateway":
            listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
            if spec["gatewayClassName"] != "istio-waypoint" or not listener.items() <= spec["listeners"][0].items():
                raise Unmodelled("a Gateway that is no waypoint")
            if labels(one).get("istio.io/waypoint-for", "service") != "service":
                raise Unmodelled("a waypoint for other than Services")
            self.waypoints.add(f"{namespace}/{name}")
        elif kind == "Service":
            self._service(one)
        elif kind == "HTTPRoute":
            parent = http_route.parent(one, ported=True)
            key = (f"{namespace}/{parent['name']}", parent["port"])
            if (parent["group"], parent["kind"]) != ("", "Service") or key in self.routes:
                raise Unmodelled(f"a route of {parent}, or two of one port")
            self.routes[key] = one
        elif kind == "AuthorizationPolicy":
            if "targetRefs" in spec:
                only(spec, "targetRefs", "action", "rules", where=kind)
                for reference in spec["targetRefs"]:
                    if (reference["group"], reference["kind"]) != ("", "Service"):
                        raise Unmodelled(f"targetRef {reference}")
                    self.at_waypoint.setdefault(f"{namespace}/{reference['name']}", []).append(one)
            else:
                only(spec, "selector", "action", "rules", where=kind)
                self.at_ztunnel.append(one)
        elif kind == "DestinationRule":
            only(spec, "host", "exportTo", "trafficPolicy", where=kind)
            host, _, where = spec["host"].partition(".")
            self.breakers[f"{where.partition('.')[0]}/{host}"] = breaker_of(spec["trafficPolicy"])
        elif kind == "Namespace":
            only(labels(one), "istio.io/dataplane-mode", "istio.io/rev", where="labels of a namespace")
        elif kind not in ("PeerAuthentication", "Deployment", "StatefulSet", "DaemonSet"):
            raise Unmodelled(kind)

    def _service(self, one: Body) -> None:
        namespace, name = one["metadata"]["namespace"], one["metadata"]["name"]
        own = only(labels(one), *WAYPOINT_LABELS, where="labels of a Service")
        if "spec" in one:
            self.cluster.add(http_route.emitted_service(one, WAYPOINT_LABELS))
        if "istio.io/use-waypoint" in own:
            self.bound[f"{namespace}/{name}"] = own["istio.io/use-waypoint"]

    def _waypoint(self, service: str) -> str:
        """The waypoint of a Service, empty for none."""
        name = self.bound.get(service, "none")
        if name == "none":
            return ""
        found = f"{service.partition('/')[0]}/{name}"
        if found not in self.waypoints:
            raise Unmodelled(f"there is no waypoint {found}: traffic would flow without its policies")
        return name

    def answer(self, request: Request) -> Answer:
        """What becomes of a request."""
        service = self.cluster[request.service]
        port = service.port(request.port)
        http = port is not None and port.protocol in HTTP and bool(request.method)
        target = request.port if port is None else port.target
        principal = principal_of(request.caller, self.trust_domain)
        waypoint = self._waypoint(request.service) if request.by_name and not request.caller.plain else ""
        traffic = None
        if http and request.by_name and not request.caller.plain:
            traffic = Traffic(backends=shares([(service.backend(request.port), 1)]), retry=MESH, path=request.path)
        if waypoint:
            rules = Rules(self.at_waypoint.get(request.service, ()), http=http)
            if not rules.decide(principal, request, request.port):
                return Answer(allowed=False)
            if http:
                traffic = self.traffic(service, request)
                if traffic is None:
                    return Answer(allowed=False, note="404: no rule of the HTTPRoute matches")
                if traffic.redirect is not None:
                    return Answer(allowed=True, traffic=traffic)
            principal = f"{self.trust_domain}/ns/{service.namespace}/sa/{waypoint}"
        elif request.service in self.at_waypoint and request.by_name and not request.caller.plain:
            raise Unmodelled("a policy with targetRefs and no waypoint is enforced by nobody")
        verdicts = {self.admits(service.namespace, pod, request, principal, target) for pod in service.pods}
        if len(verdicts) > 1:
            raise Unmodelled("versions of one service answer differently")
        return Answer(verdicts.pop(), traffic)

    def admits(self, namespace: str, pod: Labels, request: Request, principal: str, port: int | str) -> bool:
        """Whether the ztunnel before a pod lets a connection in."""
        if not principal and mtls_mode(self.objects, namespace, pod, self.root) == "STRICT":
            return False
        applying = [
            one
            for one in self.at_ztunnel
            if one["metadata"]["namespace"] in (self.root, namespace) and selects(one.get("spec", {}), pod)
        ]
        return Rules(applying, http=False, ztunnel=True).decide(principal, request, port)

    # ------------------------------------------------------------------ HTTPRoute

    def traffic(self, service: Kube, request: Request) -> Traffic | None:
        """What the waypoint does; None if nothing matches."""
        found = self.routes.get((f"{service.namespace}/{service.name}", request.port))
        if found is None:
            backends = shares([(service.backend(request.port), 1)])
            breaker = self.breakers.get(f"{service.namespace}/{service.name}")
            return Traffic(backends=backends, retry=MESH, path=request.path, breaker=breaker)
        best: tuple[tuple[int, ...], Body, Body] | None = None
        for rule in found["spec"]["rules"]:
            only(rule, "name", "matches", "filters", "backendRefs", "timeouts", "retry", where="rule")
            for match in rule["matches"]:
                if http_route.match_holds(match, request) and (best is None or _rank(match) > best[0]):
                    best = (_rank(match), rule, match)
        return None if best is None else self._rule(best[1], best[2], request)

    def _rule(self, rule: Body, match: Body, request: Request) -> Traffic:
        traffic = Traffic(path=request.path)
        for kind, content in http_route.filters(rule, FILTERS):
            if kind == "RequestRedirect":
                if rule.keys() - {"name", "matches", "filters"} or len(rule["filters"]) > 1:
                    raise Unmodelled(f"beside a redirect: {rule}")
                return replace(traffic, redirect=_redirect(content, request))
            if kind == "RequestMirror":
                only(content, "backendRef", "percent", "fraction", where=kind)
                percent = share(content.get("percent", 100))
                if "fraction" in content:
                    fraction = only(content["fraction"], "numerator", "denominator")
                    percent = 100 * share(fraction["numerator"]) / share(fraction.get("denominator", 100))
                traffic = replace(traffic, mirror=(http_route.backend(content["backendRef"], self.cluster), percent))
            elif kind == "URLRewrite":
                traffic = _rewritten(traffic, content, match, request)
            else:
                traffic = replace(traffic, edits=traffic.edits | set(http_route.edits(kind, content, literal)))
        timeouts = only(rule.get("timeouts", {}), "request", "backendRequest", where="timeouts")
        if "backendRequest" in timeouts and "retry" not in rule:
            raise Unmodelled("backendRequest without retry takes the place of request")
        references = [(http_route.backend(one, self.cluster), one["weight"]) for one in rule["backendRefs"]]
        breakers = {self.breakers.get(f"{one['namespace']}/{one['name']}") for one in rule["backendRefs"]}
        if len(breakers) > 1:
            raise Unmodelled("backends with different breakers")
        return replace(
            traffic,
            breaker=breakers.pop(),
            backends=shares(references),
            timeout=milliseconds(timeouts["request"]) if "request" in timeouts else None,
            retry=self._retry(rule.get("retry"), timeouts.get("backendRequest")),
        )

    def _retry(self, retry: Body | None, per_try: str | None) -> Retries | str | None:
        if retry is None:
            return MESH if self.default_retries else None
        only(retry, "attempts", "codes", "backoff", where="retry")
        return Retries(
            retry["attempts"],
            ALWAYS,
            frozenset(retry.get("codes", ())),
            None if per_try is None else milliseconds(per_try),
            milliseconds(retry["backoff"]) if "backoff" in retry else None,
        )


def _rank(match: Body) -> tuple[int, ...]:
    """Greater wins."""
    path = match["path"]
    kind = ("RegularExpression", "PathPrefix", "Exact").index(path["type"])
    return (
        kind, len(path["value"]), "method" in match, len(match.get("headers", ())), len(match.get("queryParams", ())),
    )  # fmt: skip


def _rewritten(traffic: Traffic, rewrite: Body, match: Body, request: Request) -> Traffic:
    only(rewrite, "hostname", "path", where="URLRewrite")
    path = request.path
    if "path" in rewrite:
        how = only(rewrite["path"], "type", "replaceFullPath", "replacePrefixMatch", where="path")
        if how["type"] == "ReplaceFullPath":
            path = how["replaceFullPath"]
        else:
            if match["path"]["type"] != "PathPrefix":
                raise Unmodelled("ReplacePrefixMatch without a prefix")
            rest = path[len(match["path"]["value"].rstrip("/")) :]
            path = how["replacePrefixMatch"].rstrip("/") + rest or "/"
    return replace(traffic, path=path, host=rewrite.get("hostname"))


def _redirect(redirect: Body, request: Request) -> Redirected:
    only(redirect, "scheme", "hostname", "path", "port", "statusCode", where="RequestRedirect")
    scheme = redirect.get("scheme", "http")
    port = redirect.get("port", {"http": 80, "https": 443}[scheme] if "scheme" in redirect else request.port)
    path = request.path
    if "path" in redirect:
        path = only(redirect["path"], "type", "replaceFullPath")["replaceFullPath"]
    return Redirected(redirect["statusCode"], scheme, redirect.get("hostname"), port, path)
