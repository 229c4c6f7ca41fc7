"""Diagnostics as text, JSON, SARIF and GitHub annotations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from meshdsl.diagnostics import Diagnostic, Origin, Severity
from meshdsl.report import Format, report
from meshdsl.report.escape import one_line, visible

SOURCE = """from meshdsl import Breaker, Namespace, Service

api = Service("api", Namespace("prod"), port=80)
policies = [
    Breaker(api, max_connections=100, consecutive_5xx=5),
]
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "api.py").write_text(SOURCE)
    return tmp_path


def breaker(base: Path, **others: Any) -> Diagnostic:
    return Diagnostic(
        "MESH520",
        "Linkerd cannot do this: breaker: pool limits",
        Origin(str(base / "policies" / "api.py"), 5, "Breaker"),
        field="max_connections",
        reason="it has no limits on connections",
        help="leave max_connections out",
        **others,
    )


def shown(format: Format, *diagnostics: Diagnostic, base: Path, colour: bool = False) -> str:
    return report(format, diagnostics, base=str(base), command="build", colour=colour)


def test_text_points_at_the_argument_and_says_why_and_what_to_do(base: Path) -> None:
    related = (("the service is declared here", Origin(str(base / "policies" / "api.py"), 3, "Service")),)
    assert shown("text", breaker(base, target="linkerd", related=related), base=base) == (
        "policies/api.py:5: error MESH520: Linkerd cannot do this: breaker: pool limits\n"
        "    5 |     Breaker(api, max_connections=100, consecutive_5xx=5),\n"
        "      |                                  ^^^\n"
        "  why: it has no limits on connections\n"
        "  help: leave max_connections out\n"
        "  policies/api.py:3: the service is declared here\n"
        "  on cluster: linkerd\n"
    )


@pytest.mark.parametrize("format", ["text", "json", "sarif", "github"])
def test_the_same_finding_of_several_clusters_is_one(format: Format, base: Path) -> None:
    text = shown(format, *(breaker(base, target=name) for name in ("linkerd", "istio", "linkerd")), base=base)
    assert text.count("Linkerd cannot do this") == 1
    if format != "json":
        assert "lusters: istio, linkerd" in text
    else:
        assert json.loads(text)["diagnostics"][0]["clusters"] == ["istio", "linkerd"]


@pytest.mark.parametrize("format", ["text", "json", "sarif", "github"])
def test_the_order_of_findings_does_not_matter(format: Format, base: Path) -> None:
    one, other = breaker(base, target="a"), Diagnostic("MESH051", "there is no cluster 'x'")
    assert shown(format, one, other, base=base) == shown(format, other, one, base=base)


def test_a_blank_line_sets_findings_of_several_lines_apart(base: Path) -> None:
    short = [
        Diagnostic("MESH061", "this file is missing", Origin(str(base / name), 0)) for name in ("a.yaml", "b.yaml")
    ]
    lines = shown("text", *short, breaker(base), base=base).splitlines()
    assert lines[:3] == [
        "a.yaml: error MESH061: this file is missing",
        "b.yaml: error MESH061: this file is missing",
        "",
    ]
    assert lines[3].startswith("policies/api.py:5: error MESH520")


def test_text_has_colours_only_when_asked(base: Path) -> None:
    assert "\x1b" not in shown("text", breaker(base), base=base)
    coloured = shown("text", breaker(base), base=base, colour=True)
    assert "\x1b[1m\x1b[31merror MESH520:\x1b[0m" in coloured


def test_text_escapes_what_could_repaint_a_terminal(base: Path) -> None:
    hostile = Diagnostic("MESH204", "a \x1b[2J name \u202e in \x07 a\nline", Origin(str(base / "\x1b]0;x.py"), 1))
    text = shown("text", hostile, base=base)
    assert not set("\x1b\u202e\x07") & set(text)
    assert "a \\x1b[2J name \\u202e in \\x07 a\\nline" in text


def test_json_keeps_text_exact(base: Path) -> None:
    document = json.loads(shown("json", Diagnostic("MESH204", "a \x1b \u202e b"), base=base))
    assert document["diagnostics"][0]["message"] == "a \x1b \u202e b"
    assert document["diagnostics"][0]["location"] is None


def test_json_has_a_version_and_the_place(base: Path) -> None:
    document = json.loads(shown("json", breaker(base), base=base))
    assert (document["version"], document["command"], document["summary"]) == (1, "build", None)
    assert document["diagnostics"][0]["location"] == {
        "file": "policies/api.py",
        "line": 5,
        "column": 34,
        "end_line": 5,
        "end_column": 37,
    }
    assert document["diagnostics"][0]["field"] == "max_connections"


def test_without_findings_documents_are_still_documents(base: Path) -> None:
    assert shown("text", base=base) == ""
    assert shown("github", base=base) == ""
    assert json.loads(shown("json", base=base))["diagnostics"] == []
    assert json.loads(shown("sarif", base=base))["runs"][0]["results"] == []


def test_sarif_meets_its_main_requirements(base: Path) -> None:
    related = (("here", Origin(str(base / "policies" / "api.py"), 3, "Service")),)
    warning = Diagnostic("MESH051", "no place", severity=Severity.WARNING)
    outside = Diagnostic("MESH062", "elsewhere", Origin("/else where/é.yaml", 1))
    document = json.loads(shown("sarif", breaker(base, related=related, target="a"), warning, outside, base=base))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == 3
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["id"] in rule["help"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"][0].isupper()
        assert not re.search(r"\. [a-z]", result["message"]["text"])
        assert result["level"] in ("error", "warning")
    by_code = {result["ruleId"]: result for result in run["results"]}
    place = by_code["MESH520"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "policies/api.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 5, "startColumn": 34, "endLine": 5, "endColumn": 37}
    assert by_code["MESH520"]["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert by_code["MESH520"]["properties"] == {"clusters": ["a"]}
    assert "locations" not in by_code["MESH051"]
    assert by_code["MESH051"]["level"] == "warning"
    absolute = by_code["MESH062"]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert absolute == {"uri": "file:///else%20where/%C3%A9.yaml"}


def test_a_place_without_a_line_has_no_region(base: Path) -> None:
    folder = Diagnostic("MESH103", "no Python file", Origin(str(base / "policies"), 0))
    place = json.loads(shown("sarif", folder, base=base))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert "region" not in place
    assert json.loads(shown("json", folder, base=base))["diagnostics"][0]["location"]["line"] is None
    assert shown("text", folder, base=base).startswith("policies: error MESH103")
    assert "line=" not in shown("github", folder, base=base)


def test_github_annotations_are_escaped(base: Path) -> None:
    found = Diagnostic("MESH204", "50 % of a\nb::c, d", Origin(str(base / "a,b:c.py"), 3), help="do it")
    assert shown("github", found, base=base) == (
        "::error file=a%2Cb%3Ac.py,line=3,title=MESH204::50 %25 of a%0Ab::c, d%0Ahelp: do it\n"
    )


def test_a_github_annotation_has_the_line_and_column(base: Path) -> None:
    text = shown("github", breaker(base), base=base)
    assert text.startswith("::error file=policies/api.py,line=5,endLine=5,col=34,title=MESH520::")
    assert text.count("\n") == 1


def test_every_control_and_bidirectional_character_is_escaped() -> None:
    hostile = [
        *map(chr, range(32)),
        *map(chr, range(0x7F, 0xA0)),
        *"\u202a\u202e\u2066\u2069\u200e\u200f\u061c\u200b\ufeff\u2028",
    ]
    for character in hostile:
        assert character not in one_line(f"a{character}b")
    assert visible("é 中\n\tx") == "é 中\n\tx"
