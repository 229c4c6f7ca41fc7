"""What of a difference between two plans makes requests less safe: timeouts, retries, shares, limits.

It knows services alone, cell by cell as ``policy_rules`` cuts their route tables. Each finding names the line that
asks for it, or the one that asked for what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from meshdsl.compare import policy_words as words
from meshdsl.compare.policy_rules import WHOLE, Cell, cells, place_text
from meshdsl.compare.report import Risk, RiskFinding
from meshdsl.diagnostics import Origin
from meshdsl.plan.intent import Outlier, Pool, Service
from meshdsl.plan.matching import within
from meshdsl.plan.requests import Match, Rule
from meshdsl.plan.source import Source
from meshdsl.plan.table import IDEMPOTENT
from meshdsl.values import percent_text


def traffic(was: Service, now: Service, threshold: Decimal) -> Iterator[RiskFinding]:
    """What changes for the requests to a service that both plans have.

    Args:
        was: what is meant for it.
        now: what would be meant.
        threshold: in percentage points; a share that changes by more is moved traffic.
    """
    yield from _breaker(was, now)
    old, new = ({port.number: port.rules for port in service.ports} for service in (was, now))
    both = [cell for number in sorted(old.keys() & new.keys()) for cell in cells(old[number], new[number])]
    yield from _timeouts(now, both)
    yield from _retries(now, both)
    yield from _moved(now, both, threshold)


def new_traffic(now: Service) -> Iterator[RiskFinding]:
    """The same for a service that was not declared before."""
    yield from _retries(now, [cell for port in now.ports for cell in cells((), port.rules)])


def lost_traffic(was: Service) -> Iterator[RiskFinding]:
    """The same for a service that is no longer declared: it keeps its pods and loses its policies."""
    if was.breaker is not None:
        sentence = f"breaker removed from {was}, which is no longer declared"
        yield RiskFinding(Risk.REMOVED_BREAKER, str(was), sentence, at(was.breaker.source))
    timed = [rule.timeout for port in was.ports for rule in port.rules if rule.timeout is not None]
    if timed:
        sentence = f"timeout removed from {was}, which is no longer declared"
        yield RiskFinding(Risk.REMOVED_TIMEOUT, str(was), sentence, at(timed[-1].source))


def at(*sources: Source | None) -> tuple[Origin, ...]:
    """The lines of the sources that have one, each once."""
    return tuple(dict.fromkeys(one.origin for one in sources if one is not None and one.origin is not None))


# ---------------------------------------------------------------------------------------------- limits and ejection

_LIMITS: Final = ("max_connections", "max_pending_requests", "max_requests", "max_requests_per_connection")


def _breaker(was: Service, now: Service) -> Iterator[RiskFinding]:
    if was.breaker is None:
        return
    if now.breaker is None:
        sentence = f"breaker removed from {now}"
        yield RiskFinding(Risk.REMOVED_BREAKER, str(now), sentence, at(was.breaker.source))
        return
    said = [*_limits(was.breaker.pool, now.breaker.pool), *_ejection(was.breaker.outlier, now.breaker.outlier)]
    if said:
        sentence = f"breaker of {now} protects less: {', '.join(said)}"
        yield RiskFinding(Risk.REMOVED_BREAKER, str(now), sentence, at(now.breaker.source))


def _limits(was: Pool | None, now: Pool | None) -> Iterator[str]:
    """The limits that are gone or higher."""
    if was is None:
        return
    if now is None:
        yield "no limits any more"
        return
    for name in _LIMITS:
        old, new = getattr(was, name), getattr(now, name)
        if old is not None and (new is None or new > old):
            yield f"{name} {old} → {words.NONE if new is None else new}"


def _ejection(was: Outlier | None, now: Outlier | None) -> Iterator[str]:
    """The counters that are gone or higher, and pods that are out for a shorter time, or fewer of them.

    How often pods are looked at (``interval``) is neither more nor less: those that are out come back then, too.
    """
    if was is None:
        return
    if now is None:
        yield "no ejection any more"
        return
    # A gateway error is a 5xx: whoever counts all of them counts these, too.
    gateway_errors = min(filter(None, (now.consecutive_gateway_errors, now.consecutive_5xx)), default=None)
    counters = (
        ("consecutive_5xx", was.consecutive_5xx, now.consecutive_5xx),
        ("consecutive_gateway_errors", was.consecutive_gateway_errors, gateway_errors),
    )
    for name, old, new in counters:
        if old is not None and (new is None or new > old):
            yield f"{name} {old} → {words.NONE if new is None else new}"
    if now.base_ejection_time < was.base_ejection_time:
        times = (words.duration(was.base_ejection_time), words.duration(now.base_ejection_time))
        yield f"base_ejection_time {' → '.join(times)}"
    if now.max_ejection_percent < was.max_ejection_percent:
        yield f"max_ejection_percent {was.max_ejection_percent} → {now.max_ejection_percent}"


# ------------------------------------------------------------------------------------------------------------ requests


def _where(service: Service, cell: Cell) -> str:
    place = place_text(cell.match, [cell.match.method] if cell.match.method else [], [cell])
    return f"{service}, {place}" if place else str(service)


def _origins(rule: Rule | None, name: str) -> tuple[Origin, ...]:
    """The line of a part of a rule; of the rule, if it does not have that part."""
    part = getattr(rule, name, None)
    source = getattr(part, "source", part)
    found = at(source) if isinstance(source, Source) else ()
    return found or (at(rule.source) if rule is not None else ())


def _timeouts(service: Service, both: Iterable[Cell]) -> Iterator[RiskFinding]:
    gone = [c for c in both if c.before and c.before.timeout and not (c.after and c.after.timeout)]
    for cell in _widest(gone):
        if cell.after is not None and cell.after.redirect is not None:
            continue  # what is redirected does not reach the service
        old = words.timeout_text(cell.before.timeout if cell.before else None)
        sentence = f"timeout of {old} removed from {_where(service, cell)}"
        yield RiskFinding(Risk.REMOVED_TIMEOUT, str(service), sentence, _origins(cell.before, "timeout"))


def _retries(service: Service, both: Iterable[Cell]) -> Iterator[RiskFinding]:
    unsafe = [
        cell
        for cell in both
        if cell.match.method not in IDEMPOTENT
        and cell.after is not None
        and cell.after.retry is not None
        and (cell.before is None or cell.before.retry is None)
    ]
    alike: dict[tuple[Match, str], list[Cell]] = {}
    for cell in _widest(unsafe):
        text = words.retry_text(cell.after.retry if cell.after is not None else None)
        alike.setdefault((replace(cell.match, method=None), text), []).append(cell)
    for (match, text), found in alike.items():
        methods = tuple(sorted({cell.match.method for cell in found if cell.match.method is not None}))
        what = f"{words.listed(methods)} requests" if methods else "requests of every method"
        place = place_text(match, (), found)
        where = f"{service}, {place}," if place else str(service)
        sentence = f"{what} to {where} are retried: {text}; one that is not idempotent may happen twice"
        yield RiskFinding(Risk.UNSAFE_RETRIES, str(service), sentence, _origins(found[0].after, "retry"))


def _moved(service: Service, both: Iterable[Cell], threshold: Decimal) -> Iterator[RiskFinding]:
    moved = [(cell, text) for cell in both if (text := _move(service, cell, threshold))]
    widest = _widest([cell for cell, _ in moved])
    for cell, text in moved:
        if any(cell is one for one in widest):
            sentence = f"{_where(service, cell)}: {text}"
            yield RiskFinding(Risk.MOVED_TRAFFIC, str(service), sentence, _moved_by(cell))


def _moved_by(cell: Cell) -> tuple[Origin, ...]:
    """What moves requests: a redirect, else the weights that hold, else those that held."""
    for rule in (cell.after, cell.before):
        if rule is not None:
            redirect = rule.redirect.source if rule.redirect is not None else None
            found = at(redirect, rule.canary, rule.split)
            if found:
                return found[:1]
    return at(cell.after.source) if cell.after is not None else ()


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
