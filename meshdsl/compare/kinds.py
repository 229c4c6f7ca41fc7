"""The kinds of object that a comparison asks for, and where.

The table is data: what the targets emit, and what may drive a route (Flagger, Argo Rollouts), with the name that each
has in the API. A test holds it against everything that the targets emit. It must not know how a cluster is reached.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from meshdsl.compare.live import Kind, Scope
from meshdsl.manifest import MANAGED_BY, SET_LABEL, Manifest, ObjectRef
from meshdsl.targets.base import Target, TargetName

if TYPE_CHECKING:
    from meshdsl.compiler import Bundle

_GATEWAY_API: Final = "gateway.networking.k8s.io"

NAMESPACE: Final = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
CRD: Final = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)

_CORE = (
    NAMESPACE,
    Kind("", "v1", "Service", "services"),
    Kind("apps", "v1", "DaemonSet", "daemonsets"),
    Kind("apps", "v1", "Deployment", "deployments"),
    Kind("apps", "v1", "StatefulSet", "statefulsets"),
)
_MESH_WIDE = (
    Kind("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"),
    Kind("security.istio.io", "v1", "PeerAuthentication", "peerauthentications"),
)
"""What holds for the whole mesh if it is in Istio's root namespace, whoever wrote it."""
_ISTIO = (
    *_MESH_WIDE,
    Kind("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
    Kind("networking.istio.io", "v1", "VirtualService", "virtualservices"),
)
_AMBIENT = (
    *_MESH_WIDE,
    Kind("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
    Kind(_GATEWAY_API, "v1", "Gateway", "gateways"),
    Kind(_GATEWAY_API, "v1", "HTTPRoute", "httproutes"),
)
_LINKERD = (
    Kind(_GATEWAY_API, "v1", "HTTPRoute", "httproutes"),
    Kind("policy.linkerd.io", "v1alpha1", "AuthorizationPolicy", "authorizationpolicies"),
    Kind("policy.linkerd.io", "v1alpha1", "MeshTLSAuthentication", "meshtlsauthentications"),
    Kind("policy.linkerd.io", "v1alpha1", "NetworkAuthentication", "networkauthentications"),
    Kind("policy.linkerd.io", "v1beta3", "Server", "servers"),
    Kind("split.smi-spec.io", "v1alpha1", "TrafficSplit", "trafficsplits"),
)

OF_TARGET: Final[Mapping[TargetName, tuple[Kind, ...]]] = MappingProxyType(
    {"istio": _CORE + _ISTIO, "ambient": _CORE + _AMBIENT, "linkerd": _CORE + _LINKERD}
)
"""What each target may emit, whatever the policies are."""

OTHERS: Final[Mapping[TargetName, tuple[Kind, ...]]] = MappingProxyType(
    {
        "istio": (
            Kind("extensions.istio.io", "v1alpha1", "WasmPlugin", "wasmplugins"),
            Kind("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
            Kind("networking.istio.io", "v1", "Sidecar", "sidecars"),
            Kind("networking.istio.io", "v1", "ServiceEntry", "serviceentries"),
            Kind("security.istio.io", "v1", "RequestAuthentication", "requestauthentications"),
        ),
        "ambient": (
            Kind("extensions.istio.io", "v1alpha1", "WasmPlugin", "wasmplugins"),
            Kind("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
            Kind("networking.istio.io", "v1", "ServiceEntry", "serviceentries"),
            Kind("networking.istio.io", "v1", "VirtualService", "virtualservices"),
            Kind("security.istio.io", "v1", "RequestAuthentication", "requestauthentications"),
            Kind(_GATEWAY_API, "v1", "GRPCRoute", "grpcroutes"),
        ),
        "linkerd": (
            Kind("linkerd.io", "v1alpha2", "ServiceProfile", "serviceprofiles"),
            Kind("policy.linkerd.io", "v1beta3", "HTTPRoute", "httproutes"),
            Kind("policy.linkerd.io", "v1beta1", "ServerAuthorization", "serverauthorizations"),
            Kind("policy.linkerd.io", "v1alpha1", "HTTPLocalRateLimitPolicy", "httplocalratelimitpolicies"),
            Kind(_GATEWAY_API, "v1", "GRPCRoute", "grpcroutes"),
        ),
    }
)
"""What each mesh reads as well, and meshdsl never writes: for a question about what a cluster really does."""

DRIVERS: Final[tuple[Kind, ...]] = (
    Kind("argoproj.io", "v1alpha1", "Rollout", "rollouts"),
    Kind("flagger.app", "v1beta1", "Canary", "canaries"),
)
"""What moves the weights of a route by itself while a rollout goes on. Most clusters have none of them installed."""

_APART: Final = frozenset({_GATEWAY_API, "split.smi-spec.io", *(kind.group for kind in DRIVERS)})
"""Groups whose kinds come apart from Kubernetes and from the meshes: a cluster that needs none need not have them."""

KINDS: Final[Mapping[tuple[str, str], Kind]] = MappingProxyType(
    {(kind.api_version, kind.kind): kind for kind in (*_CORE, *_ISTIO, *_AMBIENT, *_LINKERD, *DRIVERS, CRD)}
)
"""Every kind that is known here, by ``apiVersion`` and ``kind``."""


def of_other_targets(target: TargetName) -> tuple[Kind, ...]:
    """The kinds that other targets emit and this one does not: a cluster that had one of them may have such objects of
    ours still.
    """
    others = {kind for kinds in OF_TARGET.values() for kind in kinds}
    return tuple(sorted(others.difference(OF_TARGET[target])))


def made_by(group: str, kind: str) -> tuple[TargetName, ...]:
    """The targets that emit a kind."""
    return tuple(name for name, kinds in OF_TARGET.items() if (group, kind) in {(k.group, k.kind) for k in kinds})


def everywhere(target: TargetName, set_name: str) -> tuple[Scope, ...]:
    """What a comparison asks a cluster for, in whatever namespaces: the kinds of its target, what drives a route, and
    what is of this policy set of the kinds that only other targets emit.
    """
    ours = f"{MANAGED_BY}=meshdsl,{SET_LABEL}={set_name}"
    own = (Scope(kind) for kind in (*OF_TARGET[target], *DRIVERS))
    return (*own, *(Scope(kind, "", ours) for kind in of_other_targets(target)))


def scopes_of(bundle: Bundle) -> tuple[Scope, ...]:
    """Everything to ask a cluster for, to compare it with what policies compile to.

    Every kind of the target is asked for in every namespace that the manifests touch, not only the kinds that they
    have there: what is no longer produced must be found, too. Where policies make nothing at all any more, that is
    every namespace that they name. For the same reason the kinds of other targets are asked for, but of them only what
    is of this policy set. Objects outside of namespaces are asked for once. On Istio and Ambient the policies of the
    root namespace are asked for always, because they hold everywhere.

    Args:
        bundle: that a cluster is to be compared with.

    Returns:
        without repetitions, in a fixed order.
    """
    target, namespaces = bundle.target, set[str]()
    for manifest in bundle.manifests:
        namespace = manifest.ref.name if manifest.ref.kind == NAMESPACE.kind else manifest.ref.namespace
        if namespace:
            namespaces.add(namespace)
    if not namespaces:
        namespaces.update(one.name for one in bundle.plan.namespaces)
    scopes: set[Scope] = set()
    for one in everywhere(target.name, bundle.plan.set_name):
        scopes |= {replace(one, namespace=name) for name in namespaces} if one.kind.namespaced else {one}
    root = getattr(target, "root_namespace", "")
    if root:
        scopes |= {Scope(kind, root) for kind in _MESH_WIDE}
    return tuple(sorted(scopes))


def may_lack(kind: Kind, made: Collection[tuple[str, str]], target: Target) -> bool:
    """Whether a normal cluster of this target need not have a kind installed, so that its absence means: none.

    Args:
        kind: that the cluster does not have.
        made: group and kind of what would be applied, which is needed.
        target: of the bundle; one that splits by SMI needs ``TrafficSplit``.
    """
    if kind.group not in _APART or (kind.kind == "TrafficSplit" and getattr(target, "split_api", "") == "smi"):
        return False
    return (kind.group, kind.kind) not in made


_ABOUT_ACCESS: Final[Mapping[TargetName, frozenset[str]]] = MappingProxyType(
    {
        "istio": frozenset({"AuthorizationPolicy", "Namespace", "PeerAuthentication"}),
        "ambient": frozenset({"AuthorizationPolicy", "Gateway", "Namespace", "PeerAuthentication"}),
        "linkerd": frozenset(
            {
                "AuthorizationPolicy",
                "HTTPRoute",
                "MeshTLSAuthentication",
                "Namespace",
                "NetworkAuthentication",
                "Server",
            }
        ),
    }
)
"""Kinds that decide who may call what whoever wrote them, so that an answer needs them even if none is made."""


def needed(manifests: Iterable[Manifest], target: Target) -> tuple[Kind, ...]:
    """The kinds of which it has to be known whether there are any: those that are made or patched, and those that
    decide who may call what.
    """
    made = {kind_of_ref(one.ref) for one in manifests}
    about = _ABOUT_ACCESS[target.name]
    return tuple(kind for kind in OF_TARGET[target.name] if kind.kind in about or (kind.group, kind.kind) in made)


_DECIDING: Final = frozenset(
    {"AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication", "PeerAuthentication", "Server"}
)


def deciding(manifests: Iterable[Manifest], target: Target) -> tuple[Kind, ...]:
    """The kinds of those that are made which do nothing but decide who may call what."""
    made = {kind_of_ref(one.ref) for one in manifests}
    return tuple(kind for kind in OF_TARGET[target.name] if kind.kind in _DECIDING and (kind.group, kind.kind) in made)


def kind_of_ref(ref: ObjectRef) -> tuple[str, str]:
    """The API group and the kind of what a reference names."""
    group, slash, _ = ref.api_version.partition("/")
    return group if slash else "", ref.kind


_EXPORTED: Final = frozenset({"VirtualService", "DestinationRule", "ServiceEntry"})
"""What may stand in any namespace and act in every other (Istio's ``exportTo``)."""


def scopes_of_request(target: Target, namespaces: Iterable[str]) -> tuple[Scope, ...]:
    """Everything to ask a cluster for, to say what its mesh does with a request.

    Args:
        target: what mesh it is.
        namespaces: of the caller and the service.

    Returns:
        without repetitions, in a fixed order.
    """
    root = getattr(target, "root_namespace", "")
    where = {*namespaces, *((root,) if root else ())}
    scopes: set[Scope] = set()
    for kind in (*OF_TARGET[target.name], *OTHERS[target.name]):
        everywhere = not kind.namespaced or kind.kind in _EXPORTED
        scopes |= {Scope(kind, "")} if everywhere else {Scope(kind, namespace) for namespace in where}
    return tuple(sorted(scopes))
