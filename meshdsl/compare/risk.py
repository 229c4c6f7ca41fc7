"""What of a difference somebody should look at before it is applied, each with its stable name.

Access comes from the access view and dropped fields from the comparison of objects; traffic, mTLS and fences from the
two plans; what would break for a moment from the objects and the order in which they are applied (``risk_order``).
Nothing here decides what to do about it: ``--fail-on`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from meshdsl.compare import policy_words as words
from meshdsl.compare.live import Snapshot
from meshdsl.compare.policy_rules import WHOLE, Cell, cells, place_text
from meshdsl.compare.report import Action, DiffReport, ObjectChange, Risk, RiskFinding
from meshdsl.compare.risk_order import breaking
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import Origin
from meshdsl.plan.intent import Namespace, Plan, Proxy, Service
from meshdsl.plan.matching import within
from meshdsl.plan.requests import Rule
from meshdsl.plan.rights import Mtls, MtlsMode
from meshdsl.plan.source import Source
from meshdsl.plan.table import IDEMPOTENT
from meshdsl.targets.base import TargetName
from meshdsl.values import percent_text

SERIOUSNESS: Final = (
    Risk.WIDENED_ACCESS,
    Risk.WEAKENED_MTLS,
    Risk.REMOVED_FENCE,
    Risk.BREAKING_ORDER,
    Risk.DROPPED_FIELD,
    Risk.MOVED_TRAFFIC,
    Risk.UNSAFE_RETRIES,
    Risk.REMOVED_BREAKER,
    Risk.REMOVED_TIMEOUT,
)
"""The order of findings: first what lets somebody in, then what cuts somebody off, then what protects less."""

THRESHOLD: Final = Decimal(20)
"""Percentage points by which the share of a version may change before it counts as moved traffic."""


def findings(
    report: DiffReport,
    before: Plan | None,
    after: Plan,
    bundle: Bundle,
    snapshot: Snapshot,
    *,
    threshold: Decimal | int = THRESHOLD,
) -> tuple[RiskFinding, ...]:
    """The risks of a difference.

    Args:
        report: whose objects and access view are there already.
        before: what holds, in the same form as ``after`` (both compiled, or both from ``readback.compared``); if None,
            both are made from the snapshot.
        after: what would hold.
        bundle: what would be applied.
        snapshot: what is there.
        threshold: in percentage points; a share that changes by more is moved traffic.

    Returns:
        The most serious first, then by subject; each once.
    """
    if before is None:
        before, after = _read(bundle, snapshot, after)
    found = [
        *_access(report, bundle.plan),
        *_dropped(report.objects),
        *_fences_of_objects(report.objects, bundle.target.name),
    ]
    found += breaking(report.objects, bundle, snapshot)
    if before is not None:
        found += _Plans(before, after, bundle.target.name, Decimal(threshold)).findings()
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda one: (SERIOUSNESS.index(one.risk), one.subject, one.sentence)))


def _read(bundle: Bundle, snapshot: Snapshot, after: Plan) -> tuple[Plan | None, Plan]:
    from meshdsl.compare.readback import compared  # noqa: PLC0415 - not needed between two revisions

    read, told, _ = compared(snapshot.objects, bundle)
    return (read, told) if read is not None else (None, after)


# --------------------------------------------------------------------------------------------------- from the report


def _access(report: DiffReport, plan: Plan) -> Iterator[RiskFinding]:
    services = {str(service): service for service in plan.services}
    for change in report.access:
        if change.widened:
            origins = _lines_about_access(services.get(change.service))
            yield RiskFinding(Risk.WIDENED_ACCESS, change.service, change.sentence, origins)


def _lines_about_access(service: Service | None) -> tuple[Origin, ...]:
    """The lines that let somebody call a service; that of the service if no policy does."""
    if service is None:
        return ()
    sources = [allow.source for allow in service.access.allow] or [service.source]
    return tuple(dict.fromkeys(source.origin for source in sources if source.origin is not None))


def _dropped(objects: Iterable[ObjectChange]) -> Iterator[RiskFinding]:
    for change in objects:
        paths = dict.fromkeys(".".join(part for part in path if isinstance(part, str)) for path in change.dropped)
        for path in paths:
            sentence = f"this cluster's {change.ref.kind} has no {path}: it would be dropped from {change.ref}"
            yield RiskFinding(Risk.DROPPED_FIELD, str(change.ref), sentence, change.origins)


_FENCES: Final[dict[TargetName, dict[str, str]]] = {
    "istio": {"AuthorizationPolicy": "istio.io"},
    "ambient": {"AuthorizationPolicy": "istio.io"},
    # An AuthorizationPolicy of Linkerd only lets in: without it fewer may call.
    "linkerd": {"Server": "linkerd.io"},
}


def _fences_of_objects(objects: Iterable[ObjectChange], target: TargetName) -> Iterator[RiskFinding]:
    for change in objects:
        group = _FENCES[target].get(change.ref.kind)
        if change.action is not Action.DELETE or group is None:
            continue
        if change.ref.api_version.partition("/")[0].endswith(group):
            sentence = f"{change.ref} is deleted: what it refused may be let in"
            yield RiskFinding(Risk.REMOVED_FENCE, str(change.ref), sentence, change.origins)


# ---------------------------------------------------------------------------------------------------- from the plans


class _Plans:
    """Compares two plans, service by service."""

    def __init__(self, before: Plan, after: Plan, target: TargetName, threshold: Decimal) -> None:
        self._before, self._after, self._target, self._threshold = before, after, target, threshold

    def findings(self) -> Iterator[RiskFinding]:
        """Everything that the plans show."""
        old, new = self._before, self._after
        yield from _mtls("the mesh", _mode(old.mesh.mtls), _mode(new.mesh.mtls), new.mesh.source)
        if old.mesh.default_deny is not None and new.mesh.default_deny is None:
            yield _fence("the mesh", "default deny removed from the mesh", ())
        spaces = {namespace.name: namespace for namespace in new.namespaces}
        for namespace in old.namespaces:
            yield from self._namespace(namespace, spaces.get(namespace.name) or Namespace(namespace.name))
        services = {(s.namespace, s.name): s for s in new.services}
        for service in old.services:
            now = services.get((service.namespace, service.name))
            if now is None:
                yield from _gone(service)
            elif service != now:
                yield from self._service(service, now)
        known = {(s.namespace, s.name) for s in old.services}
        for key, service in services.items():
            if key not in known:
                yield from _retries(service, [c for port in service.ports for c in cells((), port.rules)])

    def _namespace(self, was: Namespace, now: Namespace) -> Iterator[RiskFinding]:
        subject = f"namespace {was.name}"
        # Linkerd says either deny or a mode; deny lets in no plain text that a rule does not name.
        if not (self._target == "linkerd" and now.default_deny):
            yield from _mtls(subject, _mode(was.mtls), _mode(now.mtls), now.source)
        if was.own_default_deny is not None and now.own_default_deny is None and not now.default_deny:
            yield _fence(subject, f"default deny removed from {subject}", _at(now.source))
        yield from _enrolment(subject, was.proxy, now.proxy, was.effective_mtls)

    def _service(self, was: Service, now: Service) -> Iterator[RiskFinding]:
        subject = str(now)
        if not (self._target == "linkerd" and now.access.closed):
            own_is_gone = was.mtls is not None and was.mtls.mode is MtlsMode.STRICT
            if own_is_gone and was.effective_mtls is not now.effective_mtls:
                yield from _mtls(subject, was.effective_mtls, now.effective_mtls, now.source)
            elif now.mtls is not None and was.effective_mtls is MtlsMode.STRICT:
                yield from _mtls(subject, was.effective_mtls, now.mtls.mode, now.mtls.source)
        if was.access.closed and not now.access.closed:
            yield _fence(subject, f"{subject} is open: no allow and no default deny closes it", _at(now.source))
        yield from _enrolment(subject, was.proxy, now.proxy, was.effective_mtls)
        yield from _breaker(was, now)
        old, new = ({port.number: port.rules for port in service.ports} for service in (was, now))
        both = [cell for number in sorted(old.keys() & new.keys()) for cell in cells(old[number], new[number])]
        yield from _timeouts(now, both)
        yield from _retries(now, both)
        yield from _moved(now, both, self._threshold)


def _mode(mtls: Mtls | None) -> MtlsMode | None:
    return mtls.mode if mtls is not None else None


def _at(source: Source) -> tuple[Origin, ...]:
    return (source.origin,) if source.origin is not None else ()


def _mtls(subject: str, was: MtlsMode | None, now: MtlsMode | None, source: Source) -> Iterator[RiskFinding]:
    if was is MtlsMode.STRICT and now is not MtlsMode.STRICT:
        sentence = f"mTLS of {subject} is no longer strict: {'permissive' if now else 'no policy says'} from now on"
        yield RiskFinding(Risk.WEAKENED_MTLS, subject, sentence, _at(source))


def _fence(subject: str, sentence: str, origins: tuple[Origin, ...]) -> RiskFinding:
    return RiskFinding(Risk.REMOVED_FENCE, subject, sentence, origins)


def _enrolment(subject: str, was: Proxy | None, now: Proxy | None, mode: MtlsMode | None) -> Iterator[RiskFinding]:
    """What leaves the mesh: it was enrolled and is no longer, or is kept out and was not."""
    old, new = was.enrolled if was is not None else None, now.enrolled if now is not None else None
    if new or old is False or (old is None and new is None):
        return
    how = "kept out of the mesh" if new is False else "no longer enrolled"
    sentence = f"{subject} is {how}: no access rule and no mTLS mode holds for its pods"
    origins = _at(now.source) if now is not None else ()
    yield _fence(subject, sentence, origins)
    if mode is MtlsMode.STRICT:
        sentence = f"mTLS of {subject} is no longer strict: it is {how}"
        yield RiskFinding(Risk.WEAKENED_MTLS, subject, sentence, origins)


def _gone(was: Service) -> Iterator[RiskFinding]:
    """A service that is no longer declared keeps its pods and loses its policies."""
    if was.breaker is not None:
        yield RiskFinding(Risk.REMOVED_BREAKER, str(was), f"breaker removed from {was}, which is no longer declared")
    if any(rule.timeout is not None for port in was.ports for rule in port.rules):
        yield RiskFinding(Risk.REMOVED_TIMEOUT, str(was), f"timeout removed from {was}, which is no longer declared")
    if was.access.closed or was.access.deny:
        yield _fence(str(was), f"access rules removed from {was}, which is no longer declared", ())
    if was.mtls is not None and was.mtls.mode is MtlsMode.STRICT:
        yield from _mtls(str(was), MtlsMode.STRICT, None, Source())


def _breaker(was: Service, now: Service) -> Iterator[RiskFinding]:
    if was.breaker is None:
        return
    if now.breaker is None:
        yield RiskFinding(Risk.REMOVED_BREAKER, str(now), f"breaker removed from {now}", _at(now.source))
        return
    parts = (("ejection", was.breaker.outlier, now.breaker.outlier), ("limits", was.breaker.pool, now.breaker.pool))
    for what, old, new in parts:
        if old is not None and new is None:
            sentence = f"{what} removed from the breaker of {now}"
            yield RiskFinding(Risk.REMOVED_BREAKER, str(now), sentence, _at(now.breaker.source))


# ---------------------------------------------------------------------------------------------------------- traffic


def _where(service: Service, cell: Cell) -> str:
    place = place_text(cell.match, [cell.match.method] if cell.match.method else [], [cell])
    return f"{service}, {place}" if place else str(service)


def _origins(rule: Rule | None, name: str) -> tuple[Origin, ...]:
    part = getattr(rule, name, None)
    source = getattr(part, "source", part)
    if isinstance(source, Source) and source.origin is not None:
        return (source.origin,)
    return _at(rule.source) if rule is not None else ()


def _timeouts(service: Service, both: Iterable[Cell]) -> Iterator[RiskFinding]:
    for cell in _widest([c for c in both if c.before and c.before.timeout and not (c.after and c.after.timeout)]):
        if cell.after is not None and cell.after.redirect is not None:
            continue  # what is redirected does not reach the service
        old = words.timeout_text(cell.before.timeout if cell.before else None)
        sentence = f"timeout of {old} removed from {_where(service, cell)}"
        yield RiskFinding(Risk.REMOVED_TIMEOUT, str(service), sentence, _origins(cell.after, "timeout"))


def _retries(service: Service, both: Iterable[Cell]) -> Iterator[RiskFinding]:
    unsafe = [
        cell
        for cell in both
        if cell.match.method not in IDEMPOTENT
        and cell.after is not None
        and cell.after.retry is not None
        and (cell.before is None or cell.before.retry is None)
    ]
    for cell in _widest(unsafe):
        assert cell.after is not None
        what = f"{cell.match.method} requests" if cell.match.method else "requests of every method"
        place = place_text(replace(cell.match, method=None), (), [cell])
        where = f"{service}, {place}," if place else str(service)
        text = words.retry_text(cell.after.retry)
        sentence = f"{what} to {where} are retried: {text}; one that is not idempotent may happen twice"
        yield RiskFinding(Risk.UNSAFE_RETRIES, str(service), sentence, _origins(cell.after, "retry"))


def _moved(service: Service, both: Iterable[Cell], threshold: Decimal) -> Iterator[RiskFinding]:
    moved = [(cell, text) for cell in both if (text := _move(service, cell, threshold))]
    widest = _widest([cell for cell, _ in moved])
    for cell, text in moved:
        if any(cell is one for one in widest):
            sentence = f"{_where(service, cell)}: {text}"
            yield RiskFinding(Risk.MOVED_TRAFFIC, str(service), sentence, _origins(cell.after, "split"))


def _move(service: Service, cell: Cell, threshold: Decimal) -> str:
    """How the shares of a cell change, if by more than the threshold; empty if not."""
    old, new = cell.before, cell.after
    if (cell.match.headers or cell.match.query) and (cell.is_new or cell.is_gone):
        return ""  # a canary's own requests, which ask for it
    if new is not None and new.redirect is not None:
        return "" if old is not None and old.redirect == new.redirect else "all requests are redirected"
    before = words.shares(old.backends if old is not None and old.redirect is None else WHOLE)
    after = words.shares(new.backends if new is not None else WHOLE)
    if None in before or None in after:
        return _unsplit(service, before, after)
    found = []
    for version in dict.fromkeys([*after, *before]):
        was, now = before.get(version, Decimal(0)), after.get(version, Decimal(0))
        if abs(now - was) > threshold:
            found.append(f"{version} gets {percent_text(now)} instead of {percent_text(was)}")
    return ", ".join(found)


def _unsplit(service: Service, before: dict[str | None, Decimal], after: dict[str | None, Decimal]) -> str:
    """Without a split each version gets as many requests as it has pods, which a plan does not know."""
    if None in before and None not in after and len(after) == 1 and len(service.versions) > 1:
        return f"all requests go to {next(iter(after))}"
    if None not in before and None in after and len(service.versions) > 1:
        return "the split ends, and each version gets as many requests as it has pods"
    return ""


def _widest(found: list[Cell]) -> list[Cell]:
    return [
        cell
        for cell in found
        if not any(o is not cell and o.match != cell.match and within(cell.match, o.match) for o in found)
    ]
