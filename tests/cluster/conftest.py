from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api import Api, FakeClock, serving


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def api(short_path: Path) -> Iterator[Api]:
    with serving(Api(), short_path / "s") as served:
        yield served


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
