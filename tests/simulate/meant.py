"""Policies asked everywhere: what the plan means, and what each mesh does with the manifests that are emitted for it.

A test of a sentence of ``docs/semantics.md`` says once what ought to come out; here it is asked of all, and a mesh that
cannot do it must refuse it by the code that the test names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

import meshdsl
from meshdsl import Mesh, Namespace, Port, Probe, Service
from meshdsl.compiler import meaning, meant_for
from meshdsl.simulate.agree import readings_of
from meshdsl.simulate.allowances import expected
from meshdsl.simulate.attempts import tries
from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.words import Answer, Caller, LeftToMesh, Reading, Request, Retries, Traffic, Verdict
from meshdsl.targets.base import Target
from tests.simulate.differential import ACCEPT

T = TypeVar("T")

MESHES: Mapping[str, Target] = {
    "istio": meshdsl.Istio(accept=ACCEPT),
    "ambient": meshdsl.Ambient(gateway_api_channel="experimental", default_retries="off", accept=ACCEPT),
    "linkerd": meshdsl.Linkerd(accept=ACCEPT),
}
MESH, PROD, FRONT = Mesh(), Namespace("prod"), Namespace("front")
WEB = Service("web", FRONT, port=80)
JOB = Service("job", PROD, port=80)
API = Service(
    "api", PROD, port=8080, target_port=9000, versions=("v1", "v2"), replicas=4, probes=(Probe("/healthz", port=9000),)
)
MANY = Service(
    "many",
    PROD,
    ports=(
        Port(80, name="a", target=8080),
        Port(81, name="b", target=8081),
        Port(99, name="db", protocol="tcp"),
    ),
    probes=(),
)
WEBS, JOBS, ELSEWHERE = Caller("front", "web"), Caller("prod", "job"), Caller("front", "web", "else.example")


def get(path: str = "/", caller: Caller = WEBS, method: str = "GET", **more: Any) -> Request:
    """A request to api."""
    return Request(caller, "prod/api", 8080, method, path, **more)


def many(port: int, method: str = "GET", path: str = "/", caller: Caller = WEBS) -> Request:
    """A request to one port of many; a connection if the method is empty."""
    return Request(caller, "prod/many", port, method, path if method else "")


def codes(target: Target, *objects: Any) -> str:
    """The codes by which policies are refused on a target, with spaces between; empty if they are not."""
    try:
        meshdsl.build(meshdsl.PolicySet(objects), target)
    except meshdsl.CompileError as error:
        return " ".join(sorted({one.code for one in error.diagnostics if one.severity == "error"}))
    return ""


def codes_everywhere(*objects: Any) -> set[str]:
    """The codes of all meshes: one where they agree."""
    return {codes(target, *objects) for target in MESHES.values()}


class Meant:
    """Policies, ready to be asked.

    Args:
        objects: api, web and the policies; what is not given is not there.
        refused: the codes of each mesh that refuses them, with spaces between.
    """

    def __init__(self, *objects: Any, **refused: str) -> None:
        self._readings: dict[str, tuple[Reading, ...]] = {}
        for name, target in MESHES.items():
            assert codes(target, *objects) == refused.get(name, ""), name
            plan = meaning(meant_for(objects, target), name)
            self._readings[f"what is meant on {name}"] = (PlanReading(plan),)
            if name not in refused:
                bundle = meshdsl.build(objects, target)
                self._readings[name] = readings_of(bundle, Inventory.of_plan(plan))

    def one(self, request: Request, view: Callable[[Answer], T], *, on: str = "") -> T:
        """What all say of a request, or those of one mesh: it must be one thing.

        Args:
            request: that is asked.
            view: what is looked at.
            on: a mesh; the plan is asked as well.
        """
        found = {
            name: view(self._known(reading.answer(request), name))
            for name, readings in self._readings.items()
            if name.endswith(on)
            for reading in readings
        }
        first = next(iter(found.values()))
        assert all(other == first for other in found.values()), found
        return first

    def _known(self, answer: Answer, name: str) -> Answer:
        assert answer.verdict is not Verdict.UNKNOWN, f"{name}: {answer.unknown}"
        return answer

    def of(self, mesh: str) -> tuple[Reading, ...]:
        """The readings of one mesh alone, for what it does in a way of its own."""
        return self._readings[mesh]

    def allows(self, request: Request, on: str = "") -> bool:
        """Whether the request is let in."""
        return self.one(request, lambda answer: answer.allowed, on=on)

    def part(self, request: Request, name: str, on: str = "") -> Any:
        """One field of what the caller's side does."""
        return self.one(request, lambda answer: getattr(_traffic(answer), name), on=on)

    def timeout(self, request: Request, on: str = "") -> int | None:
        """The deadline, in milliseconds."""
        found: int | None = self.part(request, "timeout", on)
        return found

    def tries(self, request: Request, on: str = "") -> int | None:
        """How often it is tried at most; None where that is left to the mesh."""
        return self.one(request, lambda answer: tries(_traffic(answer)), on=on)

    def versions(self, request: Request, on: str = "") -> dict[str, Fraction]:
        """The share of each version."""
        found = self.part(request, "backends", on)
        return {dict(one.labels).get("version", ""): share for one, share in found}

    def is_left_alone(self, request: Request) -> bool:
        """Whether no side does anything about requests of this kind."""
        return self.one(request, lambda answer: answer.traffic is None)

    def retries(self, request: Request, mesh: str) -> Retries | LeftToMesh | None:
        """How a mesh tries again; the plan must mean it, as far as the notes of that mesh go."""
        meant = expected(_traffic(self._readings[f"what is meant on {mesh}"][0].answer(request)), MESHES[mesh].name)
        for reading in self._readings[mesh]:
            assert _traffic(reading.answer(request)).retry == meant.retry
        return meant.retry


def _traffic(answer: Answer) -> Traffic:
    assert answer.traffic is not None, answer
    return answer.traffic
