"""The access of Linkerd: Servers, the policies that refer to them, and routes.

A Server selects pods and one of their ports; of two on one port the older holds. It lets in what its ``accessPolicy``
says, and whom AuthorizationPolicies on it or on its namespace let in. As soon as a route stands on it, a request must
match one, and the best match's policies let further callers in. Ports without a Server have the default of their
namespace, and no other policy. Policies require all their authentications, and are alternatives; one without any lets
everyone in, and one whose authentication is missing nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from meshdsl.compare.access.facts import Facts, Named, PortFacts, Selectors
from meshdsl.compare.access.linkerd_routes import routes_of
from meshdsl.compare.access.model import (
    EVERYONE,
    MESHED,
    AccessReason,
    Cause,
    Requests,
    Route,
    Rule,
    Term,
    Way,
    Where,
    Who,
    account,
    accounts_of,
    uninterpreted,
)
from meshdsl.compare.live import LiveObject
from meshdsl.targets.base import Target

Body = Mapping[str, Any]
Key = tuple[str, str, str]

GROUP: Final = "policy.linkerd.io"
_DEFAULT: Final = "config.linkerd.io/default-inbound-policy"
_DEFAULTS: Final[Mapping[str, Who]] = {
    "all-unauthenticated": EVERYONE,
    "cluster-unauthenticated": EVERYONE,
    "audit": EVERYONE,
    "all-authenticated": MESHED,
    "cluster-authenticated": MESHED,
    "deny": (),
}
_EVERYWHERE: Final = frozenset({"0.0.0.0/0", "::/0"})


class LinkerdReader:
    """Indexes the objects once, and reads each service from the index."""

    def __init__(self, objects: Iterable[LiveObject], target: Target) -> None:
        self.notes: dict[str, bool] = {}
        self.left_out: frozenset[Named] = frozenset()
        control_plane = str(getattr(target, "control_plane_namespace", "linkerd"))
        domain = str(getattr(target, "identity_trust_domain", "") or target.trust_domain)
        self._identity = f".serviceaccount.identity.{control_plane}."
        self._domain = domain
        self._defaults: dict[str, str] = {}
        self._servers = Selectors()
        self._policies: dict[Key, list[Body]] = {}
        self._authentications: dict[Key, Body] = {}
        self._routes: dict[tuple[str, str], list[Body]] = {}
        for one in objects:
            self._known(one)
        for routes in self._routes.values():
            routes.sort(key=_age)

    def note(self, sentence: str, *, certain: bool = False) -> None:
        """Remember once what could not be decided; or, if it is certain, what is good to know."""
        self.notes[sentence] = certain

    def _known(self, one: LiveObject) -> None:
        kind, metadata, spec = one.get("kind", ""), one.get("metadata") or {}, one.get("spec") or {}
        group = str(one.get("apiVersion", "")).partition("/")[0]
        namespace, name = metadata.get("namespace", "default"), metadata.get("name", "")
        if kind == "Namespace" and _DEFAULT in (metadata.get("annotations") or {}):
            self._defaults[name] = metadata["annotations"][_DEFAULT]
        elif kind == "HTTPRoute" and group in (GROUP, "gateway.networking.k8s.io"):
            for parent in spec.get("parentRefs") or ():
                if (
                    parent.get("group") == GROUP
                    and parent.get("kind") == "Server"
                    and not _is_ignored(parent, namespace)
                ):
                    self._routes.setdefault((namespace, parent["name"]), []).append(one)
        elif kind == "GRPCRoute" and any(parent.get("kind") == "Server" for parent in spec.get("parentRefs") or ()):
            self.note(f"GRPCRoute {namespace}/{name} hangs on a Server and is not read: a Server of proxyProtocol gRPC"
                      " refuses what it does not match, and lets in what its own policies say")  # fmt: skip
        elif group != GROUP:
            return
        elif kind == "Server":
            self._server(one)
        elif kind == "AuthorizationPolicy":
            reference = spec.get("targetRef") or {}
            self._policies.setdefault((namespace, reference.get("kind", ""), reference.get("name", "")), []).append(one)
        elif kind in ("MeshTLSAuthentication", "NetworkAuthentication"):
            self._authentications[kind, namespace, name] = one
        elif kind == "ServerAuthorization":
            self.note(f"ServerAuthorization {namespace}/{name} is not read: it may let more callers in")

    def _server(self, one: LiveObject) -> None:
        namespace, spec = one["metadata"].get("namespace", "default"), one.get("spec") or {}
        selector = spec.get("podSelector") or {}
        if selector.get("matchExpressions"):
            self.note(f"Server {namespace}/{one['metadata']['name']} selects pods by expressions, which are not read")
        self._servers.add(namespace, selector.get("matchLabels") or {}, one)

    # ------------------------------------------------------------------------------------------------------ services

    def ways(self, facts: Facts) -> dict[int, tuple[Way, ...]]:
        """The ways to each port of a service: its proxy."""
        if facts.name == "*":
            return {0: (self._by_default(facts),)}
        sure, maybe = self._servers.find(facts.namespace, facts.labels)
        sure = [one for one in sure if _named(one) not in self.left_out]
        for one in maybe:
            self.note(f"Server {facts.namespace}/{one['metadata']['name']} selects only some of the pods of {facts}:"
                      " it is left out")  # fmt: skip
        return {port.number: (self._port(facts, port, sure),) for port in facts.ports}

    def _port(self, facts: Facts, port: PortFacts, servers: list[Body]) -> Way:
        mine = [one for one in servers if one["spec"].get("port") == port.target]
        for one in servers if not mine else ():
            if isinstance(one["spec"].get("port"), int) is not isinstance(port.target, int):
                self.note(f"whether Server {facts.namespace}/{one['metadata']['name']} is about port {port.number} of"
                          f" {facts} is not known: one has a number, the other a name")  # fmt: skip
        if not mine:
            return self._by_default(facts)
        server = min(mine, key=_age)
        namespace, name, spec = facts.namespace, server["metadata"]["name"], server["spec"]
        reason = AccessReason(f"Server {namespace}/{name}", "spec.accessPolicy")
        closed_by = (AccessReason(reason.what),)
        everywhere = [Rule(_policy(str(spec.get("accessPolicy", "deny"))), by=Cause(reason))]
        everywhere += self._granted((namespace, "Server", name))
        everywhere += self._granted((namespace, "Namespace", namespace))
        found = [one for one in self._routes.get((namespace, name), ()) if _named(one) not in self.left_out]
        if not found or not port.http or spec.get("proxyProtocol", "unknown") in ("opaque", "TLS"):
            return Way(allow=tuple(everywhere), closed_by=closed_by)
        return Way(allow=tuple(everywhere), routes=tuple(self._ranked(found)), closed_by=closed_by)

    def _by_default(self, facts: Facts) -> Way:
        policy = self._defaults.get(facts.namespace)
        reason = AccessReason("the default of the mesh")
        if policy is not None:
            reason = AccessReason(f"Namespace {facts.namespace}", f"metadata.annotations[{_DEFAULT}]")
        who = _policy(policy or "all-unauthenticated")
        return Way(allow=(Rule(who, by=Cause(reason)),) if who else (), closed_by=(reason,))

    def _ranked(self, found: list[Body]) -> Iterator[Route]:
        for one in found:
            metadata = one["metadata"]
            grants = tuple(self._granted((metadata.get("namespace", "default"), "HTTPRoute", metadata["name"])))
            yield from routes_of(one, grants)

    def deciding(self, facts: Facts) -> tuple[Named, ...]:
        """The objects that decide who may call a service, or would without others."""
        servers, _ = self._servers.find(facts.namespace, facts.labels)
        found: list[Body] = list(servers)
        keys: list[Key] = [(facts.namespace, "Namespace", facts.namespace)]
        for server in servers:
            routes = self._routes.get((facts.namespace, server["metadata"]["name"]), [])
            found += routes
            keys += [(facts.namespace, "Server", server["metadata"]["name"])]
            keys += [(facts.namespace, "HTTPRoute", route["metadata"]["name"]) for route in routes]
        for key in keys:
            found += self._policies.get(key, ())
        return tuple(_named(one) for one in found)

    # ------------------------------------------------------------------------------------------------------- policies

    def _granted(self, key: Key) -> Iterator[Rule]:
        for policy in self._policies.get(key, ()):
            if _named(policy) in self.left_out:
                continue
            namespace = policy["metadata"].get("namespace", "default")
            term, tests = Term(), list[Where]()
            by = Cause(AccessReason(f"AuthorizationPolicy {namespace}/{policy['metadata']['name']}"))
            for reference in policy["spec"].get("requiredAuthenticationRefs") or ():
                found = self._required(reference, namespace)
                if found is None:
                    self.note(f"AuthorizationPolicy {namespace}/{policy['metadata']['name']} refers to what is not"
                              " there: it lets nobody in", certain=True)  # fmt: skip
                    break
                who, test = found
                term = Term((*term.fields, who)) if who is not None else term
                tests += [test] if test is not None else []
            else:
                yield Rule((term,), Requests(tests=tuple(tests)), by)

    def _required(self, reference: Body, namespace: str) -> tuple[frozenset[str] | None, Where | None] | None:
        """The identities and the condition that an authentication asks for; None if it is not there."""
        kind, where, name = reference.get("kind", ""), reference.get("namespace", namespace), reference.get("name", "")
        if kind == "ServiceAccount":
            return frozenset({account(where, name)}), None
        found = self._authentications.get((kind, where, name))
        if found is None:
            return None
        spec = found.get("spec") or {}
        if kind == "NetworkAuthentication":
            return None, self._network(spec, f"{where}/{name}")
        patterns = {self._identity_pattern(str(one)) for one in spec.get("identities") or ()}
        for one in spec.get("identityRefs") or ():
            if one.get("kind") == "Namespace":
                patterns.add(accounts_of(one.get("name") or where))
            else:
                patterns.add(account(one.get("namespace", where), one.get("name", "")))
        return frozenset(patterns), None

    def _network(self, spec: Body, name: str) -> Where | None:
        networks = spec.get("networks") or ()
        if any(one.get("except") for one in networks) or not _EVERYWHERE & {one.get("cidr") for one in networks}:
            self.note(f"the networks of NetworkAuthentication {name} cannot be decided: the rows name them")
            words = [one.get("cidr", "") + "".join(f" except {e}" for e in one.get("except") or ()) for one in networks]
            return uninterpreted(f"where the caller's address is in {' or '.join(sorted(words))}")
        return None

    def _identity_pattern(self, identity: str) -> str:
        """An identity ``account.namespace.serviceaccount.identity.…`` as the models write it."""
        if identity == "*":
            return identity
        own = f"{self._identity}{self._domain}"
        if identity == f"*{own}":
            return "/*"
        name, found, domain = identity.partition(self._identity)
        if found:
            who, dot, namespace = name.partition(".")
            where = "" if domain == self._domain else domain
            if dot and "." not in namespace and (who == "*" or "*" not in who):
                return f"{where}/ns/{namespace}/*" if who == "*" else f"{where}/ns/{namespace}/sa/{who}"
        self.note(f"identity {identity} is none of this mesh: it is shown as it is written", certain=True)
        return f"{identity.replace('*', 'any')}/ns/any/sa/any"


def _policy(policy: str) -> Who:
    return _DEFAULTS.get(policy, EVERYONE)


def _is_ignored(parent: Body, namespace: str) -> bool:
    """Whether the mesh accepts a route to a Server and does nothing of it (measured)."""
    return bool(parent.get("port") or parent.get("sectionName") or parent.get("namespace", namespace) != namespace)


def _named(one: Body) -> Named:
    return str(one["kind"]), str(one["metadata"].get("namespace", "default")), str(one["metadata"]["name"])


def _age(one: Body) -> tuple[str, str]:
    return str(one["metadata"].get("creationTimestamp") or "~"), str(one["metadata"].get("name"))
