"""What Istio with sidecars does with the objects, and with nothing else.

From what is known of istiod and Envoy (and measured on them): rules of a VirtualService are tried in their order, a
``prefix`` is one of characters, a VirtualService without a matching rule answers 404; no ``retries`` is the mesh's own
default, ``attempts: 0`` is none; the percentage of a fault that is not given is 0, that of a mirror is 100; header
values are formats, in which ``%%`` is a percent sign. AuthorizationPolicies deny before they allow; without an ALLOW
policy everything is allowed, an ALLOW policy without rules allows nothing; on ports that are not HTTP an ALLOW rule
about requests is dropped and a DENY rule loses what is about requests. The callee's proxy sees what the caller's made
of a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tests.reading.words import (
    HTTP,
    MESH,
    Answer,
    Backend,
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
    edited,
    labelled,
    labels,
    milliseconds,
    of_kind,
    only,
    share,
    shares,
)

Body = Mapping[str, Any]
GRPC = frozenset({"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"})
CONDITIONS = GRPC | {
    "5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx", "refused-stream", "retriable-status-codes",
}  # fmt: skip


# ---------------------------------------------------------------------- access


def string_holds(pattern: str, actual: str) -> bool:
    """Istio's strings: exact, ``abc*``, ``*abc``, ``*`` for anything that is not empty. Inside, a star is a star."""
    if pattern == "*":
        return actual != ""
    if pattern.endswith("*"):
        return actual.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return actual.endswith(pattern[1:])
    return actual == pattern


def any_holds(patterns: Sequence[str] | None, actual: str) -> bool:
    """Whether one of the strings matches; a field that is not there restricts nothing."""
    if patterns is not None and not patterns:
        raise Unmodelled("an empty list")
    return patterns is None or any(string_holds(one, actual) for one in patterns)


class Rules:
    """The AuthorizationPolicies that one enforcing proxy reads.

    Args:
        http: whether what is judged is a request.
        ztunnel: whether the proxy reads no requests at all.
    """

    def __init__(self, policies: Iterable[Body], *, http: bool, ztunnel: bool = False) -> None:
        self.http = http
        self.ztunnel = ztunnel
        self.allow: list[Sequence[Body]] = []
        self.deny: list[Sequence[Body]] = []
        for policy in policies:
            spec = policy.get("spec", {})
            action = spec.get("action", "ALLOW")
            rules = spec.get("rules", [])
            if action == "ALLOW":
                self.allow.append(rules)
            elif action == "DENY" and rules:
                self.deny.append(rules)
            else:
                raise Unmodelled(f"{action} with {len(rules)} rules")

    def decide(self, principal: str, request: Request, port: int | str) -> bool:
        """Whether a caller with that principal (empty for none) is let in, on the port that the proxy sees."""

        def holds(rules: Sequence[Body], *, deny: bool) -> bool:
            return any(self._rule(rule, principal, request, port, deny=deny) for rule in rules)

        if any(holds(rules, deny=True) for rules in self.deny):
            return False
        return not self.allow or any(holds(rules, deny=False) for rules in self.allow)

    def _rule(self, rule: Body, principal: str, request: Request, port: int | str, *, deny: bool) -> bool:
        only(rule, "from", "to", "when", where="a rule")
        if not self.http:
            rule_without = _without_requests(rule, ztunnel=self.ztunnel)
            if rule_without is not rule and not deny:
                return False
            if rule_without is None:
                return False
            rule = rule_without
        for part in ("from", "to", "when"):
            if part in rule and not rule[part]:
                raise Unmodelled(f"an empty {part}")
        return (
            ("from" not in rule or any(_source(one, principal) for one in rule["from"]))
            and ("to" not in rule or any(_operation(one, request, port) for one in rule["to"]))
            and all(_when(one, request) for one in rule.get("when", ()))
        )


def _without_requests(rule: Body, *, ztunnel: bool) -> Body | None:
    """A rule as a proxy reads it where there are no requests; itself if it is not about any."""
    about = [one["operation"] for one in rule.get("to", ()) if one["operation"].keys() - {"ports"}]
    if not about and not rule.get("when"):
        return rule
    operations = rule.get("to", ())
    left = [{"operation": {"ports": one["operation"]["ports"]}} for one in operations if "ports" in one["operation"]]
    stripped = {"from": rule["from"]} if "from" in rule else {}
    if ztunnel:  # skips a clause of which nothing is left: without any, the rule does nothing
        return {**stripped, "to": left} if left and not rule.get("when") else None
    return {**stripped, "to": left} if left and len(left) == len(operations) else stripped


def _source(clause: Body, principal: str) -> bool:
    source = only(only(clause, "source", where="from")["source"], "principals", "notPrincipals", where="source")
    if not source:
        raise Unmodelled("an empty source")
    excluded = source.get("notPrincipals")
    if excluded is not None and any(string_holds(one, principal) for one in excluded):
        return False
    return any_holds(source.get("principals"), principal)


def _operation(clause: Body, request: Request, port: int | str) -> bool:
    operation = only(only(clause, "operation", where="to")["operation"], "methods", "paths", "ports", where="operation")
    if not operation:
        raise Unmodelled("an empty operation")
    if any("{" in path or "*" in path[1:-1] for path in operation.get("paths", ())):
        raise Unmodelled(f"a path template, or a star that stands for itself: {operation}")
    return (
        any_holds(operation.get("methods"), request.method)
        and any_holds(operation.get("paths"), request.path)
        and any_holds(operation.get("ports"), str(port))
    )


def _when(clause: Body, request: Request) -> bool:
    only(clause, "key", "values", where="when")
    found = re.fullmatch(r"request\.headers\[(.+)\]", clause["key"])
    if found is None or not clause["values"]:
        raise Unmodelled(f"when {clause!r}")
    actual = request.headers.get(found[1])
    return actual is not None and any_holds(clause["values"], actual)


def selects(spec: Body, pod: Labels) -> bool:
    """Whether a selector, or none, takes a pod."""
    return "selector" not in spec or labelled(only(spec["selector"], "matchLabels")["matchLabels"]) <= pod


def mtls_mode(objects: Iterable[Body], namespace: str, pod: Labels, root: str) -> str:
    """The mode of a workload: its own, else its namespace's, else the mesh's, else PERMISSIVE."""
    found: dict[int, str] = {}
    for one in of_kind(objects, "PeerAuthentication"):
        spec = only(one["spec"], "selector", "mtls", where="PeerAuthentication")
        where = one["metadata"]["namespace"]
        if where == root and "selector" in spec:
            raise Unmodelled("a selector in the root namespace is ignored")
        if where not in (namespace, root) or not selects(spec, pod):
            continue
        level = 0 if where == root else 2 if "selector" in spec else 1
        if level in found:
            raise Unmodelled("two PeerAuthentications of one scope: the older would win")
        found[level] = only(spec["mtls"], "mode")["mode"]
    mode = found[max(found)] if found else "PERMISSIVE"
    if mode not in ("STRICT", "PERMISSIVE"):
        raise Unmodelled(f"mode {mode}")
    return mode


def principal_of(caller: Caller, trust_domain: str) -> str:
    """What a certificate says, without ``spiffe://``; empty for a caller in plain text."""
    if caller.plain:
        return ""
    return f"{caller.trust or trust_domain}/ns/{caller.namespace}/sa/{caller.account}"


# ---------------------------------------------------------------------- traffic


def retries_of(value: Body | None) -> Retries | str | None:
    """``retries`` of a rule."""
    if value is None:
        return MESH
    only(value, "attempts", "retryOn", "perTryTimeout", "backoff", where="retries")
    if value["attempts"] == 0:
        if len(value) > 1:
            raise Unmodelled("the webhook refuses other fields beside attempts 0")
        return None
    tokens = value["retryOn"].split(",")
    conditions = frozenset(token for token in tokens if not token.isdecimal())
    if conditions - CONDITIONS:
        raise Unmodelled(f"retryOn {value['retryOn']!r}")
    return Retries(
        value["attempts"],
        conditions - {"retriable-status-codes"},
        frozenset(int(token) for token in tokens if token.isdecimal()),
        milliseconds(value["perTryTimeout"]) if "perTryTimeout" in value else None,
        milliseconds(value["backoff"]) if "backoff" in value else None,
    )


def literal(text: str) -> str:
    """A header value that is a format, as it comes out."""
    if "%" in text.replace("%%", ""):
        raise Unmodelled(f"a format operator in {text!r}")
    return text.replace("%%", "%")


def value_holds(match: Body, actual: str | None) -> bool:
    """A match of a header or a query parameter; ``{}`` asks that it is there."""
    only(match, "exact", "regex", where="a match")
    if actual is None:
        return False
    if "regex" in match:
        if match["regex"] == "*":
            raise Unmodelled("regex '*'")
        return re.fullmatch(match["regex"], actual) is not None
    return bool(match.get("exact", actual) == actual)


def breaker_of(policy: Body) -> Breaker | None:
    """``trafficPolicy`` of a DestinationRule; subsets inherit it. A counter of 0 is off."""
    only(policy, "connectionPool", "outlierDetection", where="trafficPolicy")
    if not policy:
        return None
    pool = only(policy.get("connectionPool", {}), "tcp", "http", where="connectionPool")
    tcp = only(pool.get("tcp", {}), "maxConnections", where="tcp")
    http = only(
        pool.get("http", {}), "http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", where="http"
    )
    if 0 in tcp.values() or 0 in http.values():
        raise Unmodelled("a limit of 0 is none")
    outlier = policy.get("outlierDetection")
    if outlier is None:
        ejection: tuple[int | None, ...] = (None,) * 5
    else:
        only(
            outlier, "consecutive5xxErrors", "consecutiveGatewayErrors", "interval", "baseEjectionTime",
            "maxEjectionPercent", where="outlierDetection",
        )  # fmt: skip
        ejection = (
            outlier["consecutive5xxErrors"] or None,
            outlier["consecutiveGatewayErrors"] or None,
            milliseconds(outlier["interval"]),
            milliseconds(outlier["baseEjectionTime"]),
            outlier["maxEjectionPercent"],
        )
    return Breaker(
        tcp.get("maxConnections"),
        http.get("http1MaxPendingRequests"),
        http.get("http2MaxRequests"),
        http.get("maxRequestsPerConnection"),
        *ejection,
    )


class Istio:
    """The objects, indexed."""

    def __init__(
        self,
        objects: Sequence[Body],
        cluster: Cluster,
        *,
        root: str = "istio-system",
        trust_domain: str = "cluster.local",
        cluster_domain: str = "cluster.local",
    ) -> None:
        self.objects = objects
        self.cluster = cluster
        self.root = root
        self.trust_domain = trust_domain
        self.cluster_domain = cluster_domain
        self.routes: dict[str, Body] = {}
        self.subsets: dict[tuple[str, str], Labels] = {}
        self.breakers: dict[str, Breaker | None] = {}
        self.authorization = list(of_kind(objects, "AuthorizationPolicy"))
        for one in objects:
            self._known(one)

    def _known(self, one: Body) -> None:
        spec = one.get("spec", {})
        kind = one["kind"]
        if kind == "VirtualService":
            only(spec, "hosts", "exportTo", "http", where=kind)
            if spec.get("exportTo", ["*"]) != ["*"] or len(spec["hosts"]) != 1:
                raise Unmodelled("a VirtualService for some clients, or several hosts")
            if spec["hosts"][0] in self.routes:
                raise Unmodelled("two VirtualServices for a host: one would be dropped")
            self.routes[spec["hosts"][0]] = one
        elif kind == "DestinationRule":
            only(spec, "host", "exportTo", "subsets", "trafficPolicy", where=kind)
            if spec.get("exportTo", ["*"]) != ["*"]:
                raise Unmodelled("a DestinationRule for some clients")
            if self._service(spec["host"]).namespace != one["metadata"]["namespace"]:
                raise Unmodelled("a DestinationRule outside its service's namespace")
            if spec["host"] in self.breakers:
                raise Unmodelled("two DestinationRules of a host")
            self.breakers[spec["host"]] = breaker_of(spec.get("trafficPolicy", {}))
            for subset in spec.get("subsets", ()):
                only(subset, "name", "labels", where="a subset")
                if (spec["host"], subset["name"]) in self.subsets:
                    raise Unmodelled("two subsets of one name")
                self.subsets[spec["host"], subset["name"]] = labelled(subset["labels"])
        elif kind == "AuthorizationPolicy":
            only(spec, "selector", "action", "rules", where=kind)
        elif kind == "Namespace":
            if labels(one).keys() - {"istio-injection", "istio.io/rev"}:
                raise Unmodelled(f"labels of a namespace: {labels(one)}")
        elif kind not in ("PeerAuthentication", "Deployment", "StatefulSet", "DaemonSet"):
            raise Unmodelled(kind)

    def _service(self, host: str) -> Kube:
        suffix = f".svc.{self.cluster_domain}"
        name, _, namespace = host.removesuffix(suffix).partition(".")
        if not host.endswith(suffix) or f"{namespace}/{name}" not in self.cluster:
            raise Unmodelled(f"host {host!r}")
        return self.cluster[f"{namespace}/{name}"]

    def answer(self, request: Request) -> Answer:
        """What becomes of a request."""
        service = self.cluster[request.service]
        port = service.port(request.port)
        http = port is not None and port.protocol in HTTP and bool(request.method)
        traffic = None
        if http and request.by_name and not request.caller.plain:
            traffic = self.traffic(service, request)
            if traffic is None:
                return Answer(allowed=False, note="404: no rule of the VirtualService matches")
            if traffic.redirect is not None:
                return Answer(allowed=True, traffic=traffic)
        target = request.port if port is None else port.target
        verdicts = {
            self.admits(service.namespace, pod, edited(request, traffic), target, http=http) for pod in service.pods
        }
        if len(verdicts) > 1:
            raise Unmodelled("versions of one service answer differently")
        return Answer(verdicts.pop(), traffic)

    def admits(self, namespace: str, pod: Labels, request: Request, port: int | str, *, http: bool) -> bool:
        """Whether a pod's sidecar lets a request in."""
        if request.caller.plain and mtls_mode(self.objects, namespace, pod, self.root) == "STRICT":
            return False
        applying = [
            one
            for one in self.authorization
            if one["metadata"]["namespace"] in (self.root, namespace) and selects(one.get("spec", {}), pod)
        ]
        return Rules(applying, http=http).decide(principal_of(request.caller, self.trust_domain), request, port)

    # ------------------------------------------------------------------ VirtualService

    def traffic(self, service: Kube, request: Request) -> Traffic | None:
        """What the caller's sidecar does; None if nothing matches."""
        host = f"{service.name}.{service.namespace}.svc.{self.cluster_domain}"
        found = self.routes.get(host)
        if found is None:
            backends = shares([(service.backend(request.port), 1)])
            return Traffic(backends=backends, retry=MESH, path=request.path, breaker=self.breakers.get(host))
        for rule in found["spec"]["http"]:
            only(
                rule, "name", "match", "route", "redirect", "rewrite", "timeout", "retries", "fault", "mirrors",
                "headers", where="http",
            )  # fmt: skip
            for match in rule.get("match", [{}]):
                if self._match(match, request):
                    return self._rule(rule, match, request)
        return None

    def _match(self, match: Body, request: Request) -> bool:
        only(match, "uri", "method", "headers", "queryParams", "port", where="match")
        uri = only(match.get("uri", {"prefix": "/"}), "exact", "prefix", "regex", where="uri")
        ((how, text),) = uri.items()
        holds = {
            "exact": lambda: request.path == text,
            "prefix": lambda: request.path.startswith(text),
            "regex": lambda: re.fullmatch(text, request.path) is not None,
        }[how]()
        return (
            bool(holds)
            and match.get("port", request.port) == request.port
            and only(match.get("method", {"exact": request.method}), "exact")["exact"] == request.method
            and all(value_holds(m, request.headers.get(n)) for n, m in match.get("headers", {}).items())
            and all(value_holds(m, request.query.get(n)) for n, m in match.get("queryParams", {}).items())
        )

    def _rule(self, rule: Body, match: Body, request: Request) -> Traffic:
        if "redirect" in rule:
            if rule.keys() - {"name", "match", "redirect"}:
                raise Unmodelled(f"beside a redirect: {rule}")
            return Traffic(path=request.path, redirect=_redirect(rule["redirect"], request))
        traffic = Traffic(
            backends=self._backends(rule["route"]),
            timeout=milliseconds(rule["timeout"]) if "timeout" in rule else None,
            retry=retries_of(rule.get("retries")),
            edits=frozenset(_edits(rule.get("headers", {}))),
            path=request.path,
            breaker=self._breaker(rule["route"]),
        )
        fault = only(rule.get("fault", {}), "delay", "abort", where="fault")
        if "delay" in fault:
            delay = only(fault["delay"], "fixedDelay", "percentage", where="delay")
            traffic = replace(traffic, delay=(_percent(delay, 0), milliseconds(delay["fixedDelay"])))
        if "abort" in fault:
            abort = only(fault["abort"], "httpStatus", "percentage", where="abort")
            traffic = replace(traffic, abort=(_percent(abort, 0), abort["httpStatus"]))
        if "mirrors" in rule:
            (mirror,) = rule["mirrors"]
            only(mirror, "destination", "percentage", where="mirror")
            traffic = replace(traffic, mirror=(self._destination(mirror["destination"]), _percent(mirror, 100)))
        if "rewrite" in rule:
            traffic = _rewritten(traffic, rule["rewrite"], match, request)
        return traffic

    def _backends(self, route: Sequence[Body]) -> frozenset[tuple[Backend, Fraction]]:
        for one in route:
            only(one, "destination", "weight", where="route")
        if len(route) == 1:
            return shares([(self._destination(route[0]["destination"]), 1)])
        return shares((self._destination(one["destination"]), one.get("weight", 0)) for one in route)

    def _breaker(self, route: Sequence[Body]) -> Breaker | None:
        found = {self.breakers.get(one["destination"]["host"]) for one in route}
        if len(found) > 1:
            raise Unmodelled("destinations with different breakers")
        return found.pop()

    def _destination(self, destination: Body) -> Backend:
        only(destination, "host", "port", "subset", where="destination")
        version: Labels = frozenset()
        if "subset" in destination:
            version = self.subsets[destination["host"], destination["subset"]]
        return self._service(destination["host"]).backend(destination["port"]["number"], version)


def _percent(value: Body, default: int) -> Fraction:
    return share(only(value["percentage"], "value")["value"]) if "percentage" in value else Fraction(default)


def _edits(headers: Body) -> Iterable[tuple[str, str, str, str]]:
    for message, edits in only(headers, "request", "response", where="headers").items():
        only(edits, "set", "add", "remove", where="headers")
        for operation in ("set", "add"):
            for name, value in edits.get(operation, {}).items():
                yield message, operation, name, literal(value)
        for name in edits.get("remove", ()):
            yield message, "remove", name, ""


def _rewritten(traffic: Traffic, rewrite: Body, match: Body, request: Request) -> Traffic:
    only(rewrite, "uri", "authority", "uriRegexRewrite", where="rewrite")
    path = request.path
    ((how, text),) = match.get("uri", {"prefix": "/"}).items()
    if "uri" in rewrite:
        path = rewrite["uri"] + (path[len(text) :] if how == "prefix" else "")
    elif "uriRegexRewrite" in rewrite:
        regex = only(rewrite["uriRegexRewrite"], "match", "rewrite")
        path = re.sub(regex["match"], regex["rewrite"], path)
    return replace(traffic, path=path, host=rewrite.get("authority"))


def _redirect(redirect: Body, request: Request) -> Redirected:
    only(redirect, "uri", "authority", "scheme", "port", "redirectCode", "derivePort", where="redirect")
    scheme = redirect.get("scheme", "http")
    if "port" in redirect:
        port = redirect["port"]
    elif "derivePort" in redirect:
        port = request.port if redirect["derivePort"] == "FROM_REQUEST_PORT" else {"http": 80, "https": 443}[scheme]
    elif "authority" in redirect or "scheme" in redirect:
        port = {"http": 80, "https": 443}[scheme]  # another authority is written as it is: without a port
    else:
        port = request.port
    return Redirected(
        redirect.get("redirectCode", 301), scheme, redirect.get("authority"), port, redirect.get("uri", request.path)
    )
