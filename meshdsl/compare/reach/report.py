"""``meshdsl.access``: who may call what, of a plan or of the objects of a mesh, to be asked in several ways."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from meshdsl.compare.access import AccessModel, of_objects, of_plan
from meshdsl.compare.access.decide import patterns
from meshdsl.compare.access.model import AccessReason, ServiceAccess, Way
from meshdsl.compare.interest import Interest
from meshdsl.compare.kinds import CRD, DRIVERS, scopes_of
from meshdsl.compare.live import Cluster, LiveObject, Snapshot, Unknown
from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix, AccessRow, By
from meshdsl.compare.reach.matrix import matrix
from meshdsl.compare.reach.service import ServiceView
from meshdsl.compare.reach.who import Asked, Names, enrolment
from meshdsl.compiler import Bundle
from meshdsl.plan.intent import Plan, Service
from meshdsl.targets.base import Target

_DRIVERS = frozenset((kind.group, kind.kind) for kind in DRIVERS)


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
    unknown = tuple(
        one
        for one in snapshot.unknown
        if one.scope.kind != CRD and (one.scope.kind.group, one.scope.kind.kind) not in _DRIVERS
    )
    return AccessReport(of.plan, of.target, tuple(snapshot.objects), unknown)


def _snapshot(of: Bundle, live: Snapshot | Cluster | Bundle | Iterable[LiveObject]) -> Snapshot:
    if isinstance(live, Snapshot):
        return live
    if isinstance(live, Bundle):
        return Snapshot(tuple(one.body for one in live.manifests))
    if isinstance(live, Iterable):
        return Snapshot(tuple(live))
    return live.snapshot(scopes_of(of.manifests, of.target), Interest(of.manifests))


@dataclass(frozen=True)
class AccessReport:
    """Who may call what, to be asked. Made by :func:`meshdsl.access`.

    Attributes:
        plan: says which services there are, and as which accounts they run.
        target: the mesh that reads the objects; None if the plan itself is the answer.
        objects: that are read.
        unknown: what could not be read; then no question is answered.
    """

    plan: Plan
    target: Target | None = None
    objects: tuple[LiveObject, ...] = field(default=(), repr=False)
    unknown: tuple[Unknown, ...] = ()

    def to(self, service: str) -> AccessAnswer:
        """Who can call a service.

        Args:
            service: ``"prod/payments"``, or ``"prod/*"`` for what else runs in a namespace.

        Raises:
            ConfigError: there is no such service.
        """
        model = self._read({self.names.service(service)})
        remarks = tuple(self._remarks(service))
        answer = AccessAnswer("to", service, remarks=remarks, undecided=model.notes, unknown=self.unknown)
        if self.unknown:
            return answer
        view = ServiceView(service, model.services[service])
        rows = tuple(sorted(view.rows(self.names), key=_in_order))
        return replace(answer, rows=rows, refused=_refused(view, view.callers.everyone))

    def caller(self, caller: str) -> AccessAnswer:
        """What a caller can call.

        Args:
            caller: a service ``"prod/web"``; a service account ``"account:prod/robot"``, or without the prefix if a
                rule names it; ``"prod/*"`` for every account of a namespace; ``"in-mesh"`` for an account that no rule
                names; ``"outside"`` or ``"anyone"`` for a caller without an identity.

        Raises:
            ConfigError: there is nobody of that name.
        """
        asked = self.names.caller(caller)
        model = self._model
        answer = AccessAnswer("from", asked.name, undecided=model.notes, unknown=self.unknown)
        if self.unknown:
            return answer
        rows: list[AccessRow] = []
        refused: dict[str, tuple[AccessReason, ...]] = {}
        for name in sorted(model.services):
            view = ServiceView(name, model.services[name], asked.patterns)
            mask = asked.mask(view.callers)
            rows += sorted(view.rows(self.names, mask), key=_in_order)
            refused |= _refused(view, mask)
        return replace(answer, rows=tuple(rows), refused=refused, remarks=tuple(self._of_caller(asked)))

    def matrix(self, by: By = "service") -> AccessMatrix:
        """Everybody and everything: a cell for each pair.

        Args:
            by: what rows and columns are.
        """
        model = self._model
        services = {} if self.unknown else model.services
        found = matrix(services, self.names, by)
        return replace(found, undecided=model.notes, unknown=self.unknown)

    @cached_property
    def names(self) -> Names:
        """The names of services and accounts."""
        every = (way for one in self._model.services.values() for ways in one.ports.values() for way in ways)
        return Names(self.plan, _accounts(every))

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
            model = of_objects(self.objects, self.target, self.plan, only)
        return replace(model, services=dict(_with_enrolment(model.services, self.plan)))

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
    return {view.name: tuple(reason for reason, who in view.refusals().items() if who & mask)}


def _accounts(ways: Iterable[Way]) -> Iterator[str]:
    """The accounts of the mesh's own trust domain that rules name."""
    for pattern in set(patterns(ways)):
        parts = pattern.removeprefix("~").split("/")
        if len(parts) == 5 and parts[0] == "" and parts[1] == "ns" and parts[3] == "sa" and "*" not in pattern:
            yield f"{parts[2]}/{parts[4]}"


def _with_enrolment(services: Mapping[str, ServiceAccess], plan: Plan) -> Iterator[tuple[str, ServiceAccess]]:
    """What is kept out of the mesh has no proxy that refuses anything, whatever is written about it."""
    declared: dict[str, Service] = {str(service): service for service in plan.services}
    around = {f"{namespace.name}/*": namespace.proxy for namespace in plan.namespaces}
    for name, one in services.items():
        proxy = enrolment(plan, declared[name]) if name in declared else around.get(name)
        if proxy is not None and proxy.enrolled is False:
            reason = AccessReason("Proxy(enrolled=False)", origin=proxy.source.origin)
            yield name, replace(one, ports=dict.fromkeys(one.ports, (Way(open_by=(reason,)),)))
        else:
            yield name, one
