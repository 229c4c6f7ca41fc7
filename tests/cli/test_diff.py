"""``meshdsl diff`` as a user runs it, where no cluster is needed: folders, dumps, revisions, and what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from meshdsl.cli.options import DIFF_FORMATS, VIEWS
from meshdsl.compare.report import Risk
from meshdsl.report.diff_words import VIEWS as REPORT_VIEWS
from tests.cli.running import meshdsl, tree
from tests.cli.test_diff_revision import commit, git
from tests.cli.test_startup import HEAVY

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema_rs.validator_for(json.loads((ROOT / "docs" / "diff.schema.json").read_text()))

CONFIG = """name = "shop"

[clusters.one]
target = "istio"

[clusters.two]
target = "linkerd"
"""

POLICIES = """from meshdsl import Allow, Canary, DefaultDeny, Deny, Namespace, Service, Timeout, Workload

prod = Namespace("prod")
web = Service("web", prod, port=80, workload=Workload("Deployment", "web"))
api = Service("api", prod, port=8080, versions=("v1", "v2"), workload=Workload("Deployment", "api"))
fence = DefaultDeny(prod)
only = Allow(api, callers=(web,), methods=("GET",))
canary = Canary(api, stable="v1", canary="v2", percent=10)
timeout = Timeout(api, "5s")
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "policies").mkdir(parents=True)
    (folder / "meshdsl.toml").write_text(CONFIG)
    (folder / "policies" / "shop.py").write_text(POLICIES)
    return folder


@pytest.fixture
def built(shop: Path) -> Path:
    assert meshdsl("build", cwd=shop).returncode == 0
    return shop


@pytest.fixture
def repository(shop: Path) -> Path:
    git(shop, "init", "--quiet", "--initial-branch=main")
    commit(shop)
    return shop


def change(shop: Path, old: str, new: str) -> None:
    file = shop / "policies" / "shop.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def wider(shop: Path) -> None:
    change(shop, 'methods=("GET",)', 'methods=("GET", "DELETE")')
    change(shop, "percent=10", "percent=25")


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    SCHEMA.validate(document)
    return document


# ------------------------------------------------------------------------------------------------------------- the help


def test_the_help_starts_quickly() -> None:
    code = "import sys; from meshdsl.cli import main; main(['diff', '--help']); print('MODULES', *sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stderr.rpartition("MODULES ")[2].split())
    assert not modules & HEAVY
    assert "meshdsl.compare" not in modules


def test_the_help_names_every_risk_view_and_format() -> None:
    done = meshdsl("diff", "--help", cwd=ROOT)
    for name in (*Risk, *VIEWS, *DIFF_FORMATS):
        assert name in done.stdout
    assert VIEWS == REPORT_VIEWS


# ------------------------------------------------------------------------------------------------------------- a folder


def test_what_was_built_is_no_difference(built: Path) -> None:
    done = meshdsl("diff", "--against", "out", cwd=built)
    assert (done.returncode, done.stdout.count("no differences in ")) == (0, 2)
    assert done.stderr.endswith("Compared 2 clusters: no differences\n")
    assert meshdsl("diff", "--against", "out/one", "--cluster", "one", cwd=built).returncode == 0


def test_a_change_is_shown_in_all_three_views_and_as_a_risk(built: Path) -> None:
    wider(built)
    done = meshdsl("diff", "--against", "out", "--cluster", "one", cwd=built)
    assert done.returncode == 1, done.stderr
    for text in ("one against out/one: ", "\nRisks\n", "widened-access", "DELETE", "10 % → 25 %", "\nFields\n"):
        assert text in done.stdout
    assert "policies/shop.py:7" in done.stdout


def test_a_dump_is_compared_by_file_and_by_standard_input(built: Path) -> None:
    dump = meshdsl("build", "--cluster", "one", "--out", "-", cwd=built).stdout
    (built / "dump.yaml").write_text(dump)
    (built / "written.yaml").write_text(
        "".join(file.read_text() + "---\n" for file in (built / "out/one").rglob("*.yaml"))
    )
    assert meshdsl("diff", "--cluster", "one", "--against", "written.yaml", cwd=built).returncode == 0
    unknown = meshdsl("diff", "--cluster", "one", "--against", "dump.yaml", cwd=built)
    assert unknown.returncode == 3
    assert "it is not known whether there are any" in unknown.stdout
    wider(built)
    for path, code in (("written.yaml", 1), ("-", 3)):
        done = subprocess.run(
            [sys.executable, "-m", "meshdsl", "diff", "--cluster", "one", "--against", path, "--format", "json"],
            cwd=built,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            input=dump,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code
        (cluster,) = as_json(done)["clusters"]
        changed = {one["name"] for one in cluster["objects"]}
        assert "api" in changed, changed
        assert [r["risk"] for r in cluster["risks"]].count("widened-access") == (code == 1)


def test_an_object_that_is_no_longer_produced_would_be_deleted(built: Path) -> None:
    change(built, "timeout = ", "# timeout = ")
    change(built, "canary = ", "# canary = ")
    document = as_json(meshdsl("diff", "--against", "out/one", "--cluster", "one", "--format", "json", cwd=built))
    deleted = [o["kind"] for o in document["clusters"][0]["objects"] if o["action"] == "delete"]
    assert "VirtualService" in deleted


def test_only_the_view_that_is_asked_for_is_a_difference(built: Path) -> None:
    change(built, "percent=10", "percent=25")
    arguments = ("diff", "--against", "out/one", "--cluster", "one")
    done = meshdsl(*arguments, "--view", "access", cwd=built)
    assert done.returncode == 0
    for said in (done.stdout, done.stderr):
        assert "1 object differs in fields, which this view does not show" in said
    assert meshdsl(*arguments, "--view", "access", "--view", "policy", cwd=built).returncode == 1


@pytest.mark.parametrize(
    ("risks", "code"),
    [
        ("widened-access", 1),
        ("weakened-mtls", 0),
        ("weakened-mtls,widened-access", 1),
        ("removed-breaker,removed-fence", 0),
    ],
)
def test_only_the_named_risks_fail(built: Path, risks: str, code: int) -> None:
    wider(built)
    done = meshdsl("diff", "--against", "out", "--fail-on", risks, cwd=built)
    assert done.returncode == code
    assert ("fails on widened-access" in done.stderr) == bool(code)


@pytest.mark.parametrize("format", DIFF_FORMATS)
def test_every_format_is_written_to_a_file_as_it_is_printed(built: Path, format: str) -> None:
    wider(built)
    arguments = ("diff", "--against", "out", "--format", format)
    printed = meshdsl(*arguments, cwd=built)
    written = meshdsl(*arguments, "--output", "report", cwd=built)
    assert (printed.returncode, written.returncode, written.stdout) == (1, 1, "")
    assert (built / "report").read_text() == printed.stdout
    assert "DELETE" in printed.stdout
    if format == "json":
        as_json(printed)
    assert not [path for path in built.iterdir() if path.name.startswith(".report")]


@pytest.mark.parametrize("format", DIFF_FORMATS)
@pytest.mark.parametrize("wrong", ["policies", "configuration", "dump", "revision"])
def test_what_cannot_be_told_leaves_no_older_report(repository: Path, format: str, wrong: str) -> None:
    output = repository / "report"
    output.write_text("an older report: no differences")
    against, code, words = "git:HEAD", 3, "200"
    if wrong == "policies":
        change(repository, "percent=10", "percent=200")
    elif wrong == "configuration":
        (repository / "meshdsl.toml").write_text('name = "shop"\n[clusters.one]\ntarget = "istoi"\n')
        code, words = 2, "istoi"
    elif wrong == "dump":
        against, words = "nowhere", "nowhere"
    else:
        change(repository, "percent=10", "percent=200")
        commit(repository)
        change(repository, "percent=200", "percent=10")
    arguments = ("diff", "--cluster", "one", "--against", against, "--format", format)
    done = meshdsl(*arguments, "--output", "report", cwd=repository)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    text = output.read_text()
    assert words in text
    assert "an older report" not in text
    assert words in done.stderr
    assert done.stderr.endswith(f"Nothing could be told, so the exit code is {code}\n")
    # At a terminal standard error has said it all.
    assert meshdsl(*arguments, cwd=repository).stdout == ("" if format == "text" else text)
    if format in ("json", "sarif"):
        document = json.loads(text)
    if format == "json":
        SCHEMA.validate(document)
        summary = document["summary"]
        assert (summary["complete"], summary["different"]) == (False, False)
        assert document["failed"] == ([] if wrong == "configuration" else ["one"])


def test_the_step_of_the_documents_fails_where_nothing_could_be_told(repository: Path) -> None:
    documents = (ROOT / "docs" / "diff.md").read_text()
    (step,) = [line for line in documents.splitlines() if "--output diff.md" in line]
    command = step.removeprefix("- run: ").replace("meshdsl ", f"'{sys.executable}' -m meshdsl ")
    command = command.replace("git:origin/main", "git:main")

    def run() -> int:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(["sh", "-c", command], cwd=repository, env=environment, capture_output=True).returncode

    assert run() == 0
    wider(repository)
    assert run() == 0
    change(repository, "percent=25", "percent=250")
    assert run() != 0


def test_a_cluster_that_could_not_be_compared_is_counted_and_named(built: Path) -> None:
    (built / "out" / "two" / "prod" / "api.yaml").write_text("a: [1\n")
    for name in ("text", "markdown", "html", "sarif", "github"):
        done = meshdsl("diff", "--against", "out", "--format", name, "--output", "report", cwd=built)
        assert done.returncode == 3, done.stderr
        assert "Compared 1 of 2 clusters: " in done.stderr
        text = (built / "report").read_text()
        assert "MESH82" in text
        assert "two" in text
    document = as_json(meshdsl("diff", "--against", "out", "--format", "json", cwd=built))
    assert document["failed"] == ["two"]
    assert [one["cluster"] for one in document["clusters"]] == ["one"]
    summary = {name: document["summary"][name] for name in ("complete", "clusters", "failed", "unknown")}
    assert summary == {"complete": False, "clusters": 2, "failed": 1, "unknown": 0}


def odd(built: Path) -> None:
    """What was applied has a path that the language does not have, and another timeout."""
    (file,) = (built / "out" / "one" / "prod").glob("api.yaml")
    text = file.read_text()
    assert text.count("    timeout: 5s\n") == 1
    match = "  - name: odd\n    match:\n    - uri:\n        prefix: /orders\n    route:\n"
    route = "    - destination:\n        host: api.prod.svc.cluster.local\n"
    text = text.replace("    timeout: 5s\n", "    timeout: 3s\n")
    file.write_text(text.replace("  http:\n", f"  http:\n{match}{route}"))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--fail-on", "removed-timeout"), 3),
        (("--fail-on", "moved-traffic,weakened-mtls", "--view", "fields"), 3),
        (("--fail-on", "widened-access"), 0),
        (("--view", "policy", "--view", "access"), 3),
        (("--view", "access"), 0),
        ((), 1),
    ],
)
def test_a_risk_that_could_not_be_read_back_is_no_answer(built: Path, options: tuple[str, ...], code: int) -> None:
    odd(built)
    done = meshdsl("diff", "--against", "out/one", "--cluster", "one", *options, cwd=built)
    assert done.returncode == code, done.stdout + done.stderr
    named = "? risks of prod/api (moved-traffic, removed-timeout or unsafe-retries): its routes cannot be read back"
    assert named in done.stdout
    assert ("not everything could be told" in done.stderr) == (code == 3)
    assert "none of the risks" not in done.stderr or code == 0
    document = as_json(
        meshdsl("diff", "--against", "out/one", "--cluster", "one", *options, "--format", "json", cwd=built)
    )
    assert [one["subject"] for one in document["clusters"][0]["untold"]] == ["prod/api"]
    assert document["summary"]["complete"] == (code != 3)


def test_where_nothing_was_read_the_last_line_does_not_speak_of_agreement(built: Path) -> None:
    (built / "dump.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: there\n")
    done = meshdsl("diff", "--against", "dump.yaml", "--cluster", "one", cwd=built)
    assert done.returncode == 3
    assert "no difference" not in done.stderr
    assert "not everything could be told" in done.stderr


def test_a_report_that_cannot_be_written_is_said(built: Path) -> None:
    done = meshdsl("diff", "--against", "out", "--output", "nowhere/report", cwd=built)
    assert (done.returncode, "MESH876" in done.stderr) == (3, True)


def test_the_report_does_not_depend_on_the_surroundings(built: Path) -> None:
    wider(built)
    texts = {
        meshdsl("diff", "--against", "out", "--format", "json", cwd=built, **environment).stdout
        for environment in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "COLUMNS": "20"})
    }
    assert len(texts) == 1


# ---------------------------------------------------------------------------------------------------------- a revision


def test_a_revision_that_says_the_same_is_no_difference(repository: Path) -> None:
    done = meshdsl("diff", "--against", "git:HEAD", cwd=repository)
    assert (done.returncode, done.stdout.count("no differences in ")) == (0, 2)


def test_a_revision_is_compared_by_plan_and_by_manifest(repository: Path) -> None:
    wider(repository)
    before = tree(repository)
    done = meshdsl("diff", "--against", "git:main", cwd=repository)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("10 % → 25 %") >= 2
    assert "one against git:main (" in done.stdout
    assert "widened-access" in done.stdout
    assert tree(repository) == before


def test_what_is_removed_is_shown_at_its_line_in_the_revision(repository: Path) -> None:
    change(repository, "timeout = ", "# timeout = ")
    document = as_json(meshdsl("diff", "--against", "git:HEAD", "--format", "json", cwd=repository))
    cluster = document["clusters"][0]
    assert "removed-timeout" in [risk["risk"] for risk in cluster["risks"]]
    assert "/meshdsl-revision-" not in json.dumps(document)


def test_the_revision_may_have_another_configuration(repository: Path) -> None:
    (repository / "policies").rename(repository / "mesh")
    (repository / "meshdsl.toml").write_text('policies = "mesh"\n' + CONFIG.replace("clusters.one", "clusters.new"))
    done = meshdsl("diff", "--against", "git:HEAD", "--format", "json", cwd=repository)
    assert done.returncode == 1, done.stderr
    document = as_json(done)
    new, two = document["clusters"]
    assert new["against"].endswith("which has no such cluster")
    assert {change["action"] for change in new["objects"]} == {"create"}
    assert two["objects"] == []
    assert "MESH879" in [found["code"] for found in document["diagnostics"]]


def test_a_mesh_without_configuration_is_compared_too(repository: Path) -> None:
    wider(repository)
    done = meshdsl("diff", "policies", "--target", "istio", "--against", "git:HEAD", cwd=repository)
    assert done.returncode == 1, done.stderr
    assert "DELETE" in done.stdout


def test_a_revision_that_does_not_compile_is_said_to_be_the_one(repository: Path) -> None:
    change(repository, "percent=10", "percent=200")
    commit(repository)
    change(repository, "percent=200", "percent=10")
    done = meshdsl("diff", "--against", "git:HEAD", cwd=repository)
    assert done.returncode == 3
    assert "HEAD:policies/shop.py:8: error" in done.stderr
    assert "in revision HEAD: " in done.stderr
    assert "percent=200" in done.stderr
    assert "Traceback" not in done.stderr
    assert "meshdsl-revision" not in done.stderr


def test_policies_that_are_wrong_now_are_no_matter_of_the_revision(repository: Path) -> None:
    change(repository, "percent=10", "percent=200")
    done = meshdsl("diff", "--against", "git:HEAD", cwd=repository)
    assert done.returncode == 3
    assert "policies/shop.py:8: error" in done.stderr
    assert "HEAD" not in done.stderr


def test_a_revision_without_a_configuration_is_said(repository: Path) -> None:
    (repository / "meshdsl.toml").unlink()
    commit(repository)
    (repository / "meshdsl.toml").write_text(CONFIG)
    done = meshdsl("diff", "--against", "git:HEAD", cwd=repository)
    assert (done.returncode, "MESH875" in done.stderr) == (3, True)


def test_a_revision_that_does_not_exist_is_said(repository: Path) -> None:
    done = meshdsl("diff", "--against", "git:nowhere", "--format", "json", cwd=repository)
    document = as_json(done)
    assert (done.returncode, document["diagnostics"][0]["code"], document["clusters"]) == (2, "MESH871", [])


def test_a_folder_without_git_is_said(shop: Path) -> None:
    done = meshdsl("diff", "--against", "git:HEAD", cwd=shop)
    assert (done.returncode, "MESH872" in done.stderr) == (2, True)


# ----------------------------------------------------------------------------------------------------------- bad input

SECRET = """apiVersion: v1
kind: Secret
metadata: {name: s, namespace: prod}
stringData: {password: canary-secret-value}
"""
OTHERS = """apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: prod, annotations: {note: "\\e[2J\\u202e"}}
"""


@pytest.mark.parametrize(
    ("dump", "words"),
    [
        ("a: [1\n", "no YAML"),
        ("apiVersion: v1\nkind: Service\nkind: Service\nmetadata: {name: x}\n", "twice"),
        ("{" * 500, ""),
        ("just text\n", ""),
    ],
    ids=["broken", "duplicate keys", "deep", "no object"],
)
def test_a_dump_that_cannot_be_read_is_an_error_with_its_line(shop: Path, dump: str, words: str) -> None:
    (shop / "dump.yaml").write_text(dump)
    done = meshdsl("diff", "--cluster", "one", "--against", "dump.yaml", cwd=shop)
    assert done.returncode == 3
    assert "dump.yaml:" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_yaml_bomb_is_refused_quickly(shop: Path) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (shop / "dump.yaml").write_text("\n".join(lines))
    done = meshdsl("diff", "--cluster", "one", "--against", "dump.yaml", cwd=shop)
    assert (done.returncode, "MESH824" in done.stderr) == (3, True)


@pytest.mark.parametrize("format", DIFF_FORMATS)
def test_a_secret_of_a_dump_is_in_no_format(shop: Path, format: str) -> None:
    (shop / "dump.yaml").write_text(f"{SECRET}---\n{OTHERS}")
    done = meshdsl("diff", "--cluster", "one", "--against", "dump.yaml", "--format", format, "-v", cwd=shop)
    assert done.returncode == 3, done.stderr  # the dump has not every kind
    assert "canary-secret-value" not in done.stdout + done.stderr


def test_control_characters_are_escaped_for_people_and_exact_for_programs(built: Path) -> None:
    file = built / "out" / "one" / "prod" / "api.yaml"
    text = file.read_text()
    assert "timeout: 5s" in text
    file.write_text(text.replace("timeout: 5s", 'timeout: "\\e[2J\\u202e5s"'))
    arguments = ("diff", "--cluster", "one", "--against", "out/one")
    shown = meshdsl(*arguments, cwd=built)
    assert shown.returncode == 1
    assert not set("\x1b\u202e") & set(shown.stdout)
    fields = [
        field
        for change in as_json(meshdsl(*arguments, "--format", "json", cwd=built))["clusters"][0]["objects"]
        for field in change["fields"]
    ]
    assert "\x1b[2J\u202e5s" in repr([field.get("live") for field in fields]).encode().decode("unicode_escape")


def test_a_folder_that_is_not_ours_is_compared_and_nothing_in_it_would_be_deleted(shop: Path) -> None:
    (shop / "theirs").mkdir()
    (shop / "theirs" / "c.yaml").write_text(OTHERS)
    done = meshdsl("diff", "--cluster", "one", "--against", "theirs", "--format", "json", cwd=shop)
    assert {change["action"] for change in as_json(done)["clusters"][0]["objects"]} == {"create"}


@pytest.mark.parametrize("path", ["nowhere", "empty"])
def test_a_folder_without_manifests_is_said(shop: Path, path: str) -> None:
    (shop / "empty").mkdir()
    done = meshdsl("diff", "--cluster", "one", "--against", path, cwd=shop)
    assert done.returncode == 3
    assert "MESH82" in done.stderr


# --------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--against", "out", "--server-side"], "--server-side asks a live cluster"),
        (["--against", "out", "--context", "x"], "--context names a live cluster"),
        (["--against", "git:HEAD", "--show-rbac"], "--show-rbac is for a live cluster"),
        (["--against", "out", "--pods"], "--pods asks a live cluster"),
        (["--fail-on", "widened-acces", "--against", "out"], "Did you mean 'widened-access'?"),
        (["--against", ""], "--against is empty"),
        (["--context", "x"], "choose one with --cluster; there are one, two"),
        ([], "these clusters have no context: one, two"),
        (["--against", "policies"], "choose one with --cluster; there are one, two"),
        (["--view", "everything"], "'everything' is not one of"),
        (["--timeout", "0"], "0"),
        (["--cluster", "three"], "there is no cluster 'three'"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(shop: Path, arguments: list[str], words: str) -> None:
    done = meshdsl("diff", *arguments, cwd=shop)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


# -------------------------------------------------------------------------------------------------------- live clusters


def test_the_role_is_printed_without_a_cluster(shop: Path) -> None:
    done = meshdsl("diff", "--cluster", "one", "--show-rbac", cwd=shop, PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "kind: ClusterRole\n" in done.stdout
    assert "virtualservices" in done.stdout
    assert "grpcroutes" not in done.stdout
    assert "patch" not in done.stdout
    assert "- pods\n" not in done.stdout
    assert "patch" in meshdsl("diff", "--cluster", "one", "--show-rbac", "--server-side", cwd=shop).stdout
    assert "- pods\n" in meshdsl("diff", "--cluster", "one", "--show-rbac", "--pods", cwd=shop).stdout


@pytest.mark.parametrize("format", ["sarif", "github"])
def test_widened_access_is_found_at_the_line_of_the_policy(repository: Path, format: str) -> None:
    wider(repository)
    done = meshdsl("diff", "--against", "git:HEAD", "--format", format, cwd=repository)
    if format == "github":
        assert "file=policies/shop.py,line=7," in done.stdout
        return
    results = json.loads(done.stdout)["runs"][0]["results"]
    (found,) = [result for result in results if result["ruleId"] == "MESH861"]
    assert found["locations"][0]["physicalLocation"]["region"]["startLine"] == 7


def test_a_missing_kubectl_is_said(shop: Path) -> None:
    done = meshdsl("diff", "--cluster", "one", cwd=shop, PATH="/nowhere")
    assert (done.returncode, "MESH801" in done.stderr) == (3, True)
    assert "Traceback" not in done.stderr
