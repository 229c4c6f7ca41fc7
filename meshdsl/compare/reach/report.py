"""``meshdsl.access``: who may call what, of a plan or of the objects of a mesh, to be asked in several ways."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from meshdsl.compare.access import AccessModel, of_objects, of_plan
from meshdsl.compare.access.callers import PLAIN
from meshdsl.compare.access.decide import patterns
from meshdsl.compare.access.model import AccessReason, ServiceAccess, Way
from meshdsl.compare.interest import Interest
from meshdsl.compare.kinds import OF_TARGET, OTHERS
from meshdsl.compare.live import Cluster, LiveObject, Scope, Snapshot, Unknown
from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix, AccessRow, By
from meshdsl.compare.reach.matrix import matrix
from meshdsl.compare.reach.service import ServiceView
from meshdsl.compare.reach.there import FILTERS, WORKLOADS, There, slim
from meshdsl.compare.reach.who import Asked, Names
from meshdsl.compiler import Bundle
from meshdsl.plan.intent import Plan, Service
from meshdsl.targets.base import Target, TargetName

_ISTIO: Final = frozenset({"AuthorizationPolicy", "PeerAuthentication"})
_OF_MESH: Final = _ISTIO | FILTERS | {"RequestAuthentication"}
"""What holds for the whole mesh if it is in the root namespace."""
_BESIDE: Final = WORKLOADS | {"Namespace", "Service"}
"""What says which pods have a proxy, and which Services exist."""
_KINDS: Final[Mapping[TargetName, frozenset[str]]] = {
    "istio": _OF_MESH | _BESIDE,
    "ambient": _OF_MESH | _BESIDE | {"Gateway"},
    "linkerd": _BESIDE
    | {
        "AuthorizationPolicy",
        "GRPCRoute",
        "HTTPRoute",
        "MeshTLSAuthentication",
        "NetworkAuthentication",
        "Server",
        "ServerAuthorization",
    },
}
"""Kinds without which it is not known who may call."""


def access(of: Bundle | Plan, live: Snapshot | Cluster | Bundle | Iterable[LiveObject] | None = None) -> AccessReport:
    """Who may call what.

    Args:
        of: what :func:`meshdsl.build` returns, or the plan of it, ``bundle.plan``.
        live: objects to read the answer from, as the mesh of the bundle would: a cluster
            (:class:`meshdsl.KubectlCluster`), a bundle (usually ``of`` itself), a snapshot, or objects. Without, the
            answer is what the policies mean.

    Returns:
        something to ask: :meth:`AccessReport.to`, :meth:`AccessReport.caller`, :meth:`AccessReport.matrix`. Nothing is
        computed before.

    Raises:
        TypeError: objects are to be read for a plan alone, of which no mesh is known.

    Example:
        >>> report = meshdsl.access(bundle)
        >>> [row.callers for row in report.to("prod/payments").rows]
        [('prod/web',)]
    """
    if isinstance(of, Plan):
        if live is not None:
            raise TypeError("objects are read as a mesh reads them: give the bundle, not its plan")
        return AccessReport(of)
    if live is None:
        return AccessReport(of.plan)
    snapshot = _snapshot(of, live)
    told = [one for one in snapshot.unknown if one.scope.kind.kind in _KINDS[of.target.name]]
    # What is not installed has no objects. A dump need not have every kind: that can be said beside its answer.
    unknown = tuple(one for one in told if one.code not in ("not-installed", "not-in-dump"))
    missing = tuple(dict.fromkeys(one.reason for one in told if one.code == "not-in-dump"))
    known = OF_TARGET[of.target.name]
    bare = (one.scope.kind for one in told if one.code == "not-installed" and one.scope.kind in known)
    absent = tuple(dict.fromkeys(f"{kind} is not installed" for kind in bare))
    objects, complete = tuple(snapshot.objects), snapshot.complete_services
    return AccessReport(of.plan, of.target, objects, unknown, missing, absent, complete)


def _snapshot(of: Bundle, live: Snapshot | Cluster | Bundle | Iterable[LiveObject]) -> Snapshot:
    if isinstance(live, Snapshot):
        return live
    if isinstance(live, Bundle):
        return Snapshot(tuple(one.body for one in live.manifests))
    if isinstance(live, Iterable):
        return Snapshot(tuple(live))
    interest = Interest(of.manifests)
    return live.snapshot(asked(of.plan, of.target), lambda one: slim(one) or interest(one))


def asked(plan: Plan, target: Target) -> tuple[Scope, ...]:
    """What a cluster is asked for: what says who may call, in every namespace of the plan and in the mesh's own.

    Also where the plan has no policies: others may have written some.
    """
    every = (*OF_TARGET[target.name], *OTHERS[target.name])
    kinds = [kind for kind in every if kind.kind in _KINDS[target.name]]
    found = {Scope(kind, space.name) for kind in kinds if kind.namespaced for space in plan.namespaces}
    found |= {Scope(kind) for kind in kinds if not kind.namespaced}
    root = str(getattr(target, "root_namespace", ""))
    found |= {Scope(kind, root) for kind in kinds if root and kind.kind in _OF_MESH}
    return tuple(sorted(found))


@dataclass(frozen=True)
class AccessReport:
    """Who may call what, to be asked. Made by :func:`meshdsl.access`.

    Attributes:
        plan: says which services there are, and as which accounts they run.
        target: the mesh that reads the objects; None if the plan itself is the answer.
        objects: that are read.
        unknown: what could not be read; then no question is answered.
        missing: what a dump does not have, a sentence each.
        absent: what the cluster does not have, a sentence each.
        complete: namespaces of which every Service is among the objects, ``""`` for all.
    """

    plan: Plan
    target: Target | None = None
    objects: tuple[LiveObject, ...] = field(default=(), repr=False)
    unknown: tuple[Unknown, ...] = ()
    missing: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    complete: frozenset[str] = frozenset()

    def to(self, service: str) -> AccessAnswer:
        """Who can call a service.

        Args:
            service: ``"prod/payments"``, or ``"prod/*"`` for what else runs in a namespace.

        Raises:
            ConfigError: there is no such service.
        """
        model = self._read({self.names.service(service)})
        remarks = (*self._known(model), *self._remarks(service))
        answer = AccessAnswer("to", service, remarks=remarks, undecided=self._undecided(model), unknown=self.unknown)
        if self.unknown or service not in model.services:
            return answer
        view = ServiceView(service, model.services[service])
        rows = tuple(sorted(view.rows(self.names), key=_in_order))
        return replace(
            answer, rows=rows, refused=_refused(view, _others(view)) or _refused(view, view.callers.everyone)
        )

    def caller(self, caller: str) -> AccessAnswer:
        """What a caller can call.

        Args:
            caller: a service ``"prod/web"``; a service account ``"account:prod/robot"``, or without the prefix if a
                rule names it; ``"prod/*"`` for every account of a namespace; ``"anyone"`` for a caller in the mesh whom
                no rule names; ``"outside"`` for one without an identity.

        Raises:
            ConfigError: there is nobody of that name.
        """
        asked = self.names.caller(caller)
        model = self._model
        remarks = (*self._known(model), *self._of_caller(asked))
        undecided = self._undecided(model)
        answer = AccessAnswer("from", asked.name, remarks=remarks, undecided=undecided, unknown=self.unknown)
        if self.unknown:
            return answer
        rows: list[AccessRow] = []
        refused: dict[str, tuple[AccessReason, ...]] = {}
        for name in sorted(model.services):
            view = ServiceView(name, model.services[name], asked.patterns)
            mask = asked.mask(view.callers)
            rows += sorted(view.rows(self.names, mask), key=_in_order)
            refused |= _refused(view, mask)
        return replace(answer, rows=tuple(rows), refused=refused)

    def matrix(self, by: By = "service") -> AccessMatrix:
        """Everybody and everything: a cell for each pair.

        Args:
            by: what rows and columns are.
        """
        model = self._model
        services = {} if self.unknown else model.services
        found = matrix(services, self.names, by)
        remarks = (*self._known(model), *found.remarks)
        return replace(found, remarks=remarks, undecided=self._undecided(model), unknown=self.unknown)

    def _undecided(self, model: AccessModel) -> tuple[str, ...]:
        return (*self.missing, *(note for note in model.notes if note not in model.certain))

    def _known(self, model: AccessModel) -> tuple[str, ...]:
        return (*self.absent, *sorted(model.certain))

    @cached_property
    def names(self) -> Names:
        """The names of services and accounts."""
        every = (way for one in self._model.services.values() for ways in one.ports.values() for way in ways)
        return Names(self.plan, _accounts(every), self._kept_out)

    @cached_property
    def _kept_out(self) -> frozenset[str]:
        """The services whose pods have no proxy: where a cluster says it, as it says, else as the plan does."""
        meant = {str(one) for one in self.plan.services if self.plan.is_kept_out(one)}
        if self._there is None:
            return frozenset(meant)
        told = {one for one in meant if self._there.proxies.is_told(one.partition("/")[0])}
        return frozenset(meant - told) | self._there.without_proxy

    @cached_property
    def _there(self) -> There | None:
        return None if self.target is None else There(self.objects, self.target, self.plan, self.complete)

    @property
    def services(self) -> Mapping[str, ServiceAccess]:
        """The access of each service, by name; ``"namespace/*"`` is what else runs in a namespace."""
        return self._model.services

    @cached_property
    def _model(self) -> AccessModel:
        return self._read(None)

    def _read(self, only: Collection[str] | None) -> AccessModel:
        """The model; of some services, so that only what concerns them is said to be undecided."""
        if self.target is None:
            whole = of_plan(self.plan)
            services = {name: one for name, one in whole.services.items() if only is None or name in only}
            model = replace(whole, services=services)
        else:
            model = of_objects(self.objects, self.target, self.plan, only, now=True)
        there = self._there
        if there is not None:
            model = there.applied(model)
        told = frozenset(
            name for name in model.services if there is not None and there.proxies.is_told(name.partition("/")[0])
        )
        return replace(model, services=dict(_with_enrolment(model.services, self.plan, told)))

    def _remarks(self, name: str) -> Iterator[str]:
        namespace, _, own = name.partition("/")
        if own == "*":
            return
        service = self.plan.service(namespace, own)
        if self.target is None and service.access.closed:
            for probe in service.probes:
                yield f"GET {probe.path} on workload port {probe.port} is let in for the kubelet, as the mesh provides"
        if self.names.kept_out:
            yield f"callers outside the mesh are also {', '.join(self.names.kept_out)}, which are kept out of it"

    def _of_caller(self, asked: Asked) -> Iterator[str]:
        shared = [
            services
            for account, services in self.plan.callers.items()
            if len(services) > 1 and asked.name in map(str, services)
        ]
        for services in shared:
            others = ", ".join(str(one) for one in services if str(one) != asked.name)
            yield f"{asked.name} runs as one service account with {others}: no rule tells them apart"


def _in_order(row: AccessRow) -> tuple[object, ...]:
    return (row.service, not row.is_all, row.callers, row.ports, row.methods, row.paths, row.conditions)


def _refused(view: ServiceView, mask: int) -> Mapping[str, tuple[AccessReason, ...]]:
    if not mask & ~view.all:
        return {}
    reasons = tuple(reason for reason, who in view.refusals().items() if who & mask)
    return {view.name: reasons} if reasons else {}


def _others(view: ServiceView) -> int:
    """The callers whom no row names: what limits one that a row does name is said there."""
    return view.callers.everyone & (view.callers.unnamed | PLAIN | ~view.some)


def _accounts(ways: Iterable[Way]) -> Iterator[str]:
    """The accounts of the mesh's own trust domain that rules name."""
    for pattern in set(patterns(ways)):
        parts = pattern.removeprefix("~").split("/")
        if len(parts) == 5 and parts[0] == "" and parts[1] == "ns" and parts[3] == "sa" and "*" not in pattern:
            yield f"{parts[2]}/{parts[4]}"


def _with_enrolment(
    services: Mapping[str, ServiceAccess], plan: Plan, told: Collection[str]
) -> Iterator[tuple[str, ServiceAccess]]:
    """What is kept out of the mesh has no proxy that refuses anything, whatever is written about it.

    Of the services in ``told`` a cluster says it, not the plan.
    """
    declared: dict[str, Service] = {str(service): service for service in plan.services}
    around = {f"{namespace.name}/*": namespace.proxy for namespace in plan.namespaces}
    for name, one in services.items():
        proxy = plan.enrolment(declared[name]) if name in declared else around.get(name)
        if name not in told and proxy is not None and proxy.enrolled is False:
            reason = AccessReason("Proxy(enrolled=False)", origin=proxy.source.origin)
            yield name, replace(one, ports=dict.fromkeys(one.ports, (Way(open_by=(reason,)),)))
        else:
            yield name, one
