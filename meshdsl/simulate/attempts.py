"""When a request is tried: every attempt that could be made, and between which moments it begins.

Times are whole milliseconds from the moment at which the caller's proxy has the whole request. A try begins as early
as if every one before it failed at once, and as late as the bound of each try lets it, with the longest wait between;
and no try is begun after the deadline. What a Fault delays is before all this (``docs/semantics.md`` §3).

The wait before a retry is the mesh's own affair, and each documents it:

* Envoy (Istio with sidecars, waypoints): at random up to ``(2**n - 1)`` times the base interval before the n-th retry,
  and never longer than ten times the base. The base is 25 ms unless a policy says so
  (envoyproxy.io, Router filter, ``x-envoy-max-retries``).
* Linkerd: 25 ms, doubled for each further retry, and at random up to as much again; never longer than 250 ms
  (``linkerd2-proxy: linkerd/exp-backoff``; measured: 40, 79, 145, 221, then about 250 ms). It cannot be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meshdsl.simulate.words import Retries, Traffic

BASE: Final = 25
"""The base interval of every mesh, in milliseconds."""

Wait = tuple[int, int]
"""The shortest and the longest pause before a retry, in milliseconds."""
Backoff = Callable[[int, int], Wait]
"""Number of the retry, from 1, and the base interval in milliseconds, to the pause before it."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. All times in milliseconds after the request.

    Attributes:
        number: from 1.
        earliest: when it begins if all before it fail at once.
        latest: after which it is not begun; None if nothing bounds the tries before it.
        ends: when it is given up at the latest; None if nothing bounds it.
        wait: the pause before it, shortest and longest.
    """

    number: int
    earliest: int
    latest: int | None
    ends: int | None
    wait: Wait = (0, 0)


def envoy_backoff(retry: int, base: int) -> Wait:
    """The pause that Envoy makes."""
    return 0, min((2**retry - 1) * base, 10 * base)


def linkerd_backoff(retry: int, base: int) -> Wait:  # noqa: ARG001 - the mesh knows no other base
    """The pause that Linkerd makes."""
    shortest = min(BASE * 2 ** (retry - 1), 10 * BASE)
    return shortest, min(2 * shortest, 10 * BASE)


def any_backoff(retry: int, base: int) -> Wait:
    """What holds on every mesh: as short as the shortest pause of any of them, and as long as the longest."""
    (_, longest), (_, other) = envoy_backoff(retry, base), linkerd_backoff(retry, base)
    return 0, max(longest, other if base == BASE else 0)


def tries(traffic: Traffic) -> int | None:
    """How often a request is sent at most: once, and once for each retry.

    Returns:
        The number; None where retries are left to the mesh.
    """
    if traffic.retry is None:
        return 1
    return 1 + traffic.retry.attempts if isinstance(traffic.retry, Retries) else None


def time_line(traffic: Traffic, backoff: Backoff = any_backoff) -> tuple[Try, ...]:
    """Every try that could be made.

    Args:
        traffic: what the caller's side does.
        backoff: of the mesh; without it, of any.

    Returns:
        The tries in their order: those that the deadline leaves time for. The first alone where retries are left to
        the mesh; none for a redirect.
    """
    if traffic.redirect is not None:
        return ()
    retry = traffic.retry if isinstance(traffic.retry, Retries) else None
    per_try = retry.per_try if retry is not None else None
    base = BASE if retry is None or retry.backoff is None else retry.backoff
    found: list[Try] = []
    earliest, latest = 0, 0 if per_try is not None or retry is None else None
    for number in range(1, 2 + (retry.attempts if retry is not None else 0)):
        wait = (0, 0)
        if number > 1:
            wait = backoff(number - 1, base)
            earliest += wait[0]
            latest = None if per_try is None or latest is None else latest + per_try + wait[1]
        if traffic.timeout is not None and earliest >= traffic.timeout:
            break
        begins = 0 if number == 1 else _sooner(latest, traffic.timeout)
        ends = _sooner(None if begins is None or per_try is None else begins + per_try, traffic.timeout)
        found.append(Try(number, earliest, begins, ends, wait))
    return tuple(found)


def _sooner(one: int | None, other: int | None) -> int | None:
    return min((time for time in (one, other) if time is not None), default=None)
