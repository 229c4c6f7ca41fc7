"""What Linkerd reads in annotations: timeouts, retries, the breaker, lists of ports.

As its policy controller parses them (``policy-controller/k8s/index/src/outbound/index.rs`` and ``index/http.rs``, with
what was measured on proxies). One value that does not parse costs the whole family: on a route the webhook refuses the
object, on a Service the family is dropped and a line is logged. A name that is not known is ignored, as the mesh does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshdsl.simulate.words import Breaker, NotModelled, Retries

Annotations = Mapping[str, str]

ACCRUAL: Final = "balancer.linkerd.io/failure-accrual"
OPAQUE_PORTS: Final = "config.linkerd.io/opaque-ports"
DEFAULT_INBOUND: Final = "config.linkerd.io/default-inbound-policy"

_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_ERRORS: Final = {"5xx": range(500, 600), "gateway-error": range(502, 505)}
_GRPC_CODES: Final = frozenset({"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"})
_PORTS = re.compile(r"([0-9]+)(?:-([0-9]+))?")


class Unreadable(Exception):
    """An annotation that the mesh does not parse.

    Args:
        name: of the annotation.
        value: as it is written.
    """

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"annotation {name} is {value!r}, which the mesh does not read")
        self.name = name


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds of a request in milliseconds; None for none, 0 for at once.

    Attributes:
        request: of the whole request with its retries.
        response: from the moment at which a try is sent until its response ends.
        idle: of a stream on which nothing moves; while response headers are waited for it never fires (measured).
    """

    request: int | None = None
    response: int | None = None
    idle: int | None = None


NO_TIMEOUTS: Final = Timeouts()


def duration(text: str) -> int | None:
    """One whole number and one unit (or a bare 0) as milliseconds; None for anything else, such as ``1m30s``."""
    found = _DURATION.fullmatch(text.strip())
    if found is not None:
        return int(found[1]) * _MILLISECONDS[found[2]]
    return 0 if re.fullmatch(r"0+", text.strip()) else None


def _duration(found: Annotations, name: str) -> int | None:
    """The duration of an annotation; None if it is not there. Raises Unreadable."""
    if name not in found:
        return None
    value = duration(found[name])
    if value is None:
        raise Unreadable(name, found[name])
    return value


def timeouts(found: Annotations) -> Timeouts:
    """``timeout.linkerd.io/…``. ``0s`` is no exception: it is a deadline at once (measured). Raises Unreadable."""
    return Timeouts(
        _duration(found, "timeout.linkerd.io/request"),
        _duration(found, "timeout.linkerd.io/response"),
        _duration(found, "timeout.linkerd.io/idle"),
    )


def retries(found: Annotations, *, grpc: bool = False) -> Retries | None:
    """``retry.linkerd.io/…``; None if nothing of it is said.

    A limit or timeout of 0 counts as not given, and the limit is 1 where something else is (measured). Without
    conditions no status is retried, only what the caller's own proxy fails with: a try that exceeds its timeout, a
    stream that was refused. A reset or refused connection of the callee's application arrives as 502 from the callee's
    proxy, and so is retried where 502 is (measured).

    Args:
        found: the annotations.
        grpc: whether they are of a GRPCRoute, which has conditions of its own and no others.

    Raises:
        Unreadable: one of them does not parse; a space in the list is enough.
    """
    limit = _limit(found)
    timeout = _duration(found, "retry.linkerd.io/timeout") or None
    name = "retry.linkerd.io/grpc" if grpc else "retry.linkerd.io/http"
    if limit is None and timeout is None and name not in found:
        return None
    conditions: set[str] = {"refused-stream"}
    statuses: set[int] = set()
    if grpc:
        conditions |= _codes(found.get(name), name)
    elif name in found:
        words, statuses = _statuses(found[name], name)
        conditions |= words
        if 502 in statuses.union(*(_ERRORS[word] for word in words)):
            conditions |= {"reset", "connect-failure"}
    return Retries(limit or 1, frozenset(conditions), frozenset(statuses), timeout)


def _limit(found: Annotations) -> int | None:
    name = "retry.linkerd.io/limit"
    if name not in found:
        return None
    if not re.fullmatch(r"\+?[0-9]+", found[name]) or int(found[name]) > 65_535:
        raise Unreadable(name, found[name])
    return int(found[name]) or None


def _statuses(value: str, name: str) -> tuple[set[str], set[int]]:
    words: set[str] = set()
    statuses: set[int] = set()
    for one in value.split(","):
        first, dash, last = one.partition("-")
        if one.lower() in _ERRORS:
            words.add(one.lower())
        elif _is_status(first) and not dash:
            statuses.add(int(first))
        elif _is_status(first) and _is_status(last) and int(first) <= int(last):
            statuses |= set(range(int(first), int(last) + 1))
        else:
            raise Unreadable(name, value)
    return words, statuses


def _is_status(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 100 <= int(text) < 600


def _codes(value: str | None, name: str) -> frozenset[str]:
    if value is None:
        return frozenset()
    codes = frozenset(one.lower() for one in value.split(","))
    if not codes <= _GRPC_CODES:
        raise Unreadable(name, value)
    return codes


def breaker(found: Annotations, where: str, *, unified: bool) -> Breaker | None:
    """``balancer.linkerd.io/failure-accrual…`` of the Service that is called.

    Args:
        found: its annotations.
        where: what the Service is called in an answer.
        unified: whether the mesh knows that mode (2.20).

    Raises:
        Unreadable: the mesh drops the whole breaker.
        NotModelled: it counts something that an answer has no word for.
    """
    mode = found.get(ACCRUAL)
    if mode is None:
        return None
    if mode != "consecutive" and not (unified and mode == "unified"):
        raise Unreadable(ACCRUAL, mode)
    failures, least = _consecutive(found)
    if mode == "unified":
        raise NotModelled(f"{where} {ACCRUAL}", "unified accrual counts rates of success, which is not modelled")
    if not failures:
        return None
    return Breaker(consecutive_5xx=failures, base_ejection_time=least)


def _consecutive(found: Annotations) -> tuple[int, int]:
    """How many failures, and the shortest penalty in milliseconds. Raises Unreadable."""
    prefix = f"{ACCRUAL}-consecutive-"
    failures = found.get(f"{prefix}max-failures", "7").strip()
    if not re.fullmatch(r"\+?[0-9]+", failures) or int(failures) >= 2**32:
        raise Unreadable(f"{prefix}max-failures", failures)
    least, most = _duration(found, f"{prefix}min-penalty"), _duration(found, f"{prefix}max-penalty")
    least, most = 1000 if least is None else least, 60_000 if most is None else most
    if least > most or most == 0:
        raise Unreadable(f"{prefix}max-penalty", found.get(f"{prefix}max-penalty", ""))
    jitter = found.get(f"{prefix}jitter-ratio", "0.5").strip()
    try:
        fits = 0 <= float(jitter) <= 100
    except ValueError:
        fits = False
    if not fits:
        raise Unreadable(f"{prefix}jitter-ratio", jitter)
    return int(failures), least


def is_opaque(value: str, port: int | str, where: str) -> bool:
    """Whether a list of opaque ports has a port; the list of an annotation replaces the mesh's own.

    Args:
        value: of the annotation, or of the mesh.
        port: number, or name of a container port.
        where: it stands.

    Raises:
        NotModelled: the list has names, and whether they are the port is not known.
    """
    names = False
    for one in filter(None, (part.strip() for part in value.split(","))):
        found = _PORTS.fullmatch(one)
        if found is None:
            if one == port:
                return True
            names = True
        elif isinstance(port, int) and int(found[1]) <= port <= int(found[2] or found[1]):
            return True
        elif isinstance(port, str):
            names = True
    if names:
        raise NotModelled(f"{where} {OPAQUE_PORTS}", f"it is not known whether port {port} is among {value}")
    return False
