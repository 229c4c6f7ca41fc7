"""The meshes of these tests: for each worker one at a time, used by all tests that want its settings.

They run only by ``make mesh`` (``python -m tests.mesh``): they need root on Linux, for they make network namespaces,
and programs that take minutes to build.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import oracle
from tests.live.building import MissingError
from tests.mesh import assets, network, world
from tests.mesh.cases import REPORT, Report
from tests.mesh.inventory import Inventory
from tests.mesh.istiod import Settings
from tests.mesh.world import World

_MESH = os.environ.get("MESHDSL_MESH") == "1"
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here in an ordinary run."""
    if not _MESH:
        skip = pytest.mark.skip(reason="not on a real mesh: `make mesh` does that")
        for item in items:
            if _HERE in item.path.parents:
                item.add_marker(skip)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a module to one mesh, since its tests share what they apply; but each test of cases to whichever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return nodeid if module.endswith("test_cases.py") else module

    return Scheduling(config, log) if _MESH else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was sent; or that nothing was, so that a green run is not taken for a whole one."""
    if not _MESH:
        terminalreporter.write_line("The tests on a real mesh were skipped: `make mesh` runs them.")
        return
    total = Report()
    for outcome in ("passed", "failed"):
        for one in terminalreporter.getreports(outcome):
            for name, said in one.user_properties:
                if name == REPORT:
                    total.add(said)
    if total.counts:
        terminalreporter.write_line(str(total))


class Meshes:
    """One mesh at a time: they would share addresses and ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._assets = world.prepare(assets.found())
        self._count = 0
        self._now: tuple[World, Inventory] | None = None

    def with_settings(self, settings: Settings) -> tuple[World, Inventory]:
        """The mesh with these settings; one with others is ended for it."""
        if self._now is None or self._now[0].settings != settings:
            self.end()
            self._count += 1
            made = World(self._assets, self._folder / str(self._count), settings)
            self._now = (made, Inventory(made))
            made.start()
        return self._now

    def end(self) -> None:
        """End it, and keep what its proxies logged."""
        if self._now is not None:
            for pod in self._now[0].pods:
                if pod.log.exists():
                    shutil.copyfile(pod.log, self._folder / f"{self._count}-{pod.name}.log")
            self._now[0].stop()
            self._now = None


@pytest.fixture(scope="session")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meshes]:
    """The meshes of the run."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        network.leave()
    if not network.is_private():
        pytest.fail("this is the machine's own network: `make mesh` makes a private one")
    if not oracle.available():
        pytest.fail(f"the CRDs are not at {oracle.FOLDER}; MESHDSL_CRDS names another folder")
    try:
        made = Meshes(tmp_path_factory.mktemp("mesh"))
    except MissingError as missing:
        pytest.fail(str(missing))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def mesh(meshes: Meshes) -> tuple[World, Inventory]:
    """A mesh as Istio comes, with what it is furnished with."""
    return meshes.with_settings(Settings())
