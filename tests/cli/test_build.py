"""``meshdsl build``, end to end, as a process of its own on a small repository."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.running import meshdsl, tree

CONFIG = """
[tool.meshdsl]
name = "shop"

[tool.meshdsl.clusters.eu]
target = "istio"

[tool.meshdsl.clusters.us]
target = "linkerd"
"""

POLICIES = """from meshdsl import Allow, Canary, MutualTls, Namespace, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"))
policies = [
    MutualTls(prod, mode="strict"),
    Canary(api, stable="v1", canary="v2", percent=10),
    Timeout(api, "5s"),
    Allow(api, callers=(web,)),
]
"""

UNSUPPORTED = """
from meshdsl import Abort, Fault
policies.append(Fault(api, abort=Abort(503, percent=10)))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.py").write_text(POLICIES)
    return tmp_path


def add(project: Path, text: str) -> None:
    with (project / "policies" / "shop.py").open("a") as file:
        file.write(text)


def test_a_build_writes_every_cluster_and_says_so_in_one_line(project: Path) -> None:
    done = meshdsl("build", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Built 4 policies, 2 services, ")
    assert done.stdout.count("\n") == 1
    names = set(tree(project / "out"))
    assert {"eu/prod/api.yaml", "us/prod/api.yaml", "eu/prod/_namespace.yaml"} <= names
    assert f"{len(names)} files written, 0 unchanged, 0 removed" in done.stdout
    again = meshdsl("build", cwd=project)
    assert f"0 files written, {len(names)} unchanged, 0 removed" in again.stdout


def test_a_build_runs_from_a_folder_below_and_from_elsewhere(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert meshdsl("build", cwd=project / "policies").returncode == 0
    written = tree(project / "out")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert meshdsl("build", str(project), "--check", cwd=elsewhere).returncode == 0
    assert meshdsl("build", str(project / "pyproject.toml"), "--check", cwd=elsewhere).returncode == 0
    assert tree(project / "out") == written
    assert list(elsewhere.iterdir()) == []


def test_one_cluster_leaves_the_others_alone(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    before = tree(project / "out" / "us")
    add(project, '\npolicies.append(Timeout(web, "9s"))\n')
    assert meshdsl("build", "--cluster", "eu", cwd=project).returncode == 0
    assert tree(project / "out" / "us") == before
    assert meshdsl("build", "--check", "--cluster", "eu", cwd=project).returncode == 0
    assert meshdsl("build", "--check", cwd=project).returncode == 1


def test_an_unknown_cluster_is_a_configuration_error_with_the_nearest_name(project: Path) -> None:
    done = meshdsl("build", "--cluster", "eux", cwd=project)
    assert done.returncode == 2
    assert "MESH051: there is no cluster 'eux'" in done.stderr
    assert "did you mean 'eu'?" in done.stderr


def test_nothing_is_written_when_one_cluster_fails(project: Path) -> None:
    add(project, UNSUPPORTED)
    done = meshdsl("build", cwd=project)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "policies/shop.py:14: error MESH530" in done.stderr
    assert "on cluster: us" in done.stderr
    assert not (project / "out").exists()


def test_accepting_what_is_no_approximation_is_answered(project: Path) -> None:
    add(project, UNSUPPORTED.replace("percent=10)", 'percent=10), accept=("MESH530",)'))
    done = meshdsl("build", cwd=project)
    assert done.returncode == 1
    assert "to accept MESH530 does not help here" in done.stderr


def test_findings_of_all_clusters_and_files_are_shown_at_once(project: Path) -> None:
    add(project, UNSUPPORTED)
    (project / "policies" / "other.py").write_text(
        "from meshdsl import Mirror\nfrom policies.shop import api, web\nmirror = Mirror(api, to=web)\n"
    )
    done = meshdsl("build", cwd=project)
    assert done.returncode == 1
    assert "policies/other.py:3: error MESH532" in done.stderr
    assert "policies/shop.py:14: error MESH530" in done.stderr


def test_what_fails_ends_with_the_number_of_errors_and_what_was_written(project: Path) -> None:
    add(project, UNSUPPORTED)
    done = meshdsl("build", cwd=project)
    assert done.returncode == 1
    assert done.stderr.endswith("\n1 error: nothing was written\n")
    assert "nothing was written" not in meshdsl("build", "-q", cwd=project).stderr
    assert meshdsl("trace", "--from", "prod/web", "--to", "prod/nobody", cwd=project).stderr.endswith("\n1 error\n")


@pytest.mark.parametrize("format", ["json", "sarif", "github"])
def test_findings_in_other_formats_go_to_standard_output(project: Path, format: str) -> None:
    add(project, UNSUPPORTED)
    done = meshdsl("build", "--format", format, cwd=project)
    assert (done.returncode, done.stderr) == (1, "")
    assert "MESH530" in done.stdout
    if format == "github":
        assert done.stdout.startswith("::error file=policies/shop.py,line=14")
    else:
        json.loads(done.stdout)


def test_json_has_the_numbers_of_a_build_and_no_clock(project: Path) -> None:
    first, second = (meshdsl("build", "--check", "--format", "json", cwd=project) for _ in range(2))
    assert first.stdout == second.stdout
    summary = json.loads(first.stdout)["summary"]
    assert (summary["clusters"], summary["policies"], summary["services"]) == (2, 4, 2)
    assert summary["objects"] > 4


def test_the_stream_is_manifests_alone(project: Path) -> None:
    done = meshdsl("build", "--cluster", "eu", "--out", "-", "--format", "json", cwd=project)
    assert done.returncode == 0
    assert done.stdout.startswith("apiVersion:")
    assert "kind: VirtualService" in done.stdout
    assert json.loads(done.stderr.rpartition("Built")[0])["diagnostics"] == []
    assert not (project / "out").exists()


def test_the_stream_needs_exactly_one_cluster(project: Path) -> None:
    done = meshdsl("build", "--out", "-", cwd=project)
    assert done.returncode == 2
    assert "eu, us" in done.stderr
    assert done.stdout == ""


def test_a_stream_that_fails_writes_nothing_to_standard_output(project: Path) -> None:
    add(project, UNSUPPORTED)
    for name in ("text", "json", "sarif", "github"):
        done = meshdsl("build", "--cluster", "us", "--out", "-", "--format", name, cwd=project)
        assert (done.returncode, done.stdout) == (1, "")
        assert "MESH530" in done.stderr


@pytest.mark.parametrize("target", ["istio", "linkerd"])
def test_a_target_needs_no_configuration(project: Path, target: str) -> None:
    (project / "pyproject.toml").unlink()
    assert meshdsl("build", "--target", target, cwd=project).returncode == 0
    assert list((project / "out").iterdir()) == [project / "out" / target]
    assert meshdsl("build", "--target", target, "policies/shop.py", "--out", "other", cwd=project).returncode == 0
    assert set(tree(project / "other" / target)) == set(tree(project / "out" / target))
    assert meshdsl("build", "--target", target, "--check", cwd=project).returncode == 0
    assert meshdsl("build", "--target", target, cwd=project / "other").returncode == 2


def test_check_names_what_is_missing_changed_and_stale(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    out = project / "out"
    (out / "eu" / "prod" / "api.yaml").write_text((out / "eu" / "prod" / "api.yaml").read_text() + "# by hand\n")
    (out / "us" / "prod" / "api.yaml").unlink()
    shutil.copy(out / "eu" / "prod" / "_namespace.yaml", out / "eu" / "prod" / "old.yaml")
    before = tree(out)
    done = meshdsl("build", "--check", cwd=project)
    assert done.returncode == 1
    assert "out/eu/prod/api.yaml: error MESH062: this file is not what the policies say\n" in done.stderr
    assert "help: run meshdsl build and commit" in done.stderr
    assert "out/us/prod/api.yaml: error MESH061: this file is missing\n" in done.stderr
    assert "out/eu/prod/old.yaml: error MESH063: no policy makes this file any more\n" in done.stderr
    assert "3 files out of date" in done.stdout
    assert tree(out) == before
    assert meshdsl("build", cwd=project).returncode == 0
    assert meshdsl("build", "--check", cwd=project).returncode == 0


def test_the_folder_of_a_former_cluster_is_stale_and_foreign_files_in_it_stay(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    out = project / "out"
    shutil.copytree(out / "eu", out / "old")
    (out / "old" / "prod" / "mine.yaml").write_text("kind: ConfigMap\n")
    (out / "notes").mkdir()
    (out / "notes" / "readme.md").write_text("mine\n")
    assert meshdsl("build", "--check", "--cluster", "eu", cwd=project).returncode == 0
    done = meshdsl("build", "--check", cwd=project)
    assert done.returncode == 1
    assert "out/old: error MESH063: 2 files of this folder belong to no configured cluster\n" in done.stderr
    assert "mine" not in done.stderr
    assert meshdsl("build", "--cluster", "eu", cwd=project).returncode == 0
    assert (out / "old" / "prod" / "api.yaml").exists()
    done = meshdsl("build", cwd=project)
    assert done.returncode == 0
    assert done.stderr == "out/old belongs to no configured cluster: delete it, or add the cluster\n"
    assert set(tree(out / "old")) == {*tree(out / "eu"), "prod/mine.yaml"}
    assert set(tree(out / "notes")) == {"readme.md"}
    assert "run `meshdsl build`" not in meshdsl("build", "--check", cwd=project).stdout


def test_what_is_wrong_in_the_output_of_one_cluster_leaves_all_as_they_are(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    add(project, '\npolicies.append(Timeout(web, "9s"))\n')
    (project / "out" / "us" / "prod" / "web.yaml").write_text("mine\n")
    before = tree(project / "out")
    done = meshdsl("build", cwd=project)
    assert done.returncode == 3
    assert "out/us/prod/web.yaml: error MESH705: this file is not ours" in done.stderr
    assert tree(project / "out") == before


def test_an_output_folder_that_is_a_file_is_named(project: Path) -> None:
    (project / "out").write_text("x")
    done = meshdsl("build", cwd=project)
    assert done.returncode == 3
    assert done.stderr.startswith("out: error MESH703: this is not a folder\n")


def test_an_inventory_without_a_policy_is_an_error_and_takes_nothing_away(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    before = tree(project / "out")
    (project / "policies" / "shop.py").write_text(POLICIES.partition("policies = [")[0])
    done = meshdsl("build", cwd=project)
    assert done.returncode == 1
    assert done.stderr.startswith("policies: error MESH104: these files declare what there is, and no policy\n")
    assert tree(project / "out") == before
    assert meshdsl("explain", "prod/api", cwd=project).returncode == 0


def test_a_cluster_for_which_a_function_gives_no_policy_is_built_alone_as_with_all(project: Path) -> None:
    function = 'def policies(env):\n    return [Timeout(api, "5s")] if env.cluster == "us" else ()\n'
    (project / "policies" / "shop.py").write_text(POLICIES.partition("policies = [")[0] + function)
    for arguments in ([], ["--cluster", "eu"], ["--cluster", "us"]):
        done = meshdsl("build", *arguments, cwd=project)
        assert done.returncode == 0, done.stderr
    (project / "policies" / "shop.py").write_text(POLICIES.partition("policies = [")[0])
    assert meshdsl("build", "--cluster", "eu", cwd=project).returncode == 1


def test_a_pipe_in_the_output_is_named_and_not_read(project: Path) -> None:
    (project / "out" / "us" / "prod").mkdir(parents=True)
    os.mkfifo(project / "out" / "us" / "prod" / "api.yaml")
    done = meshdsl("build", "--format", "github", cwd=project)
    assert done.returncode == 3
    assert done.stdout.startswith("::error file=out/us/prod/api.yaml,title=MESH703::this is not a file%0A")


@pytest.mark.parametrize("out", ["policies", ".", "..", "policies/below"])
def test_output_among_its_sources_is_refused_as_in_the_configuration(project: Path, out: str) -> None:
    before = tree(project)
    for arguments in (["build"], ["build", "--target", "istio"], ["build", "--target", "istio", "policies/shop.py"]):
        if arguments[-1].endswith(".py") and out.startswith("policies"):
            continue
        done = meshdsl(*arguments, "--out", out, cwd=project)
        assert (done.returncode, "MESH006" in done.stderr) == (2, True), done
    assert tree(project) == before


def test_a_mesh_without_its_profile_never_goes_where_a_configured_cluster_is(project: Path) -> None:
    for arguments in ([], ["--check"]):
        done = meshdsl("build", "--target", "istio", *arguments, cwd=project / "policies")
        assert done.returncode == 2
        assert "--out DIR" in done.stderr
        assert "../pyproject.toml" in done.stderr
    assert meshdsl("build", "--target", "istio", "--out", "-", cwd=project).returncode == 0
    assert meshdsl("build", "--target", "istio", "--out", "trial", cwd=project).returncode == 0
    assert not (project / "out").exists()


def test_a_missing_policies_folder_is_shown_in_the_configuration(project: Path) -> None:
    (project / "pyproject.toml").write_text(CONFIG.replace('"shop"', '"shop"\npolicies = "polcies"'))
    done = meshdsl("build", cwd=project)
    assert done.returncode == 2
    assert "pyproject.toml:4: error MESH101: there is no file or folder 'polcies'" in done.stderr


def test_a_copy_of_the_repository_under_another_name_builds_the_same(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    copy = shutil.copytree(project, project.parent / "another name")
    assert meshdsl("build", "--check", cwd=copy).returncode == 0


def test_a_check_shows_the_first_change_of_a_file_when_asked(project: Path) -> None:
    assert meshdsl("build", cwd=project).returncode == 0
    file = project / "out" / "eu" / "prod" / "api.yaml"
    file.write_text(file.read_text().replace("weight: 10\n", "weight: 11\n") + "# end\n" * 1000)
    done = meshdsl("build", "--check", "-v", cwd=project)
    assert "--- out/eu/prod/api.yaml\n+++ what the policies say\n" in done.stderr
    assert "weight: 11\n+" in done.stderr
    assert len(done.stderr.splitlines()) < 40
    assert "weight" not in meshdsl("build", "--check", cwd=project).stderr


def test_another_output_folder_is_never_searched_for_former_clusters(project: Path) -> None:
    assert meshdsl("build", "--out", "shared", cwd=project).returncode == 0
    shutil.copytree(project / "shared" / "eu", project / "shared" / "theirs")
    assert meshdsl("build", "--out", "shared", cwd=project).returncode == 0
    assert (project / "shared" / "theirs" / "prod" / "api.yaml").exists()


def test_output_that_depends_on_the_surroundings_is_found_by_check(project: Path) -> None:
    add(project, '\nimport os\npolicies.append(Timeout(web, "7s" if os.environ["TZ"] == "UTC" else "8s"))\n')
    assert meshdsl("build", cwd=project, TZ="UTC").returncode == 0
    done = meshdsl("build", "--check", cwd=project, TZ="UTC")
    assert done.returncode == 1
    assert "MESH062" not in done.stderr
    assert "policies/shop.py:14: error MESH131: VirtualService prod/web" in done.stderr
    document = json.loads(meshdsl("build", "--check", "--format", "json", cwd=project, TZ="UTC").stdout)
    assert {one["code"] for one in document["diagnostics"]} == {"MESH131"}
    assert document["summary"]["to_write"] == 0
    assert "written" not in document["summary"]


def test_quiet_says_nothing_and_verbose_names_the_files(project: Path) -> None:
    done = meshdsl("-q", "build", cwd=project)
    assert (done.stdout, done.stderr) == ("", "")
    shutil.rmtree(project / "out")
    done = meshdsl("build", "-v", cwd=project)
    assert "out/eu/prod/api.yaml" in done.stderr
    assert meshdsl("build", "-q", "--check", cwd=project).stdout == ""


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "en_US.ISO-8859-1", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb", "COLUMNS": "20"},
        {"PYTHONHASHSEED": "1", "HOME": "/nonexistent", "NO_COLOR": "1"},
    ],
)
def test_output_and_findings_do_not_depend_on_the_surroundings(project: Path, environment: dict[str, str]) -> None:
    reference = meshdsl("build", "--cluster", "eu", "--out", "-", cwd=project).stdout
    assert meshdsl("build", "--cluster", "eu", "--out", "-", cwd=project, **environment).stdout == reference
    add(project, UNSUPPORTED + "\n# é\n")
    findings = meshdsl("build", cwd=project).stderr
    assert meshdsl("build", cwd=project, **environment).stderr == findings


@pytest.mark.parametrize(
    ("mistake", "line"),
    [
        ("1 / 0", 13),
        ("import nothing_of_that_name", 13),
        ("def f(:", 13),
        ("Timeout(api, 5)", 13),
        ('Timeout(api, requset="5s")', 13),
        ('Timeout(apy, "5s")', 13),
        ('later = Timeout("prod/apy", "5s")', 13),
        ('Timeout(web, "5s")', 13),
        ("raise SystemExit(0)", 13),
    ],
)
def test_a_mistake_in_a_policy_is_shown_with_its_line_and_nothing_is_written(
    project: Path, mistake: str, line: int
) -> None:
    add(project, f"\n{mistake}\n")
    done = meshdsl("build", cwd=project)
    assert done.returncode == 1, done
    assert f"policies/shop.py:{line}: error MESH" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "out").exists()
