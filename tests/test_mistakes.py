"""Mistakes that users make. Each is a file or folder in ``tests/mistakes`` that says itself what must be reported.

A comment ``# ERROR: MESH204`` stands on the line that the report must show: the line of the argument, not that of the
call, where the mistake is in an argument.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshdsl import Environment, Istio, build
from meshdsl.codes import PAGES
from meshdsl.diagnostics import MeshdslError
from meshdsl.loading.load import load
from meshdsl.locate import locate

FOLDER = Path(__file__).parent / "mistakes"
CASES = sorted(
    path for path in FOLDER.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name[0] not in "._")
)
MARK = re.compile(r"# ERROR: (MESH\d+)")


def marked(case: Path) -> list[tuple[str, str, int]]:
    files = sorted(case.rglob("*.py")) if case.is_dir() else [case]
    return [
        (file.name, found[1], number)
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (found := MARK.search(line))
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_mistake_is_reported_where_it_is_marked_and_nothing_else_is(case: Path) -> None:
    with pytest.raises(MeshdslError) as caught:
        build(load(case, environment=Environment(timeout="1s")), Istio())
    found = caught.value.diagnostics
    assert [(Path(p.file).name, d.code, p.line) for d in found for p in [locate(d)]] == marked(case)
    for diagnostic in found:
        assert diagnostic.code in PAGES
        # A rule over several arguments (MESH204 without a field) says in its message what would be right.
        assert diagnostic.help or diagnostic.reason or (diagnostic.code == "MESH204" and not diagnostic.field)
        assert "Traceback" not in diagnostic.message


def test_there_are_many() -> None:
    assert len(CASES) >= 50
