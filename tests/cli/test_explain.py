"""``meshdsl explain`` and ``meshdsl support``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshdsl.codes import PAGES
from meshdsl.plan.features import Feature
from meshdsl.report import pages
from meshdsl.report.support import TARGETS, cell, table
from tests.cli.running import meshdsl


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert meshdsl("init", cwd=tmp_path).returncode == 0
    return tmp_path


def test_a_service_is_explained_with_the_line_of_each_part(project: Path) -> None:
    done = meshdsl("explain", "prod/api", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.strip() for line in done.stdout.splitlines()}
    found = {" ".join(line.split()) for line in lines}
    assert "prod/api policies/inventory.py:8 Service" in found
    assert "goes to v1 90 %, v2 10 % policies/traffic.py:7 Canary" in found
    assert "timeout 5s, all tries together policies/traffic.py:8 Timeout" in found
    assert "timeout 15s, all tries together policies/traffic.py:9 Timeout" in found
    assert "allowed: service account prod/web, GET or POST policies/access.py:10 Allow" in found
    assert "not retried" in found
    assert "mTLS: strict policies/access.py:8 MutualTls" in found
    assert "proxy: in the mesh policies/access.py:7 Proxy" in found


def test_with_a_cluster_levels_and_objects_are_named(project: Path) -> None:
    done = meshdsl("explain", "prod/api", "--cluster", "linkerd", cwd=project)
    assert done.returncode == 0
    assert "On linkerd (Linkerd" in done.stdout
    assert "MESH501 split by weight" in done.stdout
    assert "HTTPRoute prod/api" in done.stdout


def test_an_unknown_service_has_the_nearest_name(project: Path) -> None:
    done = meshdsl("explain", "prod/apy", cwd=project)
    assert done.returncode == 2
    assert "did you mean 'prod/api'?" in done.stderr


def test_a_service_without_its_namespace_is_found(project: Path) -> None:
    done = meshdsl("explain", "api", cwd=project)
    assert done.returncode == 2
    assert "/api'?" in done.stderr
    assert "there is no code or kind 'apo'" in meshdsl("explain", "apo", cwd=project).stderr


def test_every_code_has_a_page(tmp_path: Path) -> None:
    assert set(pages.codes()) == {*PAGES, *(feature.code for feature in Feature)}
    for code in pages.codes():
        page = pages.page(code)
        assert page is not None
        assert page.title
        assert len(page.text) > 60, code
    done = meshdsl("explain", "mesh501", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("MESH501: split by weight\n")


def test_the_page_of_a_feature_says_what_each_mesh_does() -> None:
    for feature in Feature:
        page = pages.page(feature.code)
        assert page is not None
        for target in TARGETS:
            assert f"{target.title}: {cell(target, feature).level} (" in page.text


def test_a_page_says_what_a_condition_needs() -> None:
    for code, conditional in (("MESH519", True), ("MESH501", False)):
        page = pages.page(code)
        assert page is not None
        assert ("Where it is conditional" in page.text) is conditional
        assert page.text.endswith("No mesh needs anything for it.") is not conditional


def test_an_unknown_code_has_the_nearest_code(tmp_path: Path) -> None:
    done = meshdsl("explain", "MEHS512", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean MESH512?" in done.stderr


def test_all_codes_are_listed(tmp_path: Path) -> None:
    text = meshdsl("explain", "--codes", cwd=tmp_path).stdout
    assert [line.split()[0] for line in text.splitlines()] == list(pages.codes())
    markdown = meshdsl("explain", "--codes", "--format", "markdown", cwd=tmp_path).stdout
    assert [line.split()[1].rstrip(":") for line in markdown.splitlines() if line.startswith("## ")] == list(
        pages.codes()
    )


def test_the_support_table_has_a_row_for_each_feature_in_every_format() -> None:
    text, markdown, document = table("text"), table("markdown"), json.loads(table("json"))
    for feature in Feature:
        assert f"| {feature.code} |" in markdown
        assert f"{feature.code}  {feature.title}" in text
    assert [row["code"] for row in document["features"]] == [feature.code for feature in Feature]
    rows = {row["code"]: row["support"] for row in document["features"]}
    for target in TARGETS:
        for feature in Feature:
            assert rows[feature.code][target.name]["level"] == cell(target, feature).level


def test_a_markdown_table_is_well_formed() -> None:
    rows = [line for line in table("markdown").splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {len(TARGETS) + 3}


def test_a_kind_is_explained_by_its_name(tmp_path: Path) -> None:
    done = meshdsl("explain", "canary", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Canary(subject, stable=…, canary=…, percent=…, …)\n")
    assert "when: condition; default none" in done.stdout
    wrong = meshdsl("explain", "Canari", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "did you mean Canary?" in wrong.stderr


@pytest.mark.parametrize("what", ["kinds", "settings"])
def test_kinds_and_settings_are_listed(what: str, tmp_path: Path) -> None:
    text = meshdsl("explain", f"--{what}", cwd=tmp_path).stdout
    assert {"kinds": "Retry.never", "settings": "  trust_domain "}[what] in text
    assert meshdsl("explain", f"--{what}", "--format", "markdown", cwd=tmp_path).stdout.startswith("# The ")
