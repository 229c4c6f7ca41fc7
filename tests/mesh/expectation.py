"""What a request is expected to meet, and whether that is what it met.

This is the seam between what ought to happen and what does: whoever derives expectations knows nothing of pods and
proxies, and what sends requests knows nothing of policies. Shares are judged by counting: a share that is as expected
fails its test once in a million runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.mesh.client import Got
from tests.mesh.echo import Try

CHANCE = 1e-6
"""How improbable a count must be to be a disagreement."""
EARLY, LATE = 0.05, 1.0
"""Seconds that an answer may come before and after its time: proxies count in milliseconds, the machine may be busy."""
FAILING: Mapping[str, Any] = {"status": 503}


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        caller: (namespace, account) in the mesh; None for somebody outside, without a sidecar.
        service: ``"namespace/name"``.
        port: of the Service.
        method: empty for a connection of bytes.
        path: with its query, as it is put on the wire.
        by_name: whether the Service's name is called, or the address of one of its pods.
        trust_domain: of the caller, where it is another than that of the mesh.
    """

    caller: tuple[str, str] | None
    service: str
    port: int
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = True
    trust_domain: str = ""

    @property
    def sender(self) -> tuple[str, str] | None:
        """The pod that sends it: whoever is of another trust domain has none, and speaks mTLS itself."""
        return None if self.trust_domain else self.caller

    def __str__(self) -> str:
        who = "/".join(self.caller) if self.caller else "outside the mesh"
        who += f" of {self.trust_domain}" if self.trust_domain else ""
        headers = "".join(f" {name}: {value}," for name, value in self.headers.items())
        how = "" if self.by_name else ", by a pod's address"
        return f"{who} → {self.service}:{self.port} {self.method or 'bytes'} {self.path}{headers}{how}"


@dataclass(frozen=True)
class Expectation:
    """What ought to become of a request. What is None, or empty, is not judged.

    Attributes:
        allowed: whether it may reach the service at all; if not, nothing else is judged than that it does not.
        shares: who answers, in percent: a version (empty for the pods of a service without versions), or a status in
            digits where no application answers (a redirect, an injected failure).
        tries: how often a request is tried that fails each time as ``failure`` says (:mod:`tests.mesh.echo`).
        deadline: after how many seconds a request is answered with 504 whose application is silent.
        sees: what the application sees: ``:path`` and headers; None for a header that is not there.
        answer: headers of the answer, in the same way.
        copied: percentage of which a copy goes to ``copied_to`` (``"namespace/name"``, version or empty).
        delayed: percentage that takes at least ``delay`` seconds.
    """

    asked: Asked
    allowed: bool
    shares: Mapping[str, Fraction] = field(default_factory=dict)
    tries: int | None = None
    failure: Mapping[str, Any] = field(default_factory=lambda: FAILING)
    deadline: float | None = None
    sees: Mapping[str, str | None] = field(default_factory=dict)
    answer: Mapping[str, str | None] = field(default_factory=dict)
    copied: Fraction | None = None
    copied_to: tuple[str, str] = ("", "")
    delayed: Fraction | None = None
    delay: float = 0


def is_improbable(count: int, of: int, percent: Fraction) -> bool:
    """Whether so many, or fewer, or more, would come about less than once in a million times."""
    if percent in (0, 100):
        return count != of * percent / 100
    share = float(percent / 100)

    def probability(k: int) -> float:
        ways = math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        return math.exp(ways + k * math.log(share) + (of - k) * math.log1p(-share))

    fewer = math.fsum(probability(k) for k in range(count + 1))
    more = math.fsum(probability(k) for k in range(count, of + 1))
    return min(fewer, more) < CHANCE / 2


def refusal(expected: Expectation, got: Got, reached: Sequence[Try]) -> str | None:
    """What is wrong about whether it was let through; None if nothing is. ``reached``: its tries at the service."""
    if not expected.allowed:
        # 403 says so; a connection that is cut off shows as such, or as 503 of the caller's own proxy.
        refused = (got.status in (403, 503, 0) or str(got.status) in expected.shares) and not reached
        return None if refused else f"allowed: {got.status}, reached {len(reached)} times"
    if got.status == 403 and not reached and "403" not in expected.shares:
        return f"refused: {got.body[:80]}"
    if got.status == 0:
        return f"no answer: {got.error}"
    return None


def difference(expected: Expectation, got: Got, reached: Sequence[Try]) -> str | None:
    """What is wrong about what the application saw and the caller got; None if nothing is."""
    if reached:
        seen = {**reached[-1].headers, ":path": reached[-1].path}
        for name, value in expected.sees.items():
            if seen.get(name) != value:
                return f"the application saw {name} {seen.get(name)!r}, not {value!r}"
    for name, value in expected.answer.items():
        if got.headers.get(name) != value:
            return f"the caller got {name} {got.headers.get(name)!r}, not {value!r}"
    return None


def wrong_tries(expected: Expectation, got: Got, reached: Sequence[Try]) -> str | None:
    """What is wrong about how often a failing request was tried."""
    count = len(reached)
    return None if count == expected.tries else f"tried {count} times, not {expected.tries} ({got.status})"


def wrong_deadline(expected: Expectation, got: Got) -> str | None:
    """What is wrong about when a request was given up whose application is silent."""
    assert expected.deadline is not None
    in_time = expected.deadline - EARLY <= got.seconds <= expected.deadline + LATE
    if got.status == 504 and in_time:
        return None
    return f"{got.status} after {got.seconds:.2f} s, not 504 after {expected.deadline:g} s"


def wrong_share(what: str, counts: Mapping[str, int], shares: Mapping[str, Fraction]) -> Sequence[str]:
    """What is wrong about how often each of several things happened."""
    of = sum(counts.values())
    total = sum(shares.values())
    found = [
        f"{what}: {name or 'a pod'} {n} times of {of}, expected never"
        for name, n in counts.items()
        if name not in shares
    ]
    for name, percent in shares.items():
        if is_improbable(counts.get(name, 0), of, percent * 100 / total):
            found.append(
                f"{what}: {name or 'a pod'} {counts.get(name, 0)} times of {of}, expected {float(percent):g} %"
            )
    return found
