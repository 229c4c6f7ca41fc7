"""The JSON document, held against the schema that is published."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import meshdsl
from meshdsl.compare.report import DiffReport, Risk
from meshdsl.diagnostics import Diagnostic, Severity
from meshdsl.report.diff_report import diff_report
from meshdsl.report.diff_words import RISK_CODES, DiffDocument
from tests.report.samples import conflict, deleted_rule, empty, origin, rich

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "diff.schema.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def shown(*reports: DiffReport, **others: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(diff_report("json", DiffDocument(reports, **others)))
    VALIDATOR.validate(document)
    return document


def test_a_program_gets_the_document_of_the_command_line() -> None:
    document = json.loads(meshdsl.render_diff("json", rich(), fail_on=["widened-access"]))
    assert document == shown(rich(), fail_on=frozenset({Risk.WIDENED_ACCESS}))
    assert "prod-eu" in meshdsl.render_diff("markdown", rich(), empty())


def test_everything_that_a_comparison_can_hold_is_in_the_schema() -> None:
    document = shown(rich(), empty(), fail_on=frozenset({Risk.WIDENED_ACCESS}))
    assert [cluster["cluster"] for cluster in document["clusters"]] == ["prod-eu", "dev"]
    assert document["summary"] == {
        "different": True,
        "complete": False,
        "clusters": 2,
        "failed": 0,
        "compared": 96,
        "create": 1,
        "update": 3,
        "delete": 1,
        "conflict": 1,
        "risks": {"dropped-field": 1, "removed-breaker": 1, "widened-access": 1},
        "unknown": 1,
    }
    assert [risk["fails"] for risk in document["clusters"][0]["risks"]] == [True, False, False]


def test_the_schema_names_every_risk_and_no_other() -> None:
    assert SCHEMA["$defs"]["risk"]["properties"]["risk"]["enum"] == [risk.value for risk in Risk]


def test_the_schema_refuses_what_it_does_not_say() -> None:
    document = shown(rich())
    document["clusters"][0]["objects"][0]["action"] = "rename"
    assert not VALIDATOR.is_valid(document)
    assert not VALIDATOR.is_valid(document | {"version": 2})


def test_every_code_of_a_risk_has_a_page_that_names_it() -> None:
    from meshdsl.codes import PAGES

    for risk, code in RISK_CODES.items():
        assert f"--fail-on {risk.value}" in PAGES[code].text


def test_a_side_that_is_not_there_has_no_key_and_null_is_a_value() -> None:
    change = rich().objects[2]
    (field,) = [f for f in change.fields if f.path[-1] == "retry"]
    report = replace(rich(), objects=(replace(change, fields=(field, replace(field, live=None))),))
    absent, null = shown(report)["clusters"][0]["objects"][0]["fields"]
    assert "live" not in absent
    assert null["live"] is None


def test_what_was_not_asked_for_is_null_and_what_is_not_there_is_empty() -> None:
    cluster = shown(empty(), views=("access",))["clusters"][0]
    assert (cluster["access"], cluster["policy"], cluster["objects"], cluster["aside"]) == ([], None, None, None)


def test_text_of_a_cluster_is_exact() -> None:
    hostile = "\x1b[2J \u202e end"
    report = replace(empty(), objects=(replace(deleted_rule(), live={"kind": "X", "note": hostile}),))
    assert shown(report)["clusters"][0]["objects"][0]["live"]["note"] == hostile


def test_warnings_are_in_it() -> None:
    found = Diagnostic("MESH140", "a warning", origin(3)[0], severity=Severity.WARNING, target="dev")
    (diagnostic,) = shown(empty(), diagnostics=(found,))["diagnostics"]
    assert (diagnostic["severity"], diagnostic["clusters"], diagnostic["location"]["line"]) == ("warning", ["dev"], 3)


def test_nothing_but_the_comparison_decides_the_bytes() -> None:
    assert diff_report("json", DiffDocument((rich(),))) == diff_report("json", DiffDocument((rich(),)))


@pytest.mark.parametrize("format", ["json", "html", "text", "markdown"])
def test_a_conflict_and_its_owner_are_shown(format: Any) -> None:
    report = replace(empty(), objects=(conflict(),))
    assert "helm (release shop)" in diff_report(format, DiffDocument((report,)))
