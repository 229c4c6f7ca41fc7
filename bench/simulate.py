"""How long a trace takes once the policies are loaded, and the agreement of an example, in seconds of processor.

``python -m bench.simulate``. The plan and the manifests are read once, which is a row of its own, and then asked about
another service each time. The agreement asks the plan and the manifests of each target every request that can tell them
apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from bench import generate
from meshdsl.compiler import Bundle, build
from meshdsl.config import read_config
from meshdsl.loading.load import load
from meshdsl.simulate.agree import agree
from meshdsl.simulate.ask import question
from meshdsl.simulate.trace import trace, trace_objects

BOUTIQUE = Path(__file__).resolve().parents[1] / "examples" / "boutique"
GOAL_TRACE, GOAL_AGREE = 0.005, 5.0
TRACES = 50
MANY, GOAL_FIRST = 1000, 1.0


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
    _row("a trace of the policies", _seconds(partial(trace, first, asked), TRACES), GOAL_TRACE)
    for bundle in built:
        title = f"{bundle.target.title} {bundle.target.version}"
        _row(f"a trace of the manifests, {title}", _seconds(partial(trace_objects, bundle, asked), 5), GOAL_TRACE)
    for target in ("istio", "ambient", "linkerd"):
        _many(target)
    for bundle in built:
        found = agree(bundle)
        seconds = _seconds(partial(agree, bundle), 1)
        title = f"{bundle.target.title} {bundle.target.version}"
        _row(f"agreement, {title}, {found.requests} requests", seconds, GOAL_AGREE)


def _many(target: str) -> None:
    """The rows of a thousand services with 20 namespaces, a canary and a rule of access each."""
    with TemporaryDirectory() as folder:
        project = generate.project(Path(folder) / "many", MANY, target)
        cluster = read_config(project / "meshdsl.toml").clusters[target]
        bundle = build(load(project / "policies", environment=cluster.environment), cluster.target)
    asked = [
        question(bundle.plan, f"team{i % 20}/s{i}", f"team{(i + 1) % 20}/s{i + 1}", "GET", "/items")
        for i in range(TRACES + 2)
    ]
    of = f"{MANY} services, {target}"
    for title, ask in (("policies", trace), ("manifests", trace_objects)):
        started = process_time()
        ask(bundle, asked[-1])
        _row(f"the first trace of the {title} of {of}", process_time() - started, GOAL_FIRST)
        others = iter(asked)
        each = _seconds(lambda: ask(bundle, next(others)), TRACES)  # noqa: B023 - it is called before the next round
        _row(f"each other trace of the {title} of {of}", each, GOAL_TRACE)


def _seconds(work: Callable[[], object], times: int) -> float:
    work()
    started = process_time()
    for _ in range(times):
        work()
    return (process_time() - started) / times


def _row(title: str, seconds: float, goal: float) -> None:
    print(f"{title:<72}{seconds:9.5f} s, goal {goal} s{'' if seconds <= goal else '  missed'}", flush=True)


if __name__ == "__main__":
    main()
