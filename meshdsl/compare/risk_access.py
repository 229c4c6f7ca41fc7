"""Widened access as a risk: the rows of the access view that let somebody in, each at the line that does.

A row says what holds and not why. Why is looked for in the two plans: a rule that was added or changed and is about
the callers of the row, a Deny that is gone, what closed the service and does not any more, its mode of mTLS. A line
that did not change is never pointed at; if none of those changed, the service's own declaration is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from meshdsl.compare import policy_words as words
from meshdsl.compare.access.sentences import together
from meshdsl.compare.report import AccessChange, Risk, RiskFinding
from meshdsl.diagnostics import Origin
from meshdsl.plan.intent import Namespace, Plan, Proxy, Service
from meshdsl.plan.rights import Access, Allow, Deny, Mtls
from meshdsl.plan.source import Source


def widened(rows: Iterable[AccessChange], before: Plan | None, after: Plan, compiled: Plan) -> Iterator[RiskFinding]:
    """A finding for each row that widens; those of a namespace that say the same, and for the same reason, as one.

    Args:
        rows: of the access view.
        before: what holds; None if that is not known.
        after: what would hold, in the same form.
        compiled: what would hold, with the line of everything.
    """
    lines = _Lines(before, after, compiled)
    by_cause: dict[tuple[Origin, ...], list[AccessChange]] = {}
    for row in rows:
        if row.widened:
            by_cause.setdefault(lines.of(row), []).append(row)
    for origins, found in by_cause.items():
        for group in together(found):
            subject = group.services[0] if len(group.services) == 1 else f"namespace {group.namespace}"
            yield RiskFinding(Risk.WIDENED_ACCESS, subject, group.sentence, origins or lines.declared(group.services))


class _Lines:
    """Finds the line that widens a row."""

    def __init__(self, before: Plan | None, after: Plan, compiled: Plan) -> None:
        self._before, self._after, self._compiled = before, after, compiled
        self._old = _services(before) if before is not None else {}
        self._new, self._told = _services(compiled), _services(after)

    def declared(self, services: Iterable[str]) -> tuple[Origin, ...]:
        """Where services are declared, or were."""
        found = (self._new.get(name) or self._old.get(name) for name in services)
        return _origins(service.source for service in found if service is not None)

    def of(self, row: AccessChange) -> tuple[Origin, ...]:
        """The lines that let in who the row says; empty if it is not known which do."""
        was, now = self._old.get(row.service), self._new.get(row.service)
        if now is not None and was is not None:
            return self._changed(row, was, now) or self._around(row.service)
        if was is not None:  # it is no longer declared
            rules = [rule.source for rule in was.access.allow] + [rule.source for rule in was.access.deny]
            return _origins(rules) or _mtls_lines(was.mtls, None) or _origins([was.source])
        if now is not None and self._before is not None:
            allows = [rule.source for rule in now.access.allow if _is_about(rule, row)]
            return _origins(allows) or _origins([now.source])
        return self._around(row.service)

    def _changed(self, row: AccessChange, was: Service, now: Service) -> tuple[Origin, ...]:
        told = self._told.get(row.service, now)
        added = [rule for rule in told.access.allow if rule not in was.access.allow and _is_about(rule, row)]
        found = _origins(rule.source for rule in added) or (_matching(added, now.access, row) if added else ())
        if not found:
            found = _denies(was.access, told.access)
        if not found and was.access.closed and not told.access.closed:
            found = _origins(rule.source for rule in was.access.allow)
        if not found and was.account != now.account:
            found = _origins([now.source])
        return found or _mtls_lines(was.mtls, told.mtls) or _proxy_lines(was.proxy, told.proxy)

    def _around(self, service: str) -> tuple[Origin, ...]:
        """What changed on the namespace of a service, or on the mesh."""
        if self._before is None:
            return ()
        old, new = (_namespace(plan, service.partition("/")[0]) for plan in (self._before, self._after))
        was, now = self._before.mesh, self._after.mesh
        found = _fence_lines(old.own_default_deny, new.own_default_deny) or _mtls_lines(old.mtls, new.mtls)
        found = found or _proxy_lines(old.proxy, new.proxy)
        return found or _fence_lines(was.default_deny, now.default_deny) or _mtls_lines(was.mtls, now.mtls)


def _services(plan: Plan) -> Mapping[str, Service]:
    return {str(service): service for service in plan.services}


def _namespace(plan: Plan, name: str) -> Namespace:
    try:
        return plan.namespace(name)
    except KeyError:
        return Namespace(name)


def _origins(sources: Iterable[Source | None]) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(one.origin for one in sources if one is not None and one.origin is not None))


def _matching(added: Iterable[Allow], compiled: Access, row: AccessChange) -> tuple[Origin, ...]:
    """The lines of the rules as they were written, where objects tell them in other pieces, without a line."""
    callers = {name for rule in added for name in _names(rule)}
    named = [rule for rule in compiled.allow if callers & _names(rule) and _is_about(rule, row)]
    return _origins(rule.source for rule in named)


def _is_about(rule: Allow, row: AccessChange) -> bool:
    """Whether a rule may be what lets the callers of a row in: for its methods and ports, and some of its callers."""
    methods = not rule.methods or not row.methods or bool(set(rule.methods) & set(row.methods))
    ports = not rule.ports or not row.ports or bool(set(rule.ports) & set(row.ports))
    named = {name for name in row.callers if "/" in name}
    unnamed = rule.callers.anyone is not None or bool(rule.callers.namespaces) or not named
    return methods and ports and (unnamed or bool(named & _names(rule)))


def _names(rule: Allow) -> set[str]:
    return set(words.callers_names(rule.callers)) or {words.callers_text(rule.callers)}


def _denies(was: Access, now: Access) -> tuple[Origin, ...]:
    """The denies that are other ones now, else those that are gone."""
    new: list[Deny] = [rule for rule in now.deny if rule not in was.deny]
    gone = [rule for rule in was.deny if rule not in now.deny]
    return _origins(rule.source for rule in (new or gone)) if gone else ()


def _mtls_lines(was: Mtls | None, now: Mtls | None) -> tuple[Origin, ...]:
    if was == now:
        return ()
    return _origins(one.source for one in (now, was) if one is not None)[:1]


def _proxy_lines(was: Proxy | None, now: Proxy | None) -> tuple[Origin, ...]:
    if (was and was.enrolled) == (now and now.enrolled):
        return ()
    return _origins(one.source for one in (now, was) if one is not None)[:1]


def _fence_lines(was: Source | None, now: Source | None) -> tuple[Origin, ...]:
    return _origins([was]) if was is not None and now is None else ()
