"""Objects that somebody else wrote: the classes decide as small evaluators of the raw objects do, request by request."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import meshdsl
from meshdsl import compiler
from meshdsl.compare import access
from meshdsl.compare.access.decide import patterns
from meshdsl.compare.access.difference import Comparison
from meshdsl.compare.access.model import AccessModel
from meshdsl.simulate.ambient import AmbientReading
from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.linkerd import LinkerdReading
from meshdsl.targets.base import Target
from tests.compare.access_classes import cell, identity_bit, is_in
from tests.reading.simulated import Simulated
from tests.reading.words import Caller, Request

Body = Mapping[str, Any]
EXAMPLES = int(os.environ.get("MESHDSL_ACCESS", "120"))
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "api", "namespace": "prod"},
    "spec": {
        "selector": {"app": "api"},
        "ports": [
            {"port": 80, "targetPort": 8080, "name": "http"},
            {"port": 90, "targetPort": 9090, "name": "tcp-db"},
        ],
    },
}
CALLERS = [
    "",
    "cluster.local/ns/prod/sa/web",
    "cluster.local/ns/prod/sa/webmaster",
    "cluster.local/ns/prod/sa/other",
    "cluster.local/ns/products/sa/web",
    "cluster.local/ns/test/sa/my-web",
    "other.org/ns/prod/sa/web",
    "other.org/ns/test/sa/z",
]
PATHS = ["/", "/a", "/a/", "/a/b", "/ab", "/b", "/b/c", "/x/y/z", "/c.html"]
METHODS = ["GET", "POST", "PUT", "TRACE"]
HEADERS: list[dict[str, str]] = [{}, {"x-a": "1"}, {"x-a": "10"}, {"x-a": "z"}, {"x-b": "1"}, {"x-a": "1", "x-b": "q"}]

PRINCIPALS = st.sampled_from(
    [
        "*",
        "cluster.local/*",
        "cluster.local/ns/prod/*",
        "cluster.local/ns/prod/sa/web",
        "cluster.local/ns/prod/sa/web*",
        "cluster.local/ns/prod*",
        "*/sa/web",
        "*web",
        "*/ns/prod/sa/web",
        "other.org/ns/prod/sa/web",
        "other.org/*",
    ]
)


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    """One to three of some values."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


SOURCES = st.fixed_dictionaries(
    {},
    optional={
        "principals": st.lists(PRINCIPALS, min_size=1, max_size=3, unique=True),
        "notPrincipals": st.lists(PRINCIPALS, min_size=1, max_size=2, unique=True),
        "namespaces": some(["prod", "test", "pro*", "*"]),
        "notNamespaces": some(["prod", "test"]),
    },
).filter(bool)
PATTERNS = ["/", "/a", "/a*", "/a/*", "/b", "*", "/*", "*.html", "*/c", "/{*}/y/{**}", "/a/{*}"]
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "methods": some(["GET", "POST", "P*", "*"]),
        "notMethods": some(["GET", "POST"]),
        "paths": some(PATTERNS),
        "notPaths": some(PATTERNS),
        "ports": some(["80", "8080", "9090"]),
        "notPorts": some(["8080", "9090"]),
    },
).filter(bool)
WHEN = st.one_of(
    st.fixed_dictionaries(
        {"key": st.sampled_from(["request.headers[x-a]", "request.headers[X-B]"])},
        optional={"values": some(["1", "1*", "*", "*z"]), "notValues": some(["1", "10"])},
    ),
    st.fixed_dictionaries({"key": st.just("source.namespace")}, optional={"values": some(["prod"])}),
    st.fixed_dictionaries({"key": st.just("destination.port"), "values": some(["8080", "9090"])}),
).filter(lambda one: len(one) > 1)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(SOURCES.map(lambda one: {"source": one}), min_size=1, max_size=2),
        "to": st.lists(OPERATIONS.map(lambda one: {"operation": one}), min_size=1, max_size=2),
        "when": st.lists(WHEN, min_size=1, max_size=2),
    },
)


@st.composite
def policies(draw: st.DrawFn) -> list[Body]:
    """AuthorizationPolicies and PeerAuthentications, near and far."""
    found: list[Body] = [SERVICE]
    for index in range(draw(st.integers(0, 3))):
        action = draw(st.sampled_from(["ALLOW", "ALLOW", "DENY", "AUDIT"]))
        spec: dict[str, Any] = {"action": action, "rules": draw(st.lists(RULES, min_size=action == "DENY", max_size=2))}
        labels = draw(st.sampled_from([None, {"app": "api"}, {"app": "other"}]))
        if labels:
            spec["selector"] = {"matchLabels": labels}
        found.append(
            security("AuthorizationPolicy", draw(st.sampled_from(["prod", "istio-system", "test"])), index, spec)
        )
    for index in range(draw(st.integers(0, 3))):
        namespace, labels = draw(st.sampled_from([("prod", None), ("istio-system", None), ("prod", {"app": "api"})]))
        modes = st.sampled_from(["STRICT", "PERMISSIVE", "UNSET"]).map(lambda mode: {"mode": mode})
        spec = {"mtls": draw(modes)}
        if labels:
            spec |= {"selector": {"matchLabels": labels}}
            spec |= draw(st.fixed_dictionaries({}, optional={"portLevelMtls": st.fixed_dictionaries({"9090": modes})}))
        found.append(security("PeerAuthentication", namespace, index, spec))
    return found


def security(kind: str, namespace: str, index: int, spec: Body) -> Body:
    """An object; the greater its index, the younger it is."""
    metadata = {"name": f"p{index}", "namespace": namespace, "creationTimestamp": f"2026-01-0{index + 1}T00:00:00Z"}
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


# ------------------------------------------------------------------------------------------- the evaluator of Istio


def matches(pattern: str, actual: str) -> bool:
    """A string of Istio."""
    if "{" in pattern:
        regex = re.escape(pattern).replace(r"\{\*\*\}", ".*").replace(r"\{\*\}", "[^/]+")
        return re.fullmatch(regex, actual) is not None
    if pattern == "*":
        return actual != ""
    if pattern.endswith("*"):
        return actual.startswith(pattern[:-1])
    return actual.endswith(pattern[1:]) if pattern.startswith("*") else actual == pattern


def field_holds(clause: Body, name: str, actual: str) -> bool:
    """A field, and its negation."""
    negated = f"not{name[0].upper()}{name[1:]}"
    return (name not in clause or any(matches(one, actual) for one in clause[name])) and not any(
        matches(one, actual) for one in clause.get(negated, ())
    )


class Raw:
    """What Istio's sidecars do with objects."""

    def __init__(self, objects: list[Body]) -> None:
        self.objects = objects

    def allows(self, principal: str, port: int, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request is let in, at a workload port."""
        if not principal and self.mode(port) == "STRICT":
            return False
        request = (principal, port, method, path, headers)
        applying = [
            one["spec"]
            for one in self.objects
            if one["kind"] == "AuthorizationPolicy"
            and one["metadata"]["namespace"] in ("prod", "istio-system")
            and one["spec"].get("selector", {}).get("matchLabels", {}).get("app", "api") == "api"
        ]
        if any(self.rule(rule, *request, deny=True) for s in applying if s["action"] == "DENY" for rule in s["rules"]):
            return False
        allow = [spec for spec in applying if spec["action"] == "ALLOW"]
        return not allow or any(self.rule(rule, *request, deny=False) for spec in allow for rule in spec["rules"])

    def mode(self, port: int) -> str:
        """The mode of a port: of the workload, the namespace, the mesh; of two, the older."""
        scopes: list[list[Body]] = [[], [], []]
        for one in self.objects:
            if one["kind"] == "PeerAuthentication":
                near = "selector" in one["spec"]
                scopes[0 if near else 1 if one["metadata"]["namespace"] == "prod" else 2].append(one["spec"])
        own = scopes[0][0] if scopes[0] else {}
        found = [own.get("portLevelMtls", {}).get(str(port), {}), *(scope[0]["mtls"] for scope in scopes if scope)]
        return next((one["mode"] for one in found if one.get("mode", "UNSET") != "UNSET"), "PERMISSIVE")

    def rule(
        self, rule: Body, principal: str, port: int, method: str, path: str, headers: Mapping[str, str], *, deny: bool
    ) -> bool:
        """Whether a rule matches. Port 9090 is of bytes."""
        operations = [one["operation"] for one in rule.get("to", ())]
        when = list(rule.get("when", ()))
        if port == 9090:
            about = {"methods", "notMethods", "paths", "notPaths"}
            looks = any(about & one.keys() for one in operations) or any("headers" in one["key"] for one in when)
            if looks and not deny:
                return False
            operations = [{k: v for k, v in one.items() if k not in about} for one in operations]
            when = [one for one in when if "headers" not in one["key"]]
        return (
            ("from" not in rule or any(self.source(one["source"], principal) for one in rule["from"]))
            and (
                not operations
                or any(
                    field_holds(one, "methods", method)
                    and field_holds(one, "paths", path)
                    and field_holds(one, "ports", str(port))
                    for one in operations
                )
            )
            and all(self.condition(one, principal, port, headers) for one in when)
        )

    def source(self, source: Body, principal: str) -> bool:
        """Whether a source matches a caller."""
        if not principal:
            return "principals" not in source and "namespaces" not in source
        return field_holds(source, "principals", principal) and field_holds(
            source, "namespaces", principal.split("/")[2]
        )

    def condition(self, when: Body, principal: str, port: int, headers: Mapping[str, str]) -> bool:
        """Whether a condition holds."""
        key = when["key"]
        if key == "destination.port":
            return str(port) in when["values"]
        if key == "source.namespace":
            return bool(principal) and principal.split("/")[2] in when["values"]
        actual = headers.get(key[16:-1].lower())
        found = actual is not None and any(matches(one, actual) for one in when.get("values", ("*",)))
        without = actual is not None and any(matches(one, actual) for one in when.get("notValues", ()))
        return (found or "values" not in when) and not without


def requests() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Methods, paths, headers."""
    return itertools.product(METHODS, PATHS, HEADERS)


def compared_with_nothing(objects: list[Body], target: Target, plan: Any = None) -> tuple[Comparison, list[str]]:
    """The decisions about prod/api, and the patterns of callers in them."""
    model: AccessModel = access.of_objects(objects, target, plan)
    service = model.services["prod/api"]
    known = sorted(set(patterns([way for ways in service.ports.values() for way in ways])))
    return Comparison("prod/api", None, service, mixed=False), known


@SETTINGS
@given(policies())
def test_istio_is_read_as_it_decides(objects: list[Body]) -> None:
    compared, known = compared_with_nothing(objects, meshdsl.Istio())
    raw = Raw(objects)
    cells = {
        (m, p, i): cell(compared, m, p, h) for m, p in itertools.product(METHODS, PATHS) for i, h in enumerate(HEADERS)
    }
    for caller in CALLERS:
        own = caller.removeprefix("cluster.local") if caller else ""
        bit = identity_bit(compared, own, known)
        for (method, path, index), request in cells.items():
            for port, target in ((80, 8080), (90, 9090)):
                wanted = raw.allows(caller, target, method, path, HEADERS[index])
                assert is_in(compared.after[port], bit, request) is wanted, (caller, port, method, path, HEADERS[index])


# ----------------------------------------------------------------------------------------------------------- Linkerd

IDENTITY = "serviceaccount.identity.linkerd.cluster.local"
MATCHES = st.fixed_dictionaries(
    {
        "path": st.sampled_from(
            [
                {"type": "PathPrefix", "value": "/"},
                {"type": "PathPrefix", "value": "/a"},
                {"type": "PathPrefix", "value": "/a/b"},
                {"type": "Exact", "value": "/a"},
                {"type": "Exact", "value": "/b"},
                {"type": "Exact", "value": "/"},
                {"type": "RegularExpression", "value": "^(?:/[ab]/?)$"},
                {"type": "RegularExpression", "value": "^(?:.*/c.*)$"},
            ]
        )
    },
    optional={
        "method": st.sampled_from(["GET", "POST"]),
        "headers": st.just([{"name": "x-a", "type": "Exact", "value": "1"}]),
    },
)


@st.composite
def linkerd_objects(draw: st.DrawFn) -> list[Body]:
    """A Server, routes on it, and policies on all of them."""
    linkerd = {"apiVersion": "policy.linkerd.io/v1alpha1"}

    def named(kind: str, name: str, spec: Body) -> Body:
        return {**linkerd, "kind": kind, "metadata": {"name": name, "namespace": "prod"}, "spec": spec}

    default = draw(st.sampled_from([None, "deny", "all-authenticated", "all-unauthenticated"]))
    annotations = {"config.linkerd.io/default-inbound-policy": default} if default else {}
    found: list[Body] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "annotations": annotations}}
    ]
    spec = {
        "podSelector": {"matchLabels": {"app": "api"}},
        "port": 8080,
        "proxyProtocol": draw(st.sampled_from(["unknown", "HTTP/2", "opaque"])),
        "accessPolicy": draw(st.sampled_from(["deny", "deny", "all-authenticated"])),
    }
    found.append(named("Server", "server", spec))
    identities: dict[str, Body] = {
        "everyone": {"identities": ["*"]},
        "web": {"identityRefs": [{"kind": "ServiceAccount", "name": "web"}]},
        "prod": {"identities": [f"*.prod.{IDENTITY}"]},
    }
    found += [named("MeshTLSAuthentication", name, one) for name, one in identities.items()]
    found.append(named("NetworkAuthentication", "all", {"networks": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]}))
    targets = [("Server", "server"), ("Namespace", "prod")]
    for index in range(draw(st.integers(0, 4))):
        parent = {"group": "policy.linkerd.io", "kind": "Server", "name": "server", "namespace": "prod"}
        rules = [{"matches": draw(st.lists(MATCHES, min_size=1, max_size=2))}]
        metadata = {"name": f"r{index}", "namespace": "prod", "creationTimestamp": f"2026-01-0{index + 1}T00:00:00Z"}
        route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata}
        found.append({**route, "spec": {"parentRefs": [parent], "rules": rules}})
        targets += [("HTTPRoute", f"r{index}")] * 2
    for index in range(draw(st.integers(0, 5))):
        kind, name = draw(st.sampled_from(targets))
        required = draw(st.sampled_from([[], ["everyone"], ["web"], ["prod"]])) + draw(st.sampled_from([[], ["all"]]))
        references = [
            {
                "group": "policy.linkerd.io",
                "kind": "NetworkAuthentication" if one == "all" else "MeshTLSAuthentication",
                "name": one,
            }
            for one in required
        ]
        group = {"Namespace": "", "Server": "policy.linkerd.io"}.get(kind, "gateway.networking.k8s.io")
        target = {"group": group, "kind": kind, "name": name}
        spec = {"targetRef": target, "requiredAuthenticationRefs": references}
        found.append(named("AuthorizationPolicy", f"p{index}", spec))
    return found


@SETTINGS
@given(linkerd_objects())
def test_linkerd_is_read_as_it_decides(objects: list[Body]) -> None:
    compared, known = compared_with_nothing([*objects, SERVICE], meshdsl.Linkerd())
    reading = Simulated(LinkerdReading(objects, Inventory(), meshdsl.Linkerd()))
    pod = frozenset({("app", "api")})
    for caller in (
        Caller(),
        Caller("prod", "web"),
        Caller("prod", "x"),
        Caller("test", "web"),
        Caller("a", "b", "c.d"),
    ):
        name = "" if caller.plain else f"{caller.trust}/ns/{caller.namespace}/sa/{caller.account}"
        bit = identity_bit(compared, name, known)
        for method, path, headers in requests():
            request = Request(caller, "prod/api", 80, method, path, headers)
            found = is_in(compared.after[80], bit, cell(compared, method, path, headers))
            assert found is reading.admits("prod", pod, request, 8080, http=True), request
        assert is_in(compared.after[90], bit, 1) is reading.admits("prod", pod, request, 9090, http=False)


# ----------------------------------------------------------------------------------------------------------- Ambient

SIMPLE_RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(
            st.fixed_dictionaries(
                {"principals": st.lists(PRINCIPALS, min_size=1, max_size=2, unique=True)},
                optional={"notPrincipals": st.just(["cluster.local/ns/prod/sa/web"])},
            ).map(lambda one: {"source": one}),
            min_size=1,
            max_size=2,
        ),
        "to": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "methods": some(["GET", "POST"]),
                    "paths": some(["/a", "/a/*", "/b"]),
                    "ports": some(["80", "8080", "9090"]),
                },
            )
            .filter(bool)
            .map(lambda one: {"operation": one}),
            min_size=1,
            max_size=2,
        ),
    },
)


@st.composite
def ambient_objects(draw: st.DrawFn) -> list[Body]:
    """Policies at ztunnel and at the waypoint, with and without a binding, with and without a fence."""
    bound = draw(st.booleans())
    labels = {"istio.io/use-waypoint": "gate"} if bound else {}
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    found: list[Body] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "prod", "labels": labels}},
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "gate", "namespace": "prod"},
            "spec": {"gatewayClassName": "istio-waypoint", "listeners": [listener]},
        },
    ]
    attachments: list[tuple[str, dict[str, Any]]] = [
        ("prod", {"selector": {"matchLabels": {"app": "api"}}}),
        ("prod", {}),
        ("istio-system", {}),
    ]
    if bound:
        attachments += [("prod", {"targetRefs": [{"group": "", "kind": "Service", "name": "api"}]})] * 3
    for index in range(draw(st.integers(0, 3))):
        action = draw(st.sampled_from(["ALLOW", "DENY"]))
        namespace, attachment = draw(st.sampled_from(attachments))
        rules = draw(st.lists(SIMPLE_RULES, min_size=action == "DENY", max_size=2))
        found.append(
            security("AuthorizationPolicy", namespace, index, {"action": action, "rules": rules, **attachment})
        )
    if draw(st.booleans()):
        fence = {"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/prod/sa/gate"]}}]}]}
        found.append(security("AuthorizationPolicy", "prod", 7, {**fence, "selector": {"matchLabels": {"app": "api"}}}))
    if draw(st.booleans()):
        found.append(security("PeerAuthentication", "prod", 8, {"mtls": {"mode": "STRICT"}}))
    return found


@SETTINGS
@given(ambient_objects())
def test_ambient_is_what_a_caller_reaches_through_the_waypoint_or_past_it(objects: list[Body]) -> None:
    prod = meshdsl.Namespace("prod")
    ports = (meshdsl.Port(80, name="http", target=8080), meshdsl.Port(90, name="tcp", protocol="tcp", target=9090))
    inventory = (prod, meshdsl.Service("api", prod, ports=ports, probes=()))
    plan = compiler.meaning(meshdsl.PolicySet(inventory), "test")
    compared, known = compared_with_nothing(objects, meshdsl.Ambient(), plan)
    reading = Simulated(AmbientReading(objects, Inventory.of_plan(plan), meshdsl.Ambient()))
    for caller in (
        Caller(),
        *(Caller(*one) for one in [("prod", "web"), ("prod", "x"), ("test", "web"), ("a", "b", "c")]),
    ):
        name = "" if caller.plain else f"{caller.trust}/ns/{caller.namespace}/sa/{caller.account}"
        bit = identity_bit(compared, name, known)
        for port, method, path in itertools.product((80, 90), METHODS, PATHS):
            request = Request(caller, "prod/api", port, method if port == 80 else "", path)
            wanted = any(reading.answer(replace(request, by_name=by_name)).allowed for by_name in (True, False))
            found = is_in(compared.after[port], bit, cell(compared, method, path, {}))
            assert found is wanted, request
