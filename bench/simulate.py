"""How long a trace takes once the policies are loaded, and the agreement of an example, in seconds of processor.

``python -m bench.simulate``. A trace reads the plan, or the manifests of a target, anew for each question, as the
command does; the agreement asks the plan and the manifests of each target every request that can tell them apart.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

from meshdsl.compiler import Bundle, build
from meshdsl.config import read_config
from meshdsl.loading.load import load
from meshdsl.simulate.agree import agree
from meshdsl.simulate.ask import question
from meshdsl.simulate.trace import trace, trace_objects

BOUTIQUE = Path(__file__).resolve().parents[1] / "examples" / "boutique"
GOAL_TRACE, GOAL_AGREE = 0.005, 5.0
TRACES = 50


def bundles() -> list[Bundle]:
    """The example on every one of its clusters."""
    clusters = read_config(BOUTIQUE / "meshdsl.toml").clusters.values()
    return [build(load(BOUTIQUE / "policies", environment=one.environment), one.target) for one in clusters]


def main() -> None:
    """Print the rows."""
    built = bundles()
    first = built[0]
    asked = question(
        first.plan, "window/frontend", "window/productcatalogservice", "POST", "/hipstershop.ProductCatalogService/List"
    )
    _row("a trace of the policies", _seconds(lambda: trace(first, asked), TRACES), GOAL_TRACE)
    for bundle in built:
        title = f"{bundle.target.title} {bundle.target.version}"
        _row(
            f"a trace of the manifests, {title}", _seconds(lambda one=bundle: trace_objects(one, asked), 5), GOAL_TRACE
        )
    for bundle in built:
        found = agree(bundle)
        seconds = _seconds(lambda one=bundle: agree(one), 1)
        title = f"{bundle.target.title} {bundle.target.version}"
        _row(f"agreement, {title}, {found.requests} requests", seconds, GOAL_AGREE)


def _seconds(work: object, times: int) -> float:
    assert callable(work)
    work()
    started = process_time()
    for _ in range(times):
        work()
    return (process_time() - started) / times


def _row(title: str, seconds: float, goal: float) -> None:
    print(f"boutique: {title:<58}{seconds:9.5f} s, goal {goal} s{'' if seconds <= goal else '  missed'}", flush=True)


if __name__ == "__main__":
    main()
