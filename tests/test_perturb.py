"""The second build: what depends on the hash seed, the clock, the machine or the order of folders is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshdsl import Environment, Istio, Linkerd, build
from meshdsl.diagnostics import Diagnostic
from meshdsl.loading.load import read
from meshdsl.perturb import Request, not_reproducible

HEAD = """\
import datetime, glob, os, random, time, uuid
from pathlib import Path
from meshdsl import *
prod = Namespace("prod")
api = Service("api", prod, port=80)
web = Service("web", prod, port=80)
here = Path(__file__).parent
ok = Timeout(web, "3s")
"""


def check(folder: Path, line: str) -> list[Diagnostic]:
    folder.mkdir()
    (folder / "a.py").write_text(HEAD + line + "\n")
    for name in ("p.txt", "q.txt"):
        (folder / name).write_text("")
    environment = Environment(cluster="one", day="monday")
    targets = {"one": Istio(), "two": Linkerd()}
    files = read(folder)
    bundles = {name: build(files.policy_set(environment, "s"), target) for name, target in targets.items()}
    request = Request(folder, "s", (), {name: (target, environment) for name, target in targets.items()})
    return list(not_reproducible(request, bundles))


@pytest.mark.parametrize(
    "line",
    [
        "x = Timeout(api, f'{int(time.time()) % 80_000 + 1}s')",
        "x = Timeout(api, f'{datetime.date.today().toordinal() % 80_000 + 1}s')",
        "x = Timeout(api, f'{datetime.datetime.now().year}s')",
        "x = Timeout(api, f'{hash(\"a\") % 80_000 + 1}s')",
        "x = Timeout(api, f'{random.randrange(80_000) + 1}s')",
        "x = Timeout(api, f'{uuid.uuid4().int % 80_000 + 1}s')",
        "x = Timeout(api, f'{len(os.environ[\"HOME\"])}s')",
        "x = Timeout(api, f'{len(os.environ)}s')",
        "x = Timeout(api, f'{time.timezone % 80_000 + 1}s')",
        "x = Timeout(api, f'{ord(os.listdir(here)[0][0])}s')",
        "x = Timeout(api, f'{ord(next(here.glob(\"*.txt\")).name[0])}s')",
        "x = Timeout(api, f'{ord(next(here.iterdir()).name[0])}s')",
        "x = Timeout(api, f'{ord(next(here.rglob(\"*.txt\")).name[0])}s')",
        "x = Timeout(api, f'{ord(next(os.walk(here))[2][0][0])}s')",
        "x = Timeout(api, f'{ord(os.path.basename(glob.glob(str(here / \"*.txt\"))[0])[0])}s')",
        "x = Timeout(api, f'{ord(next(os.scandir(here)).name[0])}s')",
        "x = Timeout(api, f'{os.get_terminal_size.__name__ and __import__(\"shutil\").get_terminal_size().columns}s')",
    ],
)
def test_what_is_not_in_the_policies_is_found_and_named(tmp_path: Path, line: str) -> None:
    found = check(tmp_path / "policies", line)
    assert {d.code for d in found} == {"MESH131"}
    assert {d.target for d in found} == {"one", "two"}
    assert all("api" in d.message and "web" not in d.message for d in found)
    assert {(d.origin.line, d.origin.object) for d in found if d.origin} == {(9, "Timeout")}


@pytest.mark.parametrize(
    "line",
    [
        "x = Timeout(api, '1s')",
        "x = [Timeout(s, '1s') for s in {api}]",
        "x = Timeout(api, f'{len(sorted(os.listdir(here)))}s')",
        "import importlib.metadata, email, json\nx = Timeout(api, f'{len(importlib.metadata.version(\"pydantic\"))}s')",
        "def policies(env):\n    yield Timeout(api, f'{len(env.day)}s')",
        "x = Timeout(api, datetime.timedelta(seconds=isinstance(datetime.date(2020, 1, 1), datetime.date)))",
    ],
)
def test_what_is_in_the_policies_is_left_alone(tmp_path: Path, line: str) -> None:
    assert check(tmp_path / "policies", line) == []


def test_an_object_that_is_there_only_once_is_named(tmp_path: Path) -> None:
    found = check(tmp_path / "policies", "x = [Timeout(api, '1s')] if os.environ.get('USER') != 'somebody' else []")
    assert found
    assert all("only in the first" in d.message and "api" in d.message for d in found)


def test_policies_that_fail_the_second_time_are_reported_with_their_line(tmp_path: Path) -> None:
    (found,) = check(tmp_path / "policies", "assert os.environ.get('USER') != 'somebody'")
    assert (found.code, found.origin and found.origin.line) == ("MESH131", 9)
    assert "AssertionError" in found.message
