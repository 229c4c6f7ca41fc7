"""What of a difference somebody should look at before it is applied, each with its stable name.

Access comes from the access view (``risk_access``); mTLS, fences and traffic from the two plans (``risk_plans``,
``risk_traffic``); dropped fields and deleted fences from the comparison of objects; what would break for a moment from
the objects and the order in which they are applied (``risk_order``). Nothing is claimed of what is not known. Nothing
here decides what to do about a risk: ``--fail-on`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from meshdsl.compare.kinds import kind_of_ref, made_by
from meshdsl.compare.live import Snapshot
from meshdsl.compare.report import REFUSAL, Action, DiffReport, ObjectChange, Risk, RiskFinding
from meshdsl.compare.risk_access import widened
from meshdsl.compare.risk_order import breaking
from meshdsl.compare.risk_plans import Plans
from meshdsl.compiler import Bundle
from meshdsl.manifest import ObjectRef
from meshdsl.plan.intent import Plan, Service

SERIOUSNESS: Final = (
    Risk.WIDENED_ACCESS,
    Risk.OPENED_BY_OTHERS,
    Risk.WEAKENED_MTLS,
    Risk.REMOVED_FENCE,
    Risk.BREAKING_ORDER,
    Risk.DROPPED_FIELD,
    Risk.OVERWRITTEN_OBJECT,
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
    more: Iterable[RiskFinding] = (),
) -> tuple[RiskFinding, ...]:
    """The risks of a difference.

    Args:
        report: whose objects and access view are there already.
        before: what holds, in the same form as ``after`` (both compiled, or both from ``readback.compared``); None if
            it is not known, and then nothing is said of policies.
        after: what would hold.
        bundle: what would be applied.
        snapshot: what is there.
        threshold: in percentage points; a share that changes by more is moved traffic.
        more: risks that are known already.

    Returns:
        The most serious first, then by subject; each once. Each has the lines that ask for it, or that asked for what
        is gone; behind them where its service is declared, or was.
    """
    compiled = after is bundle.plan
    found = [
        *widened(report.access, before, after, bundle.plan),
        *_dropped(report.objects),
        *_overwritten(report.objects),
    ]
    if before is not None:
        modes_of_closed = compiled or bundle.target.name != "linkerd"
        found += Plans(before, after, bundle.plan, Decimal(threshold), modes_of_closed=modes_of_closed).findings()
    found += _fences(report, bundle, before, {one.subject for one in found})
    found += [*breaking(report.objects, bundle, snapshot), *more]
    lines = _Declarations(bundle.plan, before)
    unique = {(one.risk, one.subject, one.sentence): lines.behind(one) for one in reversed(found)}
    return tuple(
        sorted(unique.values(), key=lambda one: (SERIOUSNESS.index(one.risk), one.subject, one.sentence)),
    )


class _Declarations:
    """Where the subjects of findings are declared."""

    def __init__(self, *plans: Plan | None) -> None:
        self._plans = [plan for plan in plans if plan is not None]
        self._services = [{str(service): service for service in plan.services} for plan in self._plans]

    def behind(self, finding: RiskFinding) -> RiskFinding:
        """The finding with the line of its service or namespace behind its own lines."""
        sources = [found[finding.subject].source for found in self._services if finding.subject in found]
        kind, _, name = finding.subject.rpartition(" ")
        namespace, slash, name = name.partition("/")
        if kind and slash:
            owners = (owner(ObjectRef("", kind, namespace, name), plan) for plan in self._plans)
            sources += [service.source for service in owners if service is not None]
        for plan in self._plans:
            sources += [one.source for one in plan.namespaces if f"namespace {one.name}" == finding.subject]
        declared = [source.origin for source in sources if source.origin is not None][:1]
        return replace(finding, origins=tuple(dict.fromkeys((*finding.origins, *declared))))


def _dropped(objects: Iterable[ObjectChange]) -> Iterator[RiskFinding]:
    for change in objects:
        paths = dict.fromkeys(".".join(part for part in path if isinstance(part, str)) for path in change.dropped)
        if paths:
            sentence = f"{change.ref}: this cluster's {change.ref.kind} has no {', '.join(paths)}: {REFUSAL}"
            yield RiskFinding(Risk.DROPPED_FIELD, str(change.ref), sentence, change.origins)


def _overwritten(objects: Iterable[ObjectChange]) -> Iterator[RiskFinding]:
    """What is in the way, once for each owner."""
    by_owner: dict[tuple[str, str], list[ObjectChange]] = {}
    for change in objects:
        if change.action is Action.CONFLICT:
            by_owner.setdefault((change.owner, change.notes[0]), []).append(change)
    for (whose, what), found in by_owner.items():
        names = ", ".join(str(one.ref) for one in found[:3]) + (f" and {len(found) - 3} more" if found[3:] else "")
        sentence = f"{names} {'are' if found[1:] else 'is'} there and not ours ({whose}): {what}"
        yield RiskFinding(Risk.OVERWRITTEN_OBJECT, str(found[0].ref), sentence, found[0].origins)


# ------------------------------------------------------------------------------------------------------------- fences

# An AuthorizationPolicy of Linkerd only lets in: without it fewer may call.
_FENCES: Final = frozenset(
    {
        ("policy.linkerd.io", "Server"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "PeerAuthentication"),
    }
)
_MODE: Final = "PeerAuthentication"
"""Plans say what holds without it, but not those of another mesh."""


def _fences(report: DiffReport, bundle: Bundle, before: Plan | None, said: set[str]) -> Iterator[RiskFinding]:
    """The objects that refuse requests and are deleted, where the plans do not say already what that means.

    Plans that are known whole say it; where something could not be read back, they may not.
    """
    whole = before is not None and not (report.policy_note or report.access_note)
    for change in report.objects:
        kind = kind_of_ref(change.ref)
        if change.action is not Action.DELETE or kind not in _FENCES:
            continue
        if bundle.target.name not in made_by(*kind):
            sentence = f"{change.ref} is deleted: what it refused may be let in by pods that are still in that mesh"
            yield RiskFinding(Risk.REMOVED_FENCE, str(change.ref), sentence, change.origins)
            continue
        if change.ref.kind == _MODE:
            continue
        service = owner(change.ref, bundle.plan) or (owner(change.ref, before) if before is not None else None)
        if whole and service is not None:
            continue
        subjects = {f"namespace {change.ref.namespace}", "the mesh", *([str(service)] if service else [])}
        if said.isdisjoint(subjects):
            sentence = f"{change.ref} is deleted: what it refused may be let in"
            origins = (service.source.origin,) if service is not None and service.source.origin is not None else ()
            yield RiskFinding(Risk.REMOVED_FENCE, str(change.ref), sentence, change.origins or origins)


def owner(ref: ObjectRef, plan: Plan) -> Service | None:
    """The service whose name the name of an object of ours begins with; None if there is none.

    Args:
        ref: of the object.
        plan: with the services.
    """
    mine = [
        s
        for s in plan.services_in(ref.namespace)
        if ref.name == s.name or ref.name.startswith((f"{s.name}-", f"{s.name}."))
    ]
    return max(mine, key=lambda service: len(service.name), default=None)
