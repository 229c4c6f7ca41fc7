"""Who may come in: Servers that deny, and the policies that allow.

A port without rules about requests has one policy for each kind of caller, on its Server. A port with such rules has
*no* policy on the Server, because that would open every route (``linkerd2-proxy: proxy/server-policy/src/authz.rs``):
each set of callers has its own route and policy instead. Routes are named after their callers, so that a rebuilt set
changes the requests of a route or adds a route, and never hands a route that stands to other callers half-way.

A policy without required authentications would allow everyone, so none is ever written without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Service
from meshdsl.plan.matching import in_order
from meshdsl.plan.requests import Match
from meshdsl.plan.rights import Anyone, Callers
from meshdsl.targets.gateway_api import MAX_MATCHES_IN_A_RULE, http_route, http_route_match
from meshdsl.targets.gateway_limits import MAX_MATCHES
from meshdsl.targets.linkerd.atoms import applicable, atoms, grants, union
from meshdsl.targets.linkerd.server import Listener, listeners, server
from meshdsl.values import Json

API_VERSION: Final = "policy.linkerd.io/v1alpha1"
GROUP: Final = "policy.linkerd.io"
_LONGEST_NAME: Final = 160
"""Of a set of callers: with the Server's name before it and a suffix after it, 253 characters are not exceeded."""


def access(service: Service, set_name: str, *, identity_suffix: str) -> Iterator[Manifest]:
    """The objects that close a service and open it to its callers; the Server comes last, as it is what closes.

    Args:
        service: a closed one.
        set_name: name of the policy set.
        identity_suffix: what follows the namespace in an identity of the mesh.
    """
    writer = _Writer(service, set_name, identity_suffix)
    for listener in listeners(service):
        allows = applicable(service.access.allow, listener)
        if any(allow.is_http for allow in allows):
            yield from writer.routes(listener, writer.by_callers(listener))
        elif allows:
            callers = union(allow.callers for allow in allows)
            target: dict[str, Json] = {"group": GROUP, "kind": "Server", "name": listener.name}
            yield from writer.policies(target, listener.name, callers)
        yield server(service, listener, set_name, access_policy="deny", origins=writer.origins)


class _Writer:
    """Writes the objects of one service."""

    def __init__(self, service: Service, set_name: str, identity_suffix: str) -> None:
        self._service = service
        self._set_name = set_name
        self._identity_suffix = identity_suffix
        sources = (allow.source.origin for allow in service.access.allow)
        self.origins: tuple[Origin, ...] = tuple(dict.fromkeys(origin for origin in sources if origin is not None))

    def by_callers(self, listener: Listener) -> dict[Callers, list[Match]]:
        """The matches of a port's routes, those of the same callers together, the most specific first."""
        found: dict[Callers, list[Match]] = {}
        allows = applicable(self._service.access.allow, listener)
        for match, callers in sorted(atoms(grants(allows, listener)), key=lambda grant: in_order(grant[0])):
            found.setdefault(callers, []).append(match)
        return found

    def routes(self, listener: Listener, by_callers: dict[Callers, list[Match]]) -> Iterator[Manifest]:
        """For each set of callers its authentications and policies, then its routes."""
        for callers, matches in by_callers.items():
            for number, start in enumerate(range(0, len(matches), MAX_MATCHES), start=1):
                name = f"{listener.name}.{_name(callers)}" + (f".{number}" if number > 1 else "")
                target: dict[str, Json] = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name}
                yield from self.policies(target, name, callers)
                yield self._route(name, listener, matches[start : start + MAX_MATCHES])

    def _route(self, name: str, listener: Listener, matches: Sequence[Match]) -> Manifest:
        """A route on a Server. With ``port`` or ``sectionName`` the mesh would accept and ignore it (measured)."""
        rules: list[Json] = [
            {"matches": [http_route_match(m, anchor=True) for m in matches[start : start + MAX_MATCHES_IN_A_RULE]]}
            for start in range(0, len(matches), MAX_MATCHES_IN_A_RULE)
        ]
        return http_route(
            (self._service.namespace, name),
            self._set_name,
            parent={
                "group": GROUP,
                "kind": "Server",
                "name": listener.name,
                "namespace": self._service.namespace,
            },
            rules=rules,
            owner=self._owner,
            origins=self.origins,
            phase=Phase.ACCESS,
        )

    def policies(self, target: dict[str, Json], name: str, callers: Callers) -> Iterator[Manifest]:
        """Authentications, then the AuthorizationPolicies that require one each: policies are alternatives.

        An authentication has either references to accounts or patterns of identities, never both (CRD), so callers
        of both kinds need two.
        """
        wanted: list[tuple[str, str, dict[str, Json]]] = []
        if callers.anyone is Anyone.AT_ALL:
            everywhere: list[Json] = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
            wanted.append((name, "NetworkAuthentication", {"networks": everywhere}))
        elif callers.anyone is Anyone.IN_MESH:
            wanted.append((name, "MeshTLSAuthentication", {"identities": ["*"]}))
        else:
            if callers.accounts:
                accounts: list[Json] = [
                    {"group": "", "kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
                    for account in callers.accounts
                ]
                wanted.append((name, "MeshTLSAuthentication", {"identityRefs": accounts}))
            if callers.namespaces:
                patterns: list[Json] = [f"*.{namespace}.{self._identity_suffix}" for namespace in callers.namespaces]
                wanted.append((f"{name}.namespaces", "MeshTLSAuthentication", {"identities": patterns}))
        for own, kind, spec in wanted:
            yield self._object(kind, own, spec, Phase.IDENTITY)
        for own, kind, _ in wanted:
            required: dict[str, Json] = {
                "group": GROUP,
                "kind": kind,
                "name": own,
                "namespace": self._service.namespace,
            }
            spec = {"targetRef": target, "requiredAuthenticationRefs": [required]}
            yield self._object("AuthorizationPolicy", own, spec, Phase.ACCESS)

    def _object(self, kind: str, name: str, spec: dict[str, Json], phase: Phase) -> Manifest:
        return manifest(
            ObjectRef(API_VERSION, kind, self._service.namespace, name),
            phase,
            self._set_name,
            content={"spec": spec},
            owner=self._owner,
            origins=self.origins,
        )

    @property
    def _owner(self) -> tuple[str, str]:
        return (self._service.namespace, self._service.name)


def _name(callers: Callers) -> str:
    """A name for a set of callers: what it is if it is one, else how many and a digest."""
    if callers.anyone is not None:
        return f"anyone.{callers.anyone.value}"
    names = [f"account.{account.namespace}.{account.name}" for account in callers.accounts]
    names += [f"namespace.{namespace}" for namespace in callers.namespaces]
    if len(names) == 1 and len(names[0]) <= _LONGEST_NAME:
        return names[0]
    digest = sha256("\n".join(names).encode()).hexdigest()[:10]
    return f"callers.{len(names)}-{digest}"
