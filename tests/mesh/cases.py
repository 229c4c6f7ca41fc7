"""Cases on a real mesh: for each, its inventory, its manifests, requests, and what became of them.

:func:`run_cases` is given the function that says what ought to happen; it knows nothing of policies itself.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tests.live.api import Body, accepted
from tests.live.emitted import Build, plain, prepare
from tests.mesh import expectation
from tests.mesh.client import Got, Sent
from tests.mesh.expectation import Asked, Expectation
from tests.mesh.inventory import OUTSIDE, Furnished, Inventory
from tests.mesh.world import World

_SAMPLE = 400
"""Requests by which a share is judged, at least."""
_SILENT = 1.5
"""Seconds that a silent application is silent beyond the deadline."""
Expect = Callable[[Build], Iterable[Expectation]]


@dataclass
class Report:
    """What was found; ``counts`` has how many cases ran, requests were sent, and things were judged."""

    disagreements: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {what}" for what, number in sorted(self.counts.items()))
        slowest = sorted(self.seconds.items(), key=lambda pair: -pair[1])[:3]
        slow = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest)
        return f"{counts}; {sum(self.seconds.values()):.0f} s, slowest: {slow}; {len(self.left_out)} left out"


def run_cases(world: World, inventory: Inventory, builds: Iterable[Build], expect: Expect) -> Report:
    """Apply what each case emits, send its requests, and hold what happens against what is expected.

    Args:
        world: a mesh with the settings that the cases are compiled for.
        inventory: what is in it.
        builds: the cases, compiled for Istio.
        expect: what ought to happen in a case; its requests are those that are sent.
    """
    report = Report()
    stage = Stage(world, inventory)
    for build in builds:
        began = time.monotonic()
        expected = list(expect(build))
        callers = {one.asked.caller for one in expected if one.asked.caller is not None}
        furnished = stage.set(build, callers)
        expected = [one for one in expected if _can_be_sent(furnished, one.asked, report)]
        found = _Run(world, furnished, report).judge(expected)
        report.disagreements += [f"{build}: {line}" for line in found]
        report.counts["cases"] += 1
        report.seconds[str(build)] = time.monotonic() - began
    stage.clear()
    return report


class Stage:
    """One mesh that shows one case after the other."""

    def __init__(self, world: World, inventory: Inventory) -> None:
        self._world, self._inventory = world, inventory
        self._bodies: list[Body] = []

    def set(self, build: Build, callers: Iterable[tuple[str, str]]) -> Furnished:
        """Show a case: its inventory, then its manifests in their order."""
        furnished = self._inventory.furnish(build.bundle.plan, callers)
        self._world.namespaces(build.namespaces)
        prepare(self._world.api, [build])
        bodies = [plain(manifest) for manifest in build.bundle.manifests]
        kept = {_key(body) for body in bodies}
        gone = [body for body in self._bodies if _key(body) not in kept]
        namespaces = [_without_fields(body) for body in gone if body["kind"] == "Namespace"]
        accepted(self._world.api.apply(body) for body in namespaces)
        self._world.apply(bodies, delete=[body for body in gone if body["kind"] != "Namespace"])
        self._bodies = bodies
        return furnished

    def clear(self) -> None:
        """Take the last case away."""
        namespaces = [_without_fields(body) for body in self._bodies if body["kind"] == "Namespace"]
        accepted(self._world.api.apply(body) for body in namespaces)
        self._world.apply([], delete=[body for body in self._bodies if body["kind"] != "Namespace"])
        self._bodies = []


def sent(world: World, furnished: Furnished, asked: Asked, told: dict[str, object] | None = None) -> Sent:
    """A request as it is put on the wire. A caller without a sidecar takes a pod's address, as kube-proxy would."""
    service = furnished.service(asked.service)
    host = f"{service.name}.{service.namespace}.svc.{world.settings.cluster_domain}"
    address = (furnished.addresses[asked.service], asked.port)
    if not asked.by_name or asked.caller is None:
        address = (furnished.other(asked.service, asked.caller).net.ip, furnished.target(asked.service, asked.port))
    named = host if asked.by_name else address[0]
    return Sent(
        address,
        named if address[1] == 80 else f"{named}:{asked.port if asked.by_name else address[1]}",
        asked.method or "GET",
        asked.path,
        asked.headers,
        told or {},
        alone=not asked.method,
    )


class _Run:
    """The requests of one case."""

    def __init__(self, world: World, furnished: Furnished, report: Report) -> None:
        self._world, self._furnished, self._report = world, furnished, report

    def judge(self, expected: Sequence[Expectation]) -> list[str]:
        """Everything that is wrong."""
        return [
            *self._answers(expected),
            *self._shares([one for one in expected if one.allowed]),
            *self._deadlines([one for one in expected if one.allowed and one.deadline is not None]),
            *self._tries([one for one in expected if one.allowed and one.tries is not None]),
        ]

    def _answers(self, expected: Sequence[Expectation]) -> Iterable[str]:
        for one, got in self._send(expected):
            self._report.counts["answers"] += 1
            wrong = expectation.refusal(one, got) or (expectation.difference(one, got) if one.allowed else None)
            if wrong is None and one.allowed and one.shares and self._who(got) not in one.shares:
                wrong = f"answered by {self._who(got) or 'a pod'}, expected {', '.join(one.shares) or 'a pod'}"
            if wrong:
                yield f"{one.asked}: {wrong}"

    def _shares(self, expected: Sequence[Expectation]) -> Iterable[str]:
        """Requests with the same shares are counted together; each is sent until there are enough."""
        pools: dict[tuple[object, ...], list[Expectation]] = defaultdict(list)
        for one in expected:
            if len(one.shares) > 1 or one.copied is not None or one.delayed is not None:
                shares = tuple(sorted(one.shares.items()))
                pools[one.asked.service, one.asked.port, shares, one.copied, one.copied_to, one.delayed].append(one)
        for pool in pools.values():
            times = -(-_SAMPLE // len(pool))
            pairs = list(self._send([one for one in pool for _ in range(times)]))
            first = pool[0]
            what = f"{first.asked.service}:{first.asked.port}, e.g. {first.asked}"
            self._report.counts["shares"] += 1
            if len(first.shares) > 1:
                counts = Counter(self._who(got) for _, got in pairs)
                yield from expectation.wrong_share(what, counts, first.shares)
            if first.copied is not None:
                time.sleep(0.3)  # nobody waits for a copy
                copies = [self._copied(first, got) for _, got in pairs]
                yield from expectation.wrong_share(what, _yes(copies, "copied"), _share(first.copied, "copied"))
            if first.delayed is not None:
                late = [got.seconds >= first.delay for _, got in pairs]
                yield from expectation.wrong_share(what, _yes(late, "delayed"), _share(first.delayed, "delayed"))

    def _deadlines(self, expected: Sequence[Expectation]) -> Iterable[str]:
        longest = max((one.deadline or 0 for one in expected), default=0) + _SILENT
        for one, got in self._send(expected, told={"sleep": longest}, threads=48):
            self._report.counts["deadlines"] += 1
            wrong = expectation.wrong_deadline(one, got)
            if wrong:
                yield f"{one.asked}, the application silent: {wrong}"

    def _tries(self, expected: Sequence[Expectation]) -> Iterable[str]:
        for one in expected:
            breaker = self._furnished.service(one.asked.service).breaker
            outlier = breaker.outlier if breaker else None
            limits = [outlier.consecutive_5xx, outlier.consecutive_gateway_errors] if outlier else []
            if any(limit is not None and limit <= (one.tries or 0) for limit in limits):
                self._report.left_out.append(f"{one.asked}: its tries would trip the breaker")
        left = {line.partition(": its tries")[0] for line in self._report.left_out}
        kept = [one for one in expected if str(one.asked) not in left]
        guarded = [one for one in kept if self._furnished.service(one.asked.service).breaker]
        pairs = list(self._send([one for one in kept if one not in guarded], failing=True))
        for one in guarded:
            pairs += self._send([one], failing=True)
            self._heal(one, pairs[-1][1])
        for one, got in pairs:
            self._report.counts["tries"] += 1
            wrong = expectation.wrong_tries(one, got)
            if wrong:
                yield f"{one.asked}, the application answers {dict(one.failure)}: {wrong}"

    def _heal(self, one: Expectation, got: Got) -> None:
        """Let each pod that failed answer well, so that no failures in a row add up."""
        failed = {each.pod for each in got.tries}
        for _ in range(100):
            if not failed:
                return
            failed -= {again.pod for _, again in self._send([one])}

    def _send(
        self,
        expected: Sequence[Expectation],
        *,
        told: dict[str, object] | None = None,
        failing: bool = False,
        threads: int = 6,
    ) -> Iterable[tuple[Expectation, Got]]:
        """Send requests, those of a caller from its pod."""
        by_caller: dict[tuple[str, str], list[Expectation]] = defaultdict(list)
        for one in expected:
            by_caller[one.asked.caller or OUTSIDE].append(one)
        self._report.counts["requests"] += len(expected)
        for caller, mine in by_caller.items():
            client = self._world.client(self._furnished.callers[caller])
            wire = [
                sent(self._world, self._furnished, one.asked, dict(one.failure) if failing else told) for one in mine
            ]
            yield from zip(mine, client.batch(wire, threads=threads), strict=True)

    def _who(self, got: Got) -> str:
        return self._furnished.version(got.pod) if got.pod else str(got.status)

    def _copied(self, one: Expectation, got: Got) -> bool:
        service, version = one.copied_to
        pods = {pod.name for pod in self._furnished.behind(service)}
        tries = self._world.echo.tries(got.request_id)
        return any(
            expectation.is_copy(each.headers)
            and each.pod in pods
            and version in ("", self._furnished.version(each.pod))
            for each in tries
        )


def _can_be_sent(furnished: Furnished, asked: Asked, report: Report) -> bool:
    """Whether the mesh sees it at all: what a pod sends to its own address does not leave it."""
    if asked.by_name or asked.caller is None or furnished.other(asked.service, asked.caller) is not None:
        return True
    report.left_out.append(f"{asked}: its own address")
    return False


def _yes(found: Sequence[bool], name: str) -> Counter[str]:
    return Counter(name if one else "not" for one in found)


def _share(percent: Fraction, name: str) -> dict[str, Fraction]:
    return {name: percent, "not": 100 - percent}


def _key(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _without_fields(body: Body) -> Body:
    """What takes our fields away from an object that is not ours."""
    metadata = {key: value for key, value in body["metadata"].items() if key in ("name", "namespace")}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata}
