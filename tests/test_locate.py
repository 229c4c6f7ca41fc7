"""Where a diagnostic points: the argument's own line and columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshdsl import Header, Namespace, Route, Service, Timeout  # noqa: F401 - they fill the table of kinds
from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.locate import POSITIONAL, Location, locate
from meshdsl.model import operation, security, traffic  # noqa: F401
from meshdsl.model.base import Declared

SOURCE = """\
import meshdsl
from meshdsl import Retry, Service, Timeout, Header
web = Service("web", "prod", port=80)
x = Retry(
    web,
    attempts=3, retry_on=(
        "5xx",
    ),
)
y = [Retry.never(web), meshdsl.Timeout("ü", request="5s")]
z = web.route("a",
    path="/a")
options = {"attempts": 3}
w = Retry(web, **options)
v = (web
    .route("b", path="/b"))
"""


@pytest.mark.parametrize(
    ("line", "kind", "field", "expected"),
    [
        (4, "Retry", "attempts", (6, 14, 6, 15)),
        (4, "Retry", "retry_on", (6, 26, 8, 6)),
        (4, "Retry", "retry_on.0", (6, 26, 8, 6)),
        (4, "Retry", "subject", (5, 5, 5, 8)),
        (4, "Retry", "", (4, 5, 4, 10)),
        (4, "Retry", "statuses", (4, 5, 4, 10)),
        (3, "Service", "name", (3, 15, 3, 20)),
        (3, "Service", "namespace", (3, 22, 3, 28)),
        (10, "Retry", "subject", (10, 18, 10, 21)),
        (10, "Timeout", "request", (10, 53, 10, 57)),
        (10, "Timeout", "subject", (10, 40, 10, 43)),
        (11, "Route", "path", (12, 10, 12, 14)),
        (11, "Route", "name", (11, 15, 11, 18)),
        (14, "Retry", "attempts", (14, 5, 14, 10)),
        (16, "Route", "path", (16, 22, 16, 26)),
        (5, "Retry", "attempts", (5, 0, 0, 0)),
        (4, "", "", (4, 0, 0, 0)),
        (400, "Retry", "attempts", (400, 0, 0, 0)),
    ],
)
def test_an_argument_is_found(
    tmp_path: Path, line: int, kind: str, field: str, expected: tuple[int, int, int, int]
) -> None:
    file = tmp_path / "a.py"
    file.write_text(SOURCE)
    found = locate(Diagnostic("MESH204", "x", Origin(str(file), line, kind), field))
    assert found == Location(str(file), *expected)


def test_an_unknown_argument_is_pointed_at_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = Retry(web,\n  atempts=3)\n")
    found = locate(Diagnostic("MESH202", "x", Origin(str(file), 1, "Retry"), "atempts"))
    assert found == Location(str(file), 2, 3, 2, 10)


def test_a_syntax_error_has_its_column(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1\ny = (2]\n")
    assert locate(Diagnostic("MESH110", "x", Origin(str(file), 2))).column == 7
    assert locate(Diagnostic("MESH113", "x", Origin(str(file), 1))) == Location(str(file), 1)


@pytest.mark.parametrize(
    ("line", "expected"), [(1, (1, 1, 1, 5)), (2, (2, 1, 2, 13)), (3, (3, 3, 3, 10)), (9, (9, 0, 0, 0))]
)
def test_a_key_of_toml_is_pointed_at(tmp_path: Path, line: int, expected: tuple[int, int, int, int]) -> None:
    file = tmp_path / "meshdsl.toml"
    file.write_text('name = "a" # x = 1\n[clusters.a] # b\n  version = 3\n')
    assert locate(Diagnostic("MESH004", "x", Origin(str(file), line), "a.b")) == Location(str(file), *expected)


def test_a_file_that_is_gone_no_text_or_edited_gives_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    where = Diagnostic("MESH204", "x", Origin(str(file), 1, "Retry"), "attempts")
    assert locate(where) == Location(str(file), 1)
    file.write_bytes(b"\xff\0")
    assert locate(where).column == 0
    file.write_text("Retry(web, attempts=3)\n")
    assert locate(where).column == 21
    file.write_text("\n\nRetry(web, attempts=30)\n")
    assert locate(where).column == 0
    with pytest.raises(ValueError, match="without an origin"):
        locate(Diagnostic("MESH204", "x"))


def kinds(base: type[Declared]) -> list[type[Declared]]:
    return [kind for sub in base.__subclasses__() for kind in (sub, *kinds(sub))]


def test_the_table_of_positions_is_that_of_the_model() -> None:
    model = {k.__name__: k._positional for k in kinds(Declared) if k.__module__.startswith("meshdsl.")}
    model = {name: fields for name, fields in model.items() if fields and not name.startswith("_")}
    assert {name: POSITIONAL.get(name, ("subject",)) for name in model} == model
    assert set(POSITIONAL) == {name for name, fields in model.items() if fields != ("subject",)} | {"route"}
