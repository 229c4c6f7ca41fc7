"""How long access takes, in seconds of processor: reading two models of a mesh, telling them apart, and answering.

Each service has 20 rules. The plan is compared with the objects that it became on Istio, in which one service of ten
has lost a rule; the worst case, in which every service differs in one rule, is beside it. ``python -m bench.access``.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from time import process_time
from typing import Any

from meshdsl import access as access_of
from meshdsl.compare import access
from meshdsl.diagnostics import Origin
from meshdsl.plan.intent import Mesh as MeshIntent
from meshdsl.plan.intent import Namespace, Plan, Port, Protocol, Service
from meshdsl.plan.requests import Path, PathKind
from meshdsl.plan.rights import Access, Account, Allow, Callers
from meshdsl.plan.source import Source
from meshdsl.targets.istio import Istio
from meshdsl.targets.istio.authorization_policy import allow_policy

SIZES = (100, 1_000, 5_000)
RULES = 20
METHODS = ("GET", "POST", "PUT", "DELETE")


def plan_of(size: int, *, every: int = 0) -> Plan:
    """A plan of many services, 20 rules each; every so many services, one rule is missing."""
    services = tuple(_service(index, without=bool(every) and index % every == 0) for index in range(size))
    namespaces = tuple(Namespace(f"ns{index:04}") for index in range((size + 19) // 20))
    return Plan("bench", MeshIntent(), namespaces, services)


def _service(index: int, *, without: bool) -> Service:
    allow = tuple(_allow(index, number) for number in range(RULES - without))
    port = Port(80, "http", Protocol.HTTP, 8080)
    name = f"s{index:05}"
    return Service(
        f"ns{index // 20:04}", name, name, (("app", name),), (port,), access=Access(closed=True, allow=allow)
    )


def _allow(index: int, number: int) -> Allow:
    callers = (Account(f"ns{(index * 7 + number) % 50:04}", f"s{(index + number * 13) % 1000:05}"),)
    kind = PathKind.PREFIX if number % 3 else PathKind.EXACT
    path = Path(kind, f"/v{number % 4}/things{number}" if number % 2 else f"/v{number % 4}")
    source = Source(Origin("mesh.py", index * RULES + number + 1, "Allow"))
    return Allow(Callers(callers), methods=METHODS[: number % 4 + 1], paths=(path,), source=source)


def objects_of(plan: Plan) -> list[Any]:
    """The AuthorizationPolicies of a plan on Istio."""
    target = Istio()
    return [allow_policy(service, target, plan).body for service in plan.services]


def timings(size: int) -> Iterator[tuple[str, float, int]]:
    """What is done, how many seconds it takes, and how many rows came out."""
    plan, fewer = plan_of(size), plan_of(size, every=10)
    objects = objects_of(fewer)
    gc.collect()
    gc.freeze()  # what is compared was there before
    started = process_time()
    after = access.of_plan(plan)
    yield "read the plan", process_time() - started, 0
    started = process_time()
    before = access.of_objects(objects, Istio(), plan)
    yield "read the objects", process_time() - started, 0
    started = process_time()
    found = access.changes(before, after)
    yield "tell them apart, one service of ten differs", process_time() - started, len(found)
    other = access.of_plan(replace(plan, services=plan_of(size, every=1).services))
    started = process_time()
    found = access.changes(other, after)
    yield "tell them apart, every service differs", process_time() - started, len(found)
    started = process_time()
    matrix = access_of(plan).matrix("service")
    yield "the matrix of the plan, by service", process_time() - started, len(matrix.services)
    started = process_time()
    matrix = access_of(plan).matrix("namespace")
    yield "the matrix of the plan, by namespace", process_time() - started, len(matrix.services)
    started = process_time()
    answer = access_of(plan).caller(str(plan.services[0]))
    yield "what one service can call", process_time() - started, len(answer.rows)


def main() -> None:
    """Print the table."""
    before: dict[str, float] = {}
    for size in SIZES:
        print(f"{size} services, {size * RULES} rules")
        for what, seconds, rows in timings(size):
            growth = f", {seconds / before[what]:.1f} times as long" if what in before else ""
            print(f"  {what:45} {seconds:7.3f} s{growth}{f', {rows} rows' if rows else ''}")
            before[what] = seconds


if __name__ == "__main__":
    main()
