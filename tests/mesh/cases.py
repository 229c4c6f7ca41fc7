"""Cases on a real mesh: for each, its inventory, its manifests, requests, and what became of them.

:func:`run_cases` is given the function that says what ought to happen; it knows nothing of policies itself.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction

from tests.live.api import Body, accepted
from tests.live.emitted import Build, plain, prepare
from tests.mesh import expectation
from tests.mesh.client import Got, Sent
from tests.mesh.echo import Try
from tests.mesh.expectation import Asked, Expectation
from tests.mesh.inventory import OUTSIDE, Furnished, Inventory
from tests.mesh.world import World

_SAMPLE, _ALL_OR_NOTHING = 400, 40
"""Requests by which a share is judged, at least; where it is all or nothing, a few will do."""
_FAST, _SLOW = 6, 48
"""Threads that send requests which are answered at once, and those that mostly wait."""
_SILENT = 1.5
"""Seconds that a silent application is silent beyond the deadline."""
REPORT = "what was sent"
"""What the data of a report is called among the properties of a test."""
Expect = Callable[[Build, Counter[str]], Iterable[Expectation]]
"""What ought to happen in a case; it counts what it leaves out."""


@dataclass
class Report:
    """What was found.

    Attributes:
        disagreements: what happened otherwise than expected.
        analysis: what Istio's webhook warns of, and its analyzer says.
        not_sent: how many requests were not sent, or not judged in some way, and why.
        counts: how many cases ran, requests were sent, and things were judged.
        seconds: that each case took.
        phases: seconds that each kind of work took.
    """

    disagreements: list[str] = field(default_factory=list)
    analysis: list[str] = field(default_factory=list)
    not_sent: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    phases: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def spent(self, on: str, since: float) -> float:
        """Note how long something took; the time now."""
        now = time.monotonic()
        self.phases[on] += now - since
        return now

    def data(self) -> dict[str, dict[str, float]]:
        """Its numbers, for :meth:`add` in another process."""
        return {name: dict(getattr(self, name)) for name in ("not_sent", "counts", "seconds", "phases")}

    def add(self, other: Mapping[str, Mapping[str, float]]) -> None:
        """Add the numbers of another one."""
        for name, numbers in other.items():
            mine = getattr(self, name)
            for key, number in numbers.items():
                mine[key] = mine.get(key, 0) + number

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {what}" for what, number in sorted(self.counts.items()))
        slowest = sorted(self.seconds.items(), key=lambda pair: -pair[1])[:3]
        slow = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest)
        phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.phases.items())
        not_sent = "; ".join(f"{number} {why}" for why, number in sorted(self.not_sent.items()) if number)
        return f"{counts}\n{phases} (of all meshes together); slowest: {slow}\nnot sent: {not_sent or 'none'}"


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
        start = began = time.monotonic()
        expected = list(expect(build, report.not_sent))
        began = report.spent("asking", began)
        callers = {one.asked.sender for one in expected if one.asked.sender is not None}
        said: list[str] = []
        furnished = stage.set(build, callers, lambda: said.extend(world.analyze(build.namespaces)))  # noqa: B023 -- at once
        report.spent("applying", began)
        report.analysis += [f"{build}: {line}" for line in (*world.warnings, *said)]
        world.warnings.clear()
        expected = [one for one in expected if _can_be_sent(furnished, one.asked, report)]
        found = _Run(world, furnished, report).judge(expected)
        report.disagreements += [f"{build}: {line}" for line in found]
        report.counts["cases"] += 1
        report.seconds[str(build)] = time.monotonic() - start
    stage.clear()
    return report


class Stage:
    """One mesh that shows one case after the other."""

    def __init__(self, world: World, inventory: Inventory) -> None:
        self._world, self._inventory = world, inventory
        self._bodies: list[Body] = []

    def set(
        self, build: Build, callers: Iterable[tuple[str, str]], meanwhile: Callable[[], None] = lambda: None
    ) -> Furnished:
        """Show a case: its inventory, then its manifests in their order; while proxies change over, do something."""
        furnished = self._inventory.furnish(build.bundle.plan, callers)
        self._world.namespaces(build.namespaces)
        prepare(self._world.api, [build])
        bodies = [plain(manifest) for manifest in build.bundle.manifests]
        kept = {_key(body) for body in bodies}
        gone = [body for body in self._bodies if _key(body) not in kept]
        namespaces = [_without_fields(body) for body in gone if body["kind"] == "Namespace"]
        accepted(self._world.api.apply(body) for body in namespaces)
        kept_out = [body for body in gone if body["kind"] != "Namespace"]
        self._world.apply(bodies, delete=kept_out, meanwhile=meanwhile)
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
    tls = None
    if asked.by_name and furnished.callers[asked.sender or OUTSIDE].kind.sidecar:
        address = (furnished.addresses[asked.service], asked.port)
    else:
        pod = furnished.other(asked.service, asked.sender)
        assert pod is not None, f"{asked}: its own address"
        address = (pod.net.ip, furnished.target(asked.service, asked.port))
        if asked.trust_domain and asked.caller and pod.kind.sidecar:  # without one, nobody speaks mTLS to it
            tls = world.identities.tls(*asked.caller, asked.trust_domain, http=bool(asked.method))
    named, port = (host, asked.port) if asked.by_name else address
    return Sent(
        address,
        named if port == 80 else f"{named}:{port}",
        asked.method or "GET",
        asked.path,
        asked.headers,
        told or {},
        alone=not asked.method,
        tls=tls,
    )


class _Run:
    """The requests of one case."""

    def __init__(self, world: World, furnished: Furnished, report: Report) -> None:
        self._world, self._furnished, self._report = world, furnished, report

    def judge(self, expected: Sequence[Expectation]) -> list[str]:
        """Everything that is wrong."""
        let_in = [one for one in expected if one.allowed]
        silent = [one for one in let_in if one.deadline is not None]
        guarded = [one for one in silent if self._furnished.service(one.asked.service).breaker]
        with ThreadPoolExecutor(1) as pool:  # most of that is waiting; but before a breaker it would take room
            waiting = pool.submit(lambda: list(self._deadlines([one for one in silent if one not in guarded])))
            found = [
                *self._timed("answers", self._answers(expected)),
                *self._timed("shares", self._shares(let_in)),
                *self._timed("tries", self._tries([one for one in let_in if one.tries is not None])),
            ]
            began = time.monotonic()
            found += waiting.result()
            self._report.spent("deadlines", began)
        return [*found, *self._timed("deadlines", self._deadlines(guarded))]

    def _timed(self, name: str, wrong: Iterable[str]) -> list[str]:
        began = time.monotonic()
        found = list(wrong)
        self._report.spent(name, began)
        return found

    def _answers(self, expected: Sequence[Expectation]) -> Iterable[str]:
        for one, got in self._send(expected, threads=_SLOW if any(one.delayed for one in expected) else _FAST):
            self._report.counts["answers"] += 1
            reached = self._reached(one, got)
            wrong = expectation.refusal(one, got, reached)
            if wrong is None and one.allowed:
                wrong = expectation.difference(one, got, reached)
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
            first = pool[0]
            certain = len(first.shares) < 2 and {first.copied, first.delayed} <= {None, 0, 100}
            times = -(-(_ALL_OR_NOTHING if certain else _SAMPLE) // len(pool))
            threads = _SLOW if first.delayed else _FAST
            pairs = list(self._send([one for one in pool for _ in range(times)], threads=threads))
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
                late = [got.seconds >= first.delay - expectation.EARLY for _, got in pairs]
                yield from expectation.wrong_share(what, _yes(late, "delayed"), _share(first.delayed, "delayed"))

    def _deadlines(self, expected: Sequence[Expectation]) -> Iterable[str]:
        time.sleep(max(self._furnished.settled - time.monotonic(), 0))
        longest = max((one.deadline or 0 for one in expected), default=0) + _SILENT
        for one, got in self._send(expected, told={"sleep": longest}, threads=_SLOW):
            self._report.counts["deadlines"] += 1
            wrong = expectation.wrong_deadline(one, got)
            if wrong:
                yield f"{one.asked}, the application silent: {wrong}"

    def _tries(self, expected: Sequence[Expectation]) -> Iterable[str]:
        kept = [one for one in expected if not self._would_trip(one)]
        self._report.not_sent["to an application that fails, since its tries would trip the breaker"] += len(
            expected
        ) - len(kept)
        guarded = [one for one in kept if self._furnished.service(one.asked.service).breaker]
        pairs = list(self._send([one for one in kept if one not in guarded], failing=True))
        for one in guarded:
            pairs += self._send([one], failing=True)
            self._heal(one, pairs[-1][1])
        for one, got in pairs:
            self._report.counts["tries"] += 1
            wrong = expectation.wrong_tries(one, got, self._reached(one, got))
            if wrong:
                yield f"{one.asked}, the application answers {dict(one.failure)}: {wrong}"

    def _would_trip(self, one: Expectation) -> bool:
        breaker = self._furnished.service(one.asked.service).breaker
        outlier = breaker.outlier if breaker else None
        limits = [outlier.consecutive_5xx, outlier.consecutive_gateway_errors] if outlier else []
        return any(limit is not None and limit <= (one.tries or 0) for limit in limits)

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
        threads: int = _FAST,
    ) -> Iterable[tuple[Expectation, Got]]:
        """Send requests, those of a caller from its pod."""
        by_caller: dict[tuple[str, str], list[Expectation]] = defaultdict(list)
        for one in expected:
            by_caller[one.asked.sender or OUTSIDE].append(one)
        self._report.counts["requests"] += len(expected)

        def ask(caller: tuple[str, str]) -> list[Got]:
            client = self._world.client(self._furnished.callers[caller])
            wire = [
                sent(self._world, self._furnished, one.asked, dict(one.failure) if failing else told)
                for one in by_caller[caller]
            ]
            return client.batch(wire, threads=threads)

        # Callers whose requests mostly wait do so at the same time.
        with ThreadPoolExecutor(len(by_caller) or 1 if threads == _SLOW else 1) as pool:
            for mine, got in zip(by_caller.values(), pool.map(ask, by_caller), strict=True):
                yield from zip(mine, got, strict=True)

    def _who(self, got: Got) -> str:
        return self._furnished.version(got.pod) if got.pod else str(got.status)

    def _reached(self, one: Expectation, got: Got) -> list[Try]:
        """The tries that reached the service, without copies."""
        pods = {pod.name for pod in self._furnished.behind(one.asked.service)}
        return [each for each in got.tries if each.pod in pods - self._copies_go_to(one)]

    def _copied(self, one: Expectation, got: Got) -> bool:
        """Whether a copy was made: something reached where copies go that did not answer."""
        at = [each.pod for each in self._world.echo.tries(got.request_id) if each.pod in self._copies_go_to(one)]
        return len(at) > (got.pod in at)

    def _copies_go_to(self, one: Expectation) -> set[str]:
        if one.copied is None:
            return set()
        service, version = one.copied_to
        pods = {pod.name for pod in self._furnished.behind(service)}
        return {name for name in pods if version in ("", self._furnished.version(name))}


def _can_be_sent(furnished: Furnished, asked: Asked, report: Report) -> bool:
    """Whether the mesh sees it at all: what a pod sends to its own address does not leave it."""
    if asked.by_name and asked.sender is not None and furnished.callers[asked.sender].kind.sidecar:
        return True
    if furnished.other(asked.service, asked.sender) is not None:
        return True
    report.not_sent["by a pod's address from the only such pod, which would not leave it"] += 1
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
