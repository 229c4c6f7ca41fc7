"""``meshdsl trace``: what happens to a request, read from the policies, from manifests and from what somebody dumped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshdsl.cli.objects import reasons_of
from meshdsl.compare.kinds import OF_TARGET
from meshdsl.compare.live import Scope, Unknown
from tests.cli.running import meshdsl

ASK = ("trace", "--from", "prod/web", "--to", "prod/api")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    assert meshdsl("init", cwd=folder).returncode == 0
    assert meshdsl("build", cwd=folder).returncode == 0
    return folder


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_policies_answer_with_the_line_of_each_step(project: Path) -> None:
    done = meshdsl(*ASK, "GET", "/items", "-H", "x-canary: true", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    found = lines(done.stdout)
    assert found[0] == "On istio, ambient, linkerd:"
    assert found[1] == "GET /items with x-canary: true from prod/web to prod/api:8080"
    assert found[3] == "allowed, v2 100 %, tried once, 5s at most"
    assert any(line.startswith("connection mTLS, with the identity prod/web policies/access.py:8") for line in found)
    assert any(line.startswith("route default-canary") and line.endswith("policies/traffic.py:7") for line in found)
    assert any(line.endswith("policies/traffic.py:8") for line in found)
    assert any(line.startswith("access let in by an Allow policies/access.py:10") for line in found)


def test_clusters_in_which_it_means_the_same_are_told_once(project: Path) -> None:
    done = meshdsl(*ASK, "GET", "/items", cwd=project)
    assert done.stdout.count("GET /items from") == 1
    assert done.stdout.startswith("On istio, ambient, linkerd:\n")
    assert "some differ" not in done.stdout


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clusters of one mesh whose canaries differ, and a third with another mesh and a Deny less."""
    folder = tmp_path_factory.mktemp("differing")
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.py").write_text(DIFFERING)
    clusters = "".join(
        f'[clusters.{name}]\ntarget = "{target}"\nenvironment = {{ percent = {percent} }}\n'
        for name, target, percent in (("one", "istio", 10), ("two", "istio", 20), ("three", "linkerd", 10))
    )
    (folder / "meshdsl.toml").write_text(f'name = "shop"\n\n{clusters}')
    return folder


DIFFERING = """from meshdsl import Allow, Canary, Deny, Namespace, Service

prod = Namespace("prod")
web, cron = Service("web", prod, port=80), Service("cron", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"), probes=())
allow = Allow(api, callers=(web,), methods=("GET",))
deny = Deny(api, callers=(cron,), only=("istio",))


def policies(env):
    return [Canary(api, stable="v1", canary="v2", percent=env["percent"])]
"""


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("On ")]


def test_clusters_with_one_answer_are_one_block_whatever_was_passed_over_there(differing: Path) -> None:
    done = meshdsl(*ASK, "GET", "/", cwd=differing)
    assert headings(done.stdout) == ["On one, three:", "On two:"], done.stderr
    assert "these are the steps on one; on three some differ: --explain shows them" in done.stdout
    assert headings(meshdsl(*ASK, "GET", "/", "--explain", cwd=differing).stdout) == ["On one:", "On two:", "On three:"]


def test_of_a_request_that_is_denied_it_does_not_matter_where_it_would_have_gone(differing: Path) -> None:
    done = meshdsl(*ASK, "POST", "/", cwd=differing)
    assert headings(done.stdout) == ["On one, two, three:"]
    assert "on two, three some differ" in done.stdout


def test_clusters_whose_manifests_say_the_same_are_told_once(differing: Path) -> None:
    asked = (*ASK, "GET", "/", "--by-address", "--cluster", "one", "--cluster", "two", "--cluster", "three")
    assert headings(meshdsl(*asked, cwd=differing).stdout) == ["On one, two:", "On three:"]


@pytest.mark.parametrize("cluster", ["istio", "ambient", "linkerd"])
def test_the_manifests_of_a_cluster_answer_with_object_and_field(project: Path, cluster: str) -> None:
    done = meshdsl(*ASK, "GET", "/items", "--cluster", cluster, cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "allowed, v1 90 %, v2 10 %" in done.stdout
    assert ("VirtualService prod/api" if cluster == "istio" else "HTTPRoute prod/api") in done.stdout
    assert "the policies mean" not in done.stdout


def test_what_was_built_is_read_back_with_against(project: Path) -> None:
    for cluster in ("istio", "ambient", "linkerd"):
        against = ("--cluster", cluster, "--against", f"out/{cluster}")
        done = meshdsl(*ASK, "POST", "/items", *against, cwd=project)
        assert done.returncode == 0, done.stderr
        assert "allowed, v1 90 %, v2 10 %" in done.stdout


def test_where_the_objects_mean_something_else_it_is_said(project: Path, tmp_path: Path) -> None:
    for file in (project / "out/istio/prod").iterdir():
        (tmp_path / file.name).write_text(
            file.read_text().replace("weight: 90", "weight: 50").replace("weight: 10", "weight: 50")
        )
    done = meshdsl(*ASK, "GET", "/items", "--cluster", "istio", "--against", str(tmp_path), cwd=project)
    assert "allowed, v1 50 %, v2 50 %" in done.stdout
    assert "the policies mean: allowed, v1 90 %, v2 10 %" in done.stdout


def test_what_is_not_modelled_is_named_and_the_exit_code_is_3(project: Path, tmp_path: Path) -> None:
    for file in (project / "out/istio/prod").iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    body = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "lua", "namespace": "prod"},
        "spec": {"configPatches": []},
    }
    (tmp_path / "filter.yaml").write_text(json.dumps(body))
    done = meshdsl(*ASK, "GET", "/items", "--cluster", "istio", "--against", str(tmp_path), cwd=project)
    assert done.returncode == 3
    assert "EnvoyFilter prod/lua" in done.stdout


def test_the_tree_shows_what_was_passed_over(project: Path) -> None:
    done = meshdsl(*ASK, "GET", "/items", "--explain", cwd=project)
    assert "└─ ✗ default-canary" in done.stdout


def test_json_is_for_programs(project: Path) -> None:
    done = meshdsl(*ASK, "GET", "/items?a=1", "--format", "json", "--cluster", "linkerd", cwd=project)
    document = json.loads(done.stdout)
    assert (document["version"], document["command"], document["complete"]) == (1, "trace", True)
    assert document["meshdsl"]
    read, meant = document["traces"]
    assert read["cluster"] == "linkerd"
    for found in (read, meant):
        assert (found["verdict"], found["versions"], found["deadline_ms"]) == ("allowed", {"v1": 90, "v2": 10}, 5000)
        assert found["request"]["query"] == {"a": "1"}
        assert found["reasons"]
    assert meant["read"] == "the policies"


def test_json_says_what_a_refused_caller_gets_and_whether_all_could_be_told(project: Path) -> None:
    def asked(path: str, *more: str) -> dict[str, Any]:
        done = meshdsl(
            "trace", "--from", "outside", "--to", "prod/api", "GET", path, "--format", "json", *more, cwd=project
        )
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["complete"] is (done.returncode == 0)
        return document

    found = [(one["verdict"], one["status"], one["closed"]) for one in asked("/", "--cluster", "linkerd")["traces"]]
    assert found == [("denied", 403, False), ("denied", None, None)]
    found = [(one["verdict"], one["status"], one["closed"]) for one in asked("/", "--cluster", "istio")["traces"]]
    assert found == [("denied", None, True), ("denied", None, None)]
    assert asked("/a//b")["complete"] is False


def test_everybody_else_is_refused(project: Path) -> None:
    for caller in ("account:ci/runner", "prod/api", "anyone", "outside"):
        done = meshdsl("trace", "--from", caller, "--to", "prod/api", "/items", cwd=project)
        assert done.returncode == 0
        assert lines(done.stdout)[3] == "denied", caller


def test_a_path_alone_is_got_and_the_folder_may_follow(project: Path) -> None:
    done = meshdsl(*ASK, "/items", str(project), cwd=project.parent)
    assert done.returncode == 0
    assert lines(done.stdout)[1] == "GET /items from prod/web to prod/api:8080"


def test_a_connection_may_be_asked_of_another_folder(project: Path) -> None:
    done = meshdsl(*ASK, project.name, cwd=project.parent)
    assert done.returncode == 0
    assert lines(done.stdout)[1] == "a connection from prod/web to prod/api:8080"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "prod/wob", "--to", "prod/api", "/"), "did you mean 'prod/web'?"),
        (("--from", "prod/web", "--to", "prod/apy", "/"), "did you mean 'prod/api'?"),
        (("--from", "prod/web", "--to", "prod/api:1", "/"), "has no port 1"),
        (("--from", "prod/web", "--to", "prod/api", "GOT", "/"), "did you mean GET?"),
        (("--from", "prod/web", "--to", "prod/api", "GET", "items"), "does not begin with a slash"),
        (("--from", "prod/web", "--to", "prod/api", "/", "-H", "x"), "no colon"),
        (("--to", "prod/api", "/"), "--from"),
        ((*ASK[1:], "/", "--context", "x"), "--live"),
        ((*ASK[1:], "/", "--live", "--against", ".", "--cluster", "istio"), "exclude each other"),
        ((*ASK[1:], "/", "--live"), "--cluster"),
        ((*ASK[1:], "/", "--timeout", "nan"), "seconds"),
    ],
)
def test_bad_questions_have_their_own_answers(project: Path, arguments: tuple[str, ...], words: str) -> None:
    done = meshdsl("trace", *arguments, cwd=project)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_a_question_that_makes_no_sense_for_any_cluster_names_none(project: Path) -> None:
    done = meshdsl(*ASK, "GOT", "/", cwd=project)
    assert "'GOT' is not a method" in done.stderr
    assert "on cluster" not in done.stderr


def test_the_role_needs_no_request(project: Path) -> None:
    done = meshdsl("trace", "--show-rbac", "--cluster", "istio", cwd=project)
    assert done.returncode == 0
    assert "envoyfilters" in done.stdout


@pytest.mark.parametrize("path", ["/a//b", "/a/../b", "/a%2fb", "/st%61tic", "/a%2e%2e/b"])
def test_a_path_that_meshes_normalise_differently_is_unknown_to_the_policies(project: Path, path: str) -> None:
    done = meshdsl(*ASK, path, cwd=project)
    assert done.returncode == 3
    assert "normalised by each mesh in its own way" in done.stdout


@pytest.mark.parametrize("text", ['{"apiVersion": "v1", "kind": "List", "items": []}', None])
def test_a_dump_that_lacks_kinds_is_no_answer(project: Path, tmp_path: Path, text: str | None) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "prod"}}
    dump = tmp_path / "dump.json"
    dump.write_text(text or json.dumps(pod))
    done = meshdsl(*ASK, "GET", "/items", "--cluster", "istio", "--against", str(dump), cwd=project)
    assert done.returncode == 3
    assert "the dump has no AuthorizationPolicy" in done.stdout
    assert "everybody is let in" not in done.stdout


@pytest.mark.parametrize("command", [(*ASK, "GET", "/items"), ("access", "--to", "prod/api")])
@pytest.mark.parametrize("cluster", ["istio", "linkerd"])
def test_a_folder_without_any_object_about_access_is_a_part(
    project: Path, tmp_path: Path, cluster: str, command: tuple[str, ...]
) -> None:
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "api", "namespace": "prod"},
        "spec": {"host": "api.prod.svc.cluster.local"},
    }
    (tmp_path / "route.yaml").write_text(json.dumps(route))
    done = meshdsl(*command, "--cluster", cluster, "--against", str(tmp_path), cwd=project)
    assert done.returncode == 3
    assert "nothing here decides who may call what" in done.stdout


def test_of_the_output_of_a_build_the_folder_of_the_cluster_is_read(project: Path) -> None:
    done = meshdsl(*ASK, "GET", "/items", "--cluster", "ambient", "--against", "out", cwd=project)
    assert (done.returncode, "allowed, v1 90 %, v2 10 %" in done.stdout) == (0, True)


def test_what_may_not_be_read_is_one_line_for_each_reason() -> None:
    scopes = [Scope(kind, space) for kind in OF_TARGET["istio"] for space in ("prod", "istio-system")]
    refused = [Unknown(one, f"forbidden: User ci cannot list {one.kind}", "forbidden") for one in scopes]
    late = Unknown(scopes[0], "no answer in 60 s", "timeout")
    absent = Unknown(scopes[1], "it is not installed", "not-installed")
    first, second = reasons_of([*refused, late, absent])
    assert "AuthorizationPolicy" in first
    assert "--show-rbac prints the permissions" in first
    assert first.count("cannot list") == 1
    assert second == "Namespace in prod: no answer in 60 s"
