"""The pytest plugin: the fixture ``mesh``, its marker and options, and the traces below a test that failed.

pytest loads this module in every run of every project that has meshdsl installed, so nothing but pytest is imported
until a test uses the fixture.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from meshdsl.diagnostics import MeshdslError
    from meshdsl.testing.mesh import MeshFixture

_ASKED = pytest.StashKey[Sequence[str]]()
"""The traces of a test, as text."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--mesh-cluster`` and ``--mesh-path``, and the same in the configuration of pytest."""
    group = parser.getgroup("meshdsl", "policies under test")
    group.addoption("--mesh-cluster", metavar="NAME", help="the cluster that the fixture mesh asks about")
    group.addoption("--mesh-path", metavar="DIR", help="where the configuration of meshdsl is, from here")
    parser.addini("mesh_cluster", "the cluster that the fixture mesh asks about; by default the first")
    parser.addini("mesh_path", "where the configuration of meshdsl is; by default above the file of the test")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "mesh(cluster=None, path=None): the cluster, and the folder of the configuration, of the fixture mesh",
    )


@pytest.fixture(scope="session")
def _meshes() -> dict[tuple[Path, str], MeshFixture]:
    """What was loaded, by folder and cluster."""
    return {}


@pytest.fixture
def mesh(request: pytest.FixtureRequest, _meshes: dict[tuple[Path, str], MeshFixture]) -> MeshFixture:
    """The policies of a cluster, to be asked what happens to a request. Loaded once in a run of pytest.

    The configuration is the nearest one above the file of the test. Elsewhere it is looked for by the marker's ``path``
    or ``mesh_path`` in pytest's configuration, from pytest's root directory, and by ``--mesh-path``, from the working
    directory. The cluster is that of the marker, of ``--mesh-cluster``, of ``mesh_cluster``, or the first one of the
    configuration.
    """
    from meshdsl.diagnostics import MeshdslError
    from meshdsl.testing.mesh import MeshFixture

    marker = request.node.get_closest_marker("mesh")
    given: dict[str, Any] = dict(marker.kwargs) if marker else {}
    if marker and (marker.args or given.keys() - {"cluster", "path"}):
        pytest.fail("the marker mesh takes cluster=… and path=…, by name", pytrace=False)
    config = request.config
    folder = _folder(request, given.get("path"))
    cluster = given.get("cluster") or config.getoption("mesh_cluster") or config.getini("mesh_cluster")
    if not folder.exists():
        pytest.fail(f"there is no folder {folder}: the fixture mesh looks there for the configuration", pytrace=False)
    key = (folder, str(cluster or ""))
    try:
        loaded = _meshes.get(key) or MeshFixture.load(*key)
    except MeshdslError as error:
        raise pytest.fail.Exception(_said(error, config.rootpath), pytrace=False) from None
    _meshes[key] = loaded
    loaded.asked.clear()
    request.node.stash[_ASKED] = loaded.asked
    return loaded


def _folder(request: pytest.FixtureRequest, marked: str | None) -> Path:
    """Where the configuration is looked for, there and above."""
    config = request.config
    option, said = config.getoption("mesh_path"), config.getini("mesh_path")
    if marked:
        return (config.rootpath / marked).resolve()
    if option:
        return (config.invocation_params.dir / str(option)).resolve()
    return (config.rootpath / str(said)).resolve() if said else request.path.parent


def _said(error: MeshdslError, base: Path) -> str:
    """The errors; where there is no configuration, with what a test can do about that."""
    from dataclasses import replace

    from meshdsl.report import report

    way_out = "run meshdsl init, set mesh_path in the configuration of pytest, or give --mesh-path"
    told = [replace(one, help=way_out) if one.code == "MESH001" else one for one in error.diagnostics]
    return report("text", told, base=str(base), command="pytest")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Below a test that failed: the traces of what it asked, the last one last."""
    made = yield
    if call.when == "call" and made.failed:
        made.sections += [("what the mesh does", text) for text in item.stash.get(_ASKED, ())]
    return made
