"""Each case gives on each mesh exactly what its files say, and objects that an API server takes as they are."""

from __future__ import annotations

import pytest

from tests import golden, oracle
from tests.golden import Case

PAIRS = [pytest.param(case, name, id=f"{case}-{name}") for case in golden.cases() for name in case.targets()]
HINT = "rewrite with: python -m tests.rewrite"


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_a_case_gives_what_its_files_say(case: Case, name: str) -> None:
    written, now = golden.expected(case, name), golden.outcome(case, name).files
    assert written, f"{case} has no {name}.yaml and no {name}.errors; {HINT} {case}"
    assert now.keys() == written.keys(), f"{name} now gives {', '.join(now)}:\n{now}\n{HINT} {case}"
    for kind, text in now.items():
        assert text.splitlines() == written[kind].splitlines(), f"{HINT} {case}"
        assert text == written[kind], f"line ends differ; {HINT} {case}"


@pytest.mark.skipif(not oracle.available(), reason=f"the CRDs are not at {oracle.FOLDER}")
@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_what_a_case_emits_is_what_an_api_server_takes(case: Case, name: str) -> None:
    oracle.assert_valid(golden.outcome(case, name).manifests, case.target(name))


@pytest.mark.parametrize("case", golden.cases(), ids=str)
def test_a_case_holds_nothing_that_is_not_read(case: Case) -> None:
    read = {case.policies.name, "case.toml", "__pycache__"}
    read |= {f"{name}.{kind}" for name in golden.TARGETS for kind in (*golden.KINDS, golden.WARNINGS)}
    assert {path.name for path in case.folder.iterdir()} <= read
    assert case.settings.keys() <= {*golden.TARGETS, "environment"}


@pytest.mark.parametrize("case", golden.cases(), ids=str)
def test_a_case_shows_an_object_somewhere(case: Case) -> None:
    """A case whose every file is errors about itself is one that was not written right, unless it says so."""
    kinds = {golden.outcome(case, name).kind for name in case.targets()}
    assert "yaml" in kinds or str(case).startswith("refused-")


def test_there_are_cases() -> None:
    assert golden.cases()
