"""A comparison as text, Markdown, SARIF, annotations and HTML."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest

from meshdsl.compare.live import Kind, Scope, Unknown
from meshdsl.compare.report import (
    AccessChange,
    Action,
    DiffReport,
    FieldChange,
    ObjectChange,
    PolicyChange,
    Risk,
    RiskFinding,
)
from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.manifest import ObjectRef
from meshdsl.report.diff_markdown import LIMIT
from meshdsl.report.diff_report import diff_report
from meshdsl.report.diff_words import DiffDocument, DiffFormat, path_text, yaml_lines
from meshdsl.values import Json
from tests.report.samples import body, created_policy, empty, origin, rich

FOR_PEOPLE: tuple[DiffFormat, ...] = ("text", "markdown", "html")
HOSTILE = "\x1b[2J<script>alert(1)</script>\u202e](http://x) @team `|`\x00"


def shown(format: DiffFormat, *reports: DiffReport, colour: bool = False, **others: Any) -> str:
    return diff_report(format, DiffDocument(reports, **others), colour=colour)


def hostile() -> DiffReport:
    ref = ObjectRef(f"a{HOSTILE}/v1", f"K{HOSTILE}", f"n{HOSTILE}", f"o{HOSTILE}")
    change = ObjectChange(
        ref,
        Action.CONFLICT,
        owner=HOSTILE,
        live={"kind": HOSTILE, HOSTILE: {"deep": [HOSTILE, "\ud800"]}},
        ours={"kind": "X"},
        notes=(HOSTILE,),
    )
    return replace(
        rich(),
        cluster=HOSTILE,
        against=HOSTILE,
        objects=(change, replace(change, action=Action.DELETE), *rich().objects),
        policy=(PolicyChange(f"{HOSTILE}/x", HOSTILE),),
        risks=(RiskFinding(Risk.REMOVED_FENCE, HOSTILE, HOSTILE),),
        policy_note=HOSTILE,
    )


# ---------------------------------------------------------------------------------------------------------------- text


def test_text_shows_risks_first_then_the_short_views_then_every_field() -> None:
    text = shown("text", rich())
    places = [text.index(f"\n{name}\n") for name in ("Risks", "Not known", "Policy", "Access", "Fields")]
    assert places == sorted(places)
    assert text.splitlines()[0] == (
        "prod-eu against context kind-prod: 6 objects differ: 1 to create, 3 to change, 1 to delete, 1 not ours;"
        " 3 risks; 1 not known"
    )


def test_text_shows_a_changed_object_as_a_diff_of_its_fields() -> None:
    lines = shown("text", replace(rich(), objects=(rich().objects[2],))).splitlines()
    start = lines.index("~ HTTPRoute prod/api (gateway.networking.k8s.io/v1)  policies/shop.py:41")
    assert lines[start + 1 : start + 11] == [
        "  # 6 pods have these labels",
        "  @@ spec.rules[0].backendRefs[name=api-v1] (rest)",
        "  - weight: 90",
        "  + weight: 75",
        "  @@ spec.rules[0].backendRefs[name=api-v2] (rest)",
        "  - weight: 10",
        "  + weight: 25",
        "  @@ spec.rules[0] (rest)",
        "  + retry:",
        "  +   attempts: 3",
    ]


def test_without_differences_text_is_one_line() -> None:
    assert shown("text", empty()) == "dev against context kind-dev: no differences in 48 objects\n"


def test_what_is_not_known_is_no_agreement() -> None:
    report = replace(empty(), unknown=rich().unknown)
    assert "no difference in what could be read; 1 not known" in shown("text", report)


def unreachable(*compared: DiffReport, **others: Any) -> dict[str, Any]:
    found = Diagnostic("MESH804", "context us cannot be asked", reason="the API server cannot be reached", target="us")
    return {"reports": compared, "failed": ("us",), "diagnostics": (found,), **others}


@pytest.mark.parametrize("format", get_args(DiffFormat))
def test_a_cluster_that_could_not_be_compared_is_in_every_format(format: DiffFormat) -> None:
    text = diff_report(format, DiffDocument(**unreachable(rich())))
    assert "ontext us cannot be asked" in text
    assert "he API server cannot be reached" in text
    if format in FOR_PEOPLE:
        # In the page, the head has its title.
        assert text.index("us could not be compared") < text.rindex("prod-eu")
        assert text.count("context us cannot be asked") == 1


@pytest.mark.parametrize("format", FOR_PEOPLE)
def test_a_report_of_nothing_says_so_and_why(format: DiffFormat, base: Path) -> None:
    wrong = Diagnostic("MESH113", "percent is 200", Origin(str(base / "shop.py"), 2), help="at most 100")
    text = diff_report(format, DiffDocument((), diagnostics=(wrong,), failed=("eu", "us"), base=str(base)))
    for words in ("nothing could be told of eu and us", "shop.py:2", "percent is 200", "at most 100"):
        assert words in text
    assert "othing was compared" not in text.partition("<body>")[2]


@pytest.mark.parametrize("format", FOR_PEOPLE)
def test_objects_that_differ_in_a_view_that_is_not_shown_are_said_to(format: DiffFormat) -> None:
    one = replace(empty(), objects=(created_policy(),))
    assert "1 object differs in fields, which this view does not show" in shown(format, one, views=("policy",)).lower()
    both = replace(empty(), objects=(created_policy(),) * 2)
    words = "2 objects differ in fields, which these views do not show"
    assert words in shown(format, both, views=("policy", "access")).lower()


@pytest.mark.parametrize("view", ["policy", "access", "fields"])
def test_only_the_views_that_were_asked_for_are_shown(view: Any) -> None:
    signs = {"policy": "25 %", "access": "nobody may call", "fields": "istio-injection"}
    for one in FOR_PEOPLE:
        text = shown(one, rich(), views=(view,))
        assert {name for name, sign in signs.items() if sign in text} == {view}


def test_foreign_fields_are_shown_only_on_demand() -> None:
    for one in FOR_PEOPLE:
        assert "kubectl-edit" not in shown(one, rich())
        assert "kubectl-edit" in shown(one, rich(), show_foreign=True)


def test_colours_come_only_when_asked_and_change_no_word() -> None:
    plain, coloured = shown("text", rich()), shown("text", rich(), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[32m+ weight: 75\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


@pytest.mark.parametrize("format", ["text", "markdown", "html", "github"])
def test_nothing_of_a_cluster_can_repaint_a_terminal_or_turn_a_line_around(format: DiffFormat) -> None:
    assert not set("\x1b\u202e\x00") & set(shown(format, hostile(), show_foreign=True))


# ------------------------------------------------------------------------------------------------------------ fragments


def test_paths_read_as_they_are_written() -> None:
    assert path_text(("spec", "rules", 0, "name=a b", "weight")) == "spec.rules[0][name=a b].weight"
    assert path_text(("metadata", "labels", "app.kubernetes.io/name")) == 'metadata.labels["app.kubernetes.io/name"]'
    assert path_text(()) == ""


def test_fragments_show_whatever_a_dump_may_hold() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = [deep]
    assert yaml_lines({"a": [1, {"b": None}], "c": "x"}) == ["a:", "- 1", "- b: null", "c: x"]
    assert yaml_lines([{"name": "x"}]) == ["- name: x"]
    assert yaml_lines("60s") == ["60s"]
    assert yaml_lines({}) == ["{}"]
    assert yaml_lines(2**70) == [f'"{2**70}"']
    assert yaml_lines("\ud800") == ['"\\\\ud800"']
    assert "nested too deeply" in "\n".join(yaml_lines(deep))
    assert yaml_lines({"k" * 5000: 1})[0].startswith('"kkk')


# ------------------------------------------------------------------------------------------------------------- markdown


def test_markdown_has_risks_first_and_marks_those_that_fail() -> None:
    text = shown("markdown", rich(), fail_on=frozenset({Risk.WIDENED_ACCESS}))
    assert text.index("### Risks") < text.index("### Policy") < text.index("### Fields")
    assert "\n- ⛔ **widened-access**: " in text
    assert "\n- ⚠️ **removed-breaker**: " in text
    assert "| --- |" not in text  # whose columns are one word wide on a telephone


def test_markdown_escapes_markup_links_and_mentions() -> None:
    text = shown("markdown", hostile())
    outside = re.sub(r"(`{3,})diff.*?\1", "", text, flags=re.DOTALL)
    assert "<script" not in outside
    assert "@team" not in outside
    # In an HTML block Markdown is not read.
    outside = re.sub(r"<summary>.*?</summary>", "", outside)
    assert "](http" not in outside
    assert "<b" not in outside


def test_a_fence_in_an_object_does_not_end_the_block() -> None:
    change = replace(created_policy(), ours={"note": "/````\n```"})
    text = shown("markdown", replace(empty(), objects=(change,)))
    assert "`````diff\n" in text


def many(count: int) -> DiffReport:
    one = created_policy()
    objects = tuple(replace(one, ref=replace(one.ref, name=f"policy-{n:05}")) for n in range(count))
    return replace(rich(), objects=objects)


@pytest.mark.parametrize("count", [100, 2000])
def test_markdown_fits_a_comment_and_says_what_is_missing(count: int) -> None:
    text = shown("markdown", many(count), replace(many(count), cluster="last"))
    assert len(text) <= LIMIT
    assert text.count("<details>") == text.count("</details>")
    missing = re.search(r"Cut at 60,000 characters: ([\d,]+) entries", text)
    assert missing is not None
    assert int(missing[1].replace(",", "")) == 2 * count - text.count("<details>")
    # The short views of the last cluster come before the fields of the first.
    assert text.count("### Risks") == text.count("### Access") == 2


def test_the_note_of_a_cut_names_the_command_that_shows_the_whole() -> None:
    command = "meshdsl diff --cluster prod-eu --against 'git:a b'"
    text = shown("markdown", many(2000), command=command)
    assert f"`{command} --format html --output diff.html`" in text
    assert len(shown("markdown", many(2000), command=f"meshdsl diff --against {'x' * 100_000}")) <= LIMIT


def test_markdown_that_fits_is_not_cut() -> None:
    assert "Cut at" not in shown("markdown", many(10))


# ---------------------------------------------------------------------------------------------------- sarif and github


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text("\n" * 30 + "Allow(api, callers=(web,))\n")
    return tmp_path


def risky(base: Path) -> DiffReport:
    here = (Origin(str(base / "shop.py"), 31, "Allow"),)
    there = (Origin("HEAD~1:shop.py", 12, "Breaker"),)
    return replace(
        rich(),
        risks=(
            RiskFinding(Risk.WIDENED_ACCESS, "prod/api", "web may now also DELETE", here),
            RiskFinding(Risk.REMOVED_BREAKER, "prod/api", "prod/api loses its breaker", there),
        ),
    )


def test_sarif_has_risks_at_their_lines_and_what_is_not_known(base: Path) -> None:
    log = json.loads(shown("sarif", risky(base), base=str(base), fail_on=frozenset({Risk.WIDENED_ACCESS})))
    results = {result["ruleId"]: result for result in log["runs"][0]["results"]}
    assert set(results) == {"MESH861", "MESH864", "MESH870"}
    place = results["MESH861"]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("shop.py", 31)
    assert [results[code]["level"] for code in sorted(results)] == ["error", "warning", "error"]
    # A line of another revision is shown where it was in the file that is there now.
    place = results["MESH864"]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("shop.py", 12)
    assert results["MESH864"]["message"]["text"].startswith("removed-breaker: prod/api")
    assert "What was asked for at HEAD~1:shop.py:12 is gone" in results["MESH864"]["message"]["text"]


@pytest.mark.parametrize(
    ("origins", "where"),
    [
        (("main:shop.py", "shop.py:4"), "file=shop.py,line=12,"),
        (("main:gone.py", "shop.py:4"), "file=shop.py,line=4,"),
        (("main:gone.py",), "file=mesh.toml,line=2,"),
        ((":/fix: it:shop.py",), "file=shop.py,line=12,"),
        ((), "file=mesh.toml,line=2,"),
    ],
)
def test_a_removal_is_shown_where_a_reviewer_can_comment_on_it(
    base: Path, origins: tuple[str, ...], where: str
) -> None:
    (base / "mesh.toml").write_text("\n[clusters]\n")
    lines = [Origin(str(base / one[:-2]), 4) if one.endswith(":4") else Origin(one, 12, "Breaker") for one in origins]
    finding = RiskFinding(Risk.REMOVED_BREAKER, "prod/api", "breaker removed from prod/api", tuple(lines))
    report = replace(empty(), risks=(finding,))
    (line,) = shown("github", report, base=str(base), config=Origin(str(base / "mesh.toml"), 2)).splitlines()
    assert line.startswith(f"::warning {where}")


def test_a_removal_beyond_the_end_of_a_file_is_shown_at_its_end(base: Path) -> None:
    finding = RiskFinding(Risk.REMOVED_BREAKER, "prod/api", "gone", (Origin("main:shop.py", 1000, "Breaker"),))
    (line,) = shown("github", replace(empty(), risks=(finding,)), base=str(base)).splitlines()
    last = len((base / "shop.py").read_text().splitlines())
    assert line.startswith(f"::warning file=shop.py,line={last},")


def test_what_is_wrong_with_another_revision_is_shown_at_the_file_as_it_is_now(base: Path) -> None:
    wrong = Diagnostic("MESH110", "in revision main: this is not Python", Origin("main:shop.py", 11))
    elsewhere = replace(wrong, origin=Origin("main:gone.py", 11))
    lines = shown("github", base=str(base), diagnostics=(wrong, elsewhere)).splitlines()
    assert lines[0].startswith("::error file=shop.py,line=11,")
    assert "it is at main:shop.py:11" in lines[0]
    assert "main%3Agone.py" in lines[1]


def forbidden(*names: str) -> DiffReport:
    said = 'forbidden: {0} is forbidden: User "ci" cannot list resource "{0}" in API group "" in the namespace "{1}"'
    kinds = [Kind("", "v1", name.capitalize()[:-1], name) for name in names]
    places = [(kind, namespace) for kind in kinds for namespace in ("prod", "test")]
    unknown = [Unknown(Scope(kind, where), said.format(kind.plural, where), "forbidden") for kind, where in places]
    return replace(empty(), unknown=tuple(unknown))


def test_a_missing_permission_is_one_line_for_all_kinds() -> None:
    line = 'Service and Secret in prod and test: forbidden: User "ci" cannot list them'
    assert f"  ? {line}\n" in shown("text", forbidden("services", "secrets"))
    few: tuple[DiffFormat, ...] = ("markdown", "html", "github")
    for one in few:
        assert shown(one, forbidden("services", "secrets")).count("cannot list") == 1
    clusters = json.loads(shown("json", forbidden("services", "secrets")))["clusters"]
    assert len(clusters[0]["unknown"]) == 4
    alone = replace(empty(), unknown=forbidden("services").unknown[:1])
    assert 'cannot list resource "services"' in shown("text", alone)


def test_rows_that_differ_in_the_service_alone_are_one() -> None:
    rows = tuple(
        AccessChange(service, True, ("all",), (), (), (), f"callers outside the mesh may now call {words}")
        for service, words in (("a/x", "a/x"), ("a/*", "anything else in a"), ("a/y", "a/y"), ("b/x", "b/x"))
    )
    text = shown("text", replace(empty(), access=rows))
    assert "  + callers outside the mesh may now call a/x, a/y and anything else in a\n" in text
    assert "  + callers outside the mesh may now call b/x\n" in text
    assert len(json.loads(shown("json", replace(empty(), access=rows)))["clusters"][0]["access"]) == 4


def test_a_policy_of_a_namespace_is_said_once_for_its_services() -> None:
    changes = tuple(
        PolicyChange(name, f"timeout of {name}: none → 5s", origin(3)) for name in ("prod/a", "prod/b", "test/c")
    )
    report = replace(empty(), policy=(*changes, PolicyChange("prod/ab", "timeout of prod/ab: none → 5s", origin(4))))
    text = shown("text", report)
    assert "  ~ timeout of prod/a and prod/b: none → 5s  policies/shop.py:3\n" in text
    assert "  ~ timeout of test/c: none → 5s  policies/shop.py:3\n" in text
    assert "  ~ timeout of prod/ab: none → 5s  policies/shop.py:4\n" in text
    assert len(json.loads(shown("json", report))["clusters"][0]["policy"]) == 4


def test_a_namespace_bears_the_fence_that_goes_with_its_enrolment() -> None:
    fence = RiskFinding(Risk.REMOVED_FENCE, "namespace prod", "x")
    changes = tuple(
        ObjectChange(ObjectRef("v1", "Namespace", "", name), Action.UPDATE, partial=True) for name in ("prod", "dev")
    )
    text = shown("html", replace(empty(), objects=changes, risks=(fence,)))
    cards = re.findall(r'<details class="card [^>]*data-namespace="(\w+)" data-risk="([^"]*)"', text)
    assert cards == [("prod", "removed-fence"), ("dev", "")]


def test_an_object_bears_the_risks_that_it_is_about() -> None:
    callers, breaker = (RiskFinding(risk, "prod/api", "x") for risk in (Risk.WIDENED_ACCESS, Risk.REMOVED_BREAKER))
    refs = [ObjectRef("a/v1", kind, "prod", "api") for kind in ("AuthorizationPolicy", "DestinationRule")]
    order = RiskFinding(Risk.BREAKING_ORDER, str(refs[1]), "x")
    changes = tuple(ObjectChange(ref, Action.DELETE, live={"kind": ref.kind}) for ref in refs)
    text = shown("html", replace(empty(), objects=changes, risks=(callers, breaker, order)))
    assert re.findall(r'class="card delete".*data-risk="([^"]*)"', text) == [
        "widened-access",
        "removed-breaker breaking-order",
    ]


def test_an_object_that_lets_nobody_in_does_not_bear_a_risk_of_callers() -> None:
    line = origin(5, "Service")
    rule = ObjectRef("networking.istio.io/v1", "DestinationRule", "prod", "api")
    policy = ObjectRef("security.istio.io/v1", "AuthorizationPolicy", "prod", "api-allow")
    objects = tuple(
        ObjectChange(ref, Action.CREATE, ours=body(ref.kind, ref.name), origins=line) for ref in (rule, policy)
    )

    def badges(risk: Risk) -> list[str]:
        found = RiskFinding(risk, "prod/api", "something", line)
        page = shown("html", replace(empty(), objects=objects, risks=(found,)))
        cards = page.split('<details class="card')[1:]
        return [card.split('class="kind">')[1].split("<")[0] for card in cards if f'data-risk="{risk}"' in card]

    assert badges(Risk.WIDENED_ACCESS) == ["AuthorizationPolicy"]
    assert badges(Risk.REMOVED_FENCE) == ["AuthorizationPolicy"]
    assert badges(Risk.MOVED_TRAFFIC) == ["DestinationRule"]
    # A DestinationRule has the mode of the client's side.
    assert badges(Risk.WEAKENED_MTLS) == ["DestinationRule", "AuthorizationPolicy"]


def test_a_rule_without_a_name_is_named_by_what_it_matches() -> None:
    matches: list[Json] = [
        {
            "method": "POST",
            "path": {"type": "Exact", "value": "/orders"},
            "headers": [{"name": "x-canary", "value": "1"}],
        },
        {"path": {"type": "PathPrefix", "value": "/v1"}},
    ]
    bodies = [
        body("HTTPRoute", "api", spec={"rules": [{"matches": matches, "timeouts": {"request": t}}]}) for t in "12"
    ]
    where = ("spec", "rules", 0, "timeouts", "request")
    ref = ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", "prod", "api")
    change = ObjectChange(ref, Action.UPDATE, (FieldChange(where, "1", "2"),), bodies[0], bodies[1])
    for format_ in FOR_PEOPLE:
        text = shown(format_, replace(empty(), objects=(change,)))
        assert "spec.rules[0].timeouts (POST /orders x-canary; /v1/*)" in text
    named = body("HTTPRoute", "api", spec={"rules": [{"name": "orders", "matches": matches}]})
    for ours, live, said in ((named, named, "timeouts (orders)\n"), (named, bodies[0], "timeouts\n")):
        one = replace(change, ours=ours, live=live)
        assert f"spec.rules[0].{said}" in shown("text", replace(empty(), objects=(one,)))
    odd = body("HTTPRoute", "api", spec={"rules": "none"})
    assert "spec.rules[0].timeouts\n" in shown("text", replace(empty(), objects=(replace(change, ours=odd, live=odd),)))


def test_risks_of_one_line_are_said_once_for_its_services() -> None:
    found = tuple(
        RiskFinding(risk, name, f"{risk.value} from {name}", (*origin(3), *origin(line)))
        for risk in (Risk.REMOVED_BREAKER, Risk.REMOVED_TIMEOUT)
        for line, name in enumerate(("prod/a", "prod/b"), 10)
    )
    report = replace(empty(), risks=found)
    few: tuple[DiffFormat, ...] = ("text", "markdown", "html", "github")
    for format_ in few:
        text = shown(format_, report)
        assert [text.count(f"{risk} from prod/a and prod/b") for risk in ("removed-breaker", "removed-timeout")] == [
            1,
            1,
        ]
    assert len(json.loads(shown("json", report))["clusters"][0]["risks"]) == 4


def test_risks_of_a_namespace_and_of_objects_are_found_by_its_name() -> None:
    found = tuple(
        RiskFinding(Risk.WEAKENED_MTLS, subject, "x")
        for subject in ("namespace prod", "HTTPRoute prod/api-80", "prod/api", "the mesh")
    )
    text = shown("html", replace(empty(), risks=found))
    assert text.count('data-namespace="prod" data-risk="weakened-mtls"') == 3
    assert '<option value="prod">' in text


def test_annotations_are_the_same_findings(base: Path) -> None:
    lines = shown("github", risky(base), base=str(base)).splitlines()
    assert any(line.startswith("::warning file=shop.py,line=31,") and "title=MESH861" in line for line in lines)
    assert len(lines) == 3


def test_differences_alone_are_no_findings() -> None:
    report = replace(rich(), risks=(), unknown=())
    assert shown("github", report) == ""
    assert json.loads(shown("sarif", report))["runs"][0]["results"] == []


# ----------------------------------------------------------------------------------------------------------------- html


class _Page(HTMLParser):
    """What a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "input", "col"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "srcset"):
                self.references.append(str(value))
            if name.startswith("on") or name == "style":
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("report", [rich(), empty(), hostile(), many(70)], ids=["rich", "empty", "hostile", "many"])
def test_the_page_is_whole_and_well_formed_and_loads_nothing(report: DiffReport) -> None:
    text = shown("html", report, show_foreign=True, fail_on=frozenset({Risk.REMOVED_FENCE}))
    page = _Page(text)
    assert page.open == []
    assert (page.references, page.handlers) == ([], [])
    assert page.tags.count("script") == 1
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_says_that_only_its_own_script_and_style_may_run() -> None:
    import base64
    import hashlib

    text = shown("html", hostile())
    for tag, policy in (("style", "style-src"), ("script", "script-src")):
        inside = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{policy} 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_the_page_can_be_filtered_by_namespace_and_risk() -> None:
    text = shown("html", rich())
    assert re.findall(r'<option value="(\w+)">', text) == ["prod", "shop"]
    assert '<option value="dropped-field">' in text
    assert 'data-namespace="prod" data-risk="widened-access"' in text


def test_fields_stand_side_by_side() -> None:
    assert '<td class="before">weight: 90</td><td class="after">weight: 75</td>' in shown("html", rich())
    assert '<td class="none"></td><td class="after">istio-injection: enabled</td>' in shown("html", rich())


def test_a_page_of_many_objects_is_folded() -> None:
    assert " open>" in shown("html", many(10))
    assert " open>" not in shown("html", many(100))


@pytest.mark.parametrize("format", get_args(DiffFormat))
def test_the_same_comparison_gives_the_same_bytes(format: DiffFormat) -> None:
    assert shown(format, rich(), empty()) == shown(format, rich(), empty())


@pytest.mark.parametrize("format", get_args(DiffFormat))
def test_nothing_to_show_is_no_error(format: DiffFormat) -> None:
    text = shown(format)
    assert text == "" or text.endswith("\n")


def test_an_object_without_a_body_is_shown() -> None:
    change = ObjectChange(ObjectRef("v1", "Service", "prod", "x"), Action.DELETE, live=body("Service", "x"))
    assert "- Service prod/x (v1)" in shown("text", replace(empty(), objects=(change,)))


def test_what_is_not_ours_is_shown_beside_ours_in_one_order() -> None:
    ref = ObjectRef("gateway.networking.k8s.io/v1", "Gateway", "prod", "waypoint")
    ours: Json = {
        "kind": "Gateway",
        "spec": {"listeners": [{"name": "mesh", "port": 15008, "allowed": {"from": "All"}}]},
    }
    live: Json = {
        "kind": "Gateway",
        "spec": {"listeners": [{"allowed": {"from": "All"}, "name": "mesh", "port": 15007}]},
    }
    change = ObjectChange(ref, Action.CONFLICT, live=live, ours=ours)
    text = shown("html", DiffReport("prod-eu", "context kind-prod", (change,)))
    differing = re.findall(r'<td class="(?:before|after)">([^<]*)</td>', text)
    assert [line.strip() for line in differing] == ["port: 15007", "port: 15008"]
