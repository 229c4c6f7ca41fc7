"""Whom Linkerd's policies let in: AuthorizationPolicies, ServerAuthorizations, default policies.

They only allow. Each is a :class:`Grant`; a caller is let in if one of several admits it. Where it is not known whether
one does, another that does decides all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.simulate.fields import (
    Body,
    Condition,
    all_hold,
    mapping,
    name_of,
    namespace_of,
    not_known,
    only,
    sequence,
    title,
)
from meshdsl.simulate.linkerd_objects import Objects, selects
from meshdsl.simulate.linkerd_routes import POLICY
from meshdsl.simulate.words import Caller, NotModelled
from meshdsl.targets.linkerd import Linkerd

Admits = Callable[[Caller], bool]
"""Whether a caller is let in; raises NotModelled if that is not known."""
DEFAULTS: Final = frozenset(
    {"all-unauthenticated", "all-authenticated", "cluster-authenticated", "cluster-unauthenticated", "deny", "audit"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """Something that lets callers in.

    Attributes:
        admits: whom.
        where: the object.
        text: who that is, for people.
    """

    admits: Admits
    where: str
    text: str


def by_default(policy: str, where: str) -> Grant:
    """A default policy, or the ``accessPolicy`` of a Server. ``audit`` lets everybody in and writes it down."""
    if policy in ("all-unauthenticated", "audit"):
        return Grant(lambda _: True, where, f"{policy}: everybody")
    if policy == "all-authenticated":
        return Grant(_is_meshed, where, f"{policy}: callers in the mesh")
    if policy == "deny":
        return Grant(lambda _: False, where, "deny: nobody")
    if policy in ("cluster-authenticated", "cluster-unauthenticated"):
        return Grant(_in_cluster(policy, where), where, f"{policy}: callers in the networks of the cluster")
    return Grant(not_known(where, f"policy {policy} is refused by the mesh"), where, policy)


def _is_meshed(caller: Caller) -> bool:
    return not caller.is_plain


def _in_cluster(policy: str, where: str) -> Admits:
    """Pods of the mesh are in the networks of its cluster; whether anybody else is depends on an address."""

    def admits(caller: Caller) -> bool:
        if caller.is_plain and policy == "cluster-authenticated":
            return False
        if caller.is_plain or caller.trust_domain:
            raise NotModelled(
                where, f"{policy}: whether the caller is in the cluster's networks depends on its address"
            )
        return True

    return admits


def identity(caller: Caller, target: Linkerd) -> str:
    """What a caller's certificate says; of another mesh, as if its control plane had the same namespace."""
    domain = caller.trust_domain or target.identity_trust_domain
    return _identity(caller.account, caller.namespace, target, domain)


def _identity(account: str, namespace: str, target: Linkerd, domain: str = "") -> str:
    control = target.control_plane_namespace
    return f"{account}.{namespace}.serviceaccount.identity.{control}.{domain or target.identity_trust_domain}"


def grants_on(objects: Objects, namespace: str, group: str, kind: str, name: str) -> list[Grant]:
    """The AuthorizationPolicies on an object of a namespace."""
    found = objects.policies.get((namespace, group, kind, name), [])
    # Without its group a target is one of the core group, which the webhook refuses: nobody knows what was meant.
    found = found if kind == "namespace" else found + objects.policies.get((namespace, "", kind, name), [])
    return [_policy(one, objects) for one in found]


def _policy(policy: Body, objects: Objects) -> Grant:
    """All that it requires must hold; one that requires nothing lets everybody in (measured)."""
    where = title(policy)
    try:
        spec = only(policy.get("spec"), ("targetRef", "requiredAuthenticationRefs"), f"{where} spec")
        target = only(spec.get("targetRef"), ("group", "kind", "name"), f"{where} spec.targetRef")
        given = sequence(spec.get("requiredAuthenticationRefs"), f"{where} spec.requiredAuthenticationRefs")
        _check(target, given, where)
        required = [_required(one, policy, objects) for one in given]
    except NotModelled as error:
        return Grant(not_known(error.where, error.why), where, "what it lets in is not known")
    text = " and ".join(one.text for one in required) or "requires nothing: everybody"
    return Grant(_all(required), where, text)


def _check(target: Body, given: Sequence[Any], where: str) -> None:
    """What the webhook refuses: a target without its group, more than one authentication of a kind."""
    if not target.get("group") and target.get("kind") != "Namespace":
        raise NotModelled(f"{where} spec.targetRef.group", "without it the mesh refuses the policy")
    networks = sum(one.get("kind") == "NetworkAuthentication" for one in given)
    if networks > 1 or len(given) - networks > 1:
        raise NotModelled(f"{where} spec.requiredAuthenticationRefs", "more than one of a kind is refused by the mesh")


def _all(required: Sequence[Grant]) -> Admits:
    conditions = [Condition(one.admits, one.where, one.text) for one in required]
    return lambda caller: all_hold(conditions, caller)


def _required(reference: Any, policy: Body, objects: Objects) -> Grant:
    where = f"{title(policy)} spec.requiredAuthenticationRefs"
    only(reference, ("group", "kind", "name", "namespace"), where)
    kind, name = reference.get("kind"), str(reference.get("name"))
    namespace = str(reference.get("namespace") or namespace_of(policy))
    if kind == "ServiceAccount":
        wanted = _identity(name, namespace, objects.target)
        return Grant(
            lambda caller: not caller.is_plain and identity(caller, objects.target) == wanted,
            where,
            f"account {namespace}/{name}",
        )
    if kind not in ("MeshTLSAuthentication", "NetworkAuthentication"):
        raise NotModelled(where, f"{kind} is refused by the mesh")
    found = objects.authentications.get((kind, namespace, name))
    if found is None:  # the policy is ignored (measured)
        return Grant(lambda _: False, where, f"nobody, for there is no {kind} {namespace}/{name}")
    return _networks(found) if kind == "NetworkAuthentication" else _mesh_tls(found, objects)


def _networks(found: Body) -> Grant:
    """Everybody if all of IPv4 is among the networks (a cluster without it is none that is modelled)."""
    where = title(found)
    spec = only(found.get("spec"), ("networks",), f"{where} spec")
    networks = sequence(spec.get("networks"), f"{where} spec.networks")
    return Grant(_addresses(networks, f"{where} spec.networks"), where, _network_words(networks))


def _network_words(networks: Sequence[Any]) -> str:
    words = ["".join([str(one.get("cidr")), *(f" but {e}" for e in one.get("except") or ())]) for one in networks]
    return f"addresses {', '.join(words)}"


def _addresses(networks: Sequence[Any], where: str) -> Admits:
    if any(one.get("cidr") == "0.0.0.0/0" and not one.get("except") for one in networks):
        return lambda _: True
    return not_known(where, "whether the caller is in them depends on its address")


def _mesh_tls(found: Body, objects: Objects) -> Grant:
    where = title(found)
    spec = only(found.get("spec"), ("identities", "identityRefs"), f"{where} spec")
    if len(spec) != 1:
        raise NotModelled(where, "it has either identities or identityRefs (CRD)")
    patterns = list(_patterns(spec, namespace_of(found), objects.target, where))
    return _identified(patterns, where, objects.target)


def _identified(patterns: Sequence[str], where: str, target: Linkerd) -> Grant:
    """Callers of some identities: ``*`` is everybody in the mesh, ``*.x`` a suffix, any other star itself.

    ``policy-controller/core/src/identity_match.rs``; measured.
    """
    exact = frozenset(one for one in patterns if not one.startswith("*"))
    suffixes = tuple(one[1:] for one in patterns if one.startswith("*."))
    anyone = "*" in patterns

    def admits(caller: Caller) -> bool:
        if caller.is_plain:
            return False
        name = identity(caller, target)
        return anyone or name in exact or name.endswith(suffixes)

    return Grant(admits, where, f"identities {', '.join(patterns)}")


def _patterns(spec: Body, namespace: str, target: Linkerd, where: str) -> Iterator[str]:
    yield from map(str, spec.get("identities") or ())
    for one in spec.get("identityRefs") or ():
        only(one, ("group", "kind", "name", "namespace"), f"{where} spec.identityRefs")
        if one.get("kind") == "ServiceAccount":
            yield _identity(str(one.get("name")), str(one.get("namespace") or namespace), target)
        elif one.get("kind") == "Namespace" and "namespace" not in one:
            yield _identity("*", str(one.get("name") or namespace), target)
        else:
            raise NotModelled(f"{where} spec.identityRefs", f"{one.get('kind')} is refused by the mesh")


# -------------------------------------------------------------------------------------------------- ServerAuthorization


def authorizations(objects: Objects, server: Body) -> Iterator[Grant]:
    """The ServerAuthorizations (the older kind of policy) that select a Server, by its name or its labels."""
    labels = (server.get("metadata") or {}).get("labels") or {}
    for one in objects.authorizations.get(namespace_of(server), ()):
        where = title(one)
        try:
            spec = only(one.get("spec"), ("server", "client"), f"{where} spec")
            chosen = only(spec.get("server"), ("name", "selector"), f"{where} spec.server")
            if "name" in chosen:
                mine = chosen["name"] == name_of(server)
            else:
                mine = selects(chosen.get("selector"), labels, f"{where} spec.server.selector")
            if mine:
                yield _client(spec.get("client"), one, objects)
        except NotModelled as error:
            yield Grant(not_known(error.where, error.why), where, "what it lets in is not known")


def _client(given: Any, authorization: Body, objects: Objects) -> Grant:
    """Networks *and* an authentication; without networks, those of the cluster (unlike an AuthorizationPolicy)."""
    where = title(authorization)
    client = only(given, ("networks", "unauthenticated", "meshTLS"), f"{where} spec.client")
    networks = client.get("networks") or ()
    if networks:
        near = Grant(_addresses(networks, f"{where} spec.client.networks"), where, _network_words(networks))
    else:
        near = by_default("cluster-unauthenticated", f"{where} spec.client.networks")
    if client.get("unauthenticated"):
        return Grant(near.admits, where, near.text)
    tls = only(
        client.get("meshTLS"), ("unauthenticatedTLS", "identities", "serviceAccounts"), f"{where} spec.client.meshTLS"
    )
    if tls.get("unauthenticatedTLS"):
        who = Grant(_is_meshed, where, "callers by TLS")
    else:
        patterns = [*map(str, tls.get("identities") or ())]
        for one in tls.get("serviceAccounts") or ():
            account = mapping(one, f"{where} spec.client.meshTLS.serviceAccounts")
            of = str(account.get("namespace") or namespace_of(authorization))
            patterns.append(_identity(str(account.get("name")), of, objects.target))
        if not patterns:
            raise NotModelled(f"{where} spec.client", "it names nobody, and the mesh refuses it")
        who = _identified(patterns, where, objects.target)
    return Grant(_all((near, who)), where, f"{who.text} and {near.text}")


GROUPS: Final = {"HTTPRoute": "httproute", "GRPCRoute": "grpcroute"}
"""Kinds of routes that a policy may be about, as its target is compared."""
SERVER: Final = (POLICY, "server")
