"""The servers, one of each channel of the Gateway API, for all live tests.

They run only by ``make live`` (``MESHDSL_LIVE=1``): they need etcd, kube-apiserver and kubectl, which takes minutes to
build, and the CRDs of the meshes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import oracle
from tests.live import assets
from tests.live.server import Server

_LIVE = os.environ.get("MESHDSL_LIVE") == "1"
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here in an ordinary run."""
    if not _LIVE:
        skip = pytest.mark.skip(reason="not against a real API server: `make live` does that")
        for item in items:
            if _HERE in item.path.parents:
                item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what an ordinary run leaves out."""
    if not _LIVE:
        terminalreporter.write_line("The live tests were skipped: `make live` runs them against a real API server.")


def serving(tmp_path_factory: pytest.TempPathFactory, channel: oracle.Channel) -> Iterator[Server]:
    """A new server, for as long as a fixture lives."""
    if not oracle.available():
        pytest.fail(f"the CRDs are not at {oracle.FOLDER}; MESHDSL_CRDS names another folder")
    try:
        server = Server(tmp_path_factory.mktemp(f"server-{channel}"), channel)
    except assets.MissingError as missing:
        pytest.fail(str(missing))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the experimental channel, as most meshes are set up for tests of all features."""
    yield from serving(tmp_path_factory, "experimental")


@pytest.fixture(scope="session")
def standard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the standard channel."""
    yield from serving(tmp_path_factory, "standard")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the module's own with the experimental channel, on which nothing else is applied."""
    yield from serving(tmp_path_factory, "experimental")
