"""The pytest plugin in a repository of its own: the fixture, its options, and what a failure shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

POLICIES = """
from meshdsl import Allow, Canary, Header, Namespace, Retry, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
batch = Service("batch", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"))
checkout = api.route("checkout", methods=("POST",), path="/checkout")


def policies(env):
    yield Canary(api, stable="v1", canary="v2", percent=env["percent"], when=Header("x-canary", "true"))
    yield Retry(api, attempts=3, retry_on=("5xx",), methods="any")
    yield Retry.never(checkout)
    yield Timeout(api, "5s")
    yield Allow(api, callers=(web,))
"""
CONFIG = """
name = "shop"

[clusters.test]
target = "istio"
environment = { percent = 50 }

[clusters.prod]
target = "linkerd"
environment = { percent = 10 }
"""


def run(folder: Path, test: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "api.py").write_text(POLICIES)
    (folder / "meshdsl.toml").write_text(CONFIG)
    (folder / "test_mesh.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_requests_are_answered_as_the_policies_say(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
def test_canary_is_opt_in(mesh):
    answer = mesh.request("prod/web", "prod/api", "GET", "/items", headers={"x-canary": "true"})
    assert answer.versions == {"v2": 100}
    assert (answer.tries, answer.deadline) == (4, 5000)
    assert mesh.request("prod/web", "prod/api", "POST", "/checkout").tries == 1
    assert not mesh.request("prod/batch", "prod/api", "GET", "/items").allowed
    assert not mesh.request("outside", "prod/api").allowed
    assert mesh.connect("prod/web", "prod/api").allowed

def test_the_manifests_too(mesh):
    for cluster in ("istio", "linkerd", "test", "prod"):
        assert mesh.request("prod/web", "prod/api", "GET", "/items", on=cluster).allowed, cluster

def test_the_meshes_agree(mesh):
    mesh.agree("istio", "linkerd")
    mesh.agree()
""",
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


SHARE = """
def test_share(mesh):
    assert mesh.request("prod/web", "prod/api").versions == {"v1": 90, "v2": 10}
"""


def test_the_cluster_is_the_first_or_that_of_the_option_the_marker_or_the_configuration(tmp_path: Path) -> None:
    assert "1 failed" in run(tmp_path, SHARE).stdout
    assert "1 passed" in run(tmp_path, SHARE, "--mesh-cluster", "prod").stdout
    assert "1 passed" in run(tmp_path, SHARE, "-o", "mesh_cluster=prod").stdout
    marked = "import pytest\n\n@pytest.mark.mesh(cluster='prod')" + SHARE
    assert "1 passed" in run(tmp_path, marked, "--strict-markers").stdout


def test_the_configuration_is_the_nearest_one_above_the_test(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    inner = tmp_path / "examples" / "inner"
    inner.mkdir(parents=True)
    run(inner, SHARE.replace("90", "50").replace("10}", "50}"))
    (tmp_path / "meshdsl.toml").write_text('name = "outer"\npolicies = "nowhere"\n\n[clusters.a]\ntarget = "istio"\n')
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "examples/inner"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "1 passed" in done.stdout, done.stdout
    done = subprocess.run(
        [*command, "--mesh-path", "."],
        cwd=inner.parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "'nowhere'" in done.stdout


def test_a_target_is_the_cluster_of_the_test_or_the_only_one(tmp_path: Path) -> None:
    test = """
import pytest

def test_own(mesh):
    assert mesh.request("prod/web", "prod/api", on="istio").versions == {"v1": 50, "v2": 50}
    assert mesh.request("prod/web", "prod/api", on="linkerd").versions == {"v1": 90, "v2": 10}

@pytest.mark.mesh(cluster="prod")
def test_which(mesh):
    mesh.request("prod/web", "prod/api", on="istio")
"""
    more = '\n[clusters.other]\ntarget = "istio"\nenvironment = { percent = 1 }\n'
    run(tmp_path, test)
    (tmp_path / "meshdsl.toml").write_text(CONFIG + more)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_mesh.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "several clusters have the target 'istio'" in done.stdout


def test_a_failure_shows_the_trace(tmp_path: Path) -> None:
    done = run(tmp_path, SHARE)
    assert "GET / from prod/web to prod/api:8080" in done.stdout
    assert "v1 50 %, v2 50 %, at most 4 tries, 5s at most" in done.stdout
    assert "policies/api.py:12" in done.stdout
    assert "mesh = <the mesh of cluster test>" in done.stdout
    assert "read from the policies for test" in done.stdout
    on = run(tmp_path, SHARE.replace('"prod/api"', '"prod/api", on="prod"').replace("90", "91"))
    assert "read from the manifests for Linkerd 2.20, cluster prod" in on.stdout


def test_where_the_meshes_do_not_agree_both_traces_of_the_first_request_are_shown(tmp_path: Path) -> None:
    test = """
def test_agree(mesh):
    bundle = mesh._of("prod")[0]
    (policy,) = [one for one in bundle.manifests if one.ref.kind == "AuthorizationPolicy"]
    policy.body["spec"]["requiredAuthenticationRefs"][0]["name"] = "somebody-else"
    mesh.agree("prod")
"""
    done = run(tmp_path, test)
    assert "narrowed: allowed is meant, denied found" in done.stdout, done.stdout
    assert "what the mesh does" in done.stdout
    assert "read from the policies" in done.stdout
    assert "read from the manifests for Linkerd 2.20" in done.stdout
    assert "testing/mesh.py" not in done.stdout


@pytest.mark.parametrize(
    ("test", "arguments", "words"),
    [
        ("def test(mesh): mesh.request('prod/web', 'prod/apy')", (), ("no service 'prod/apy'", "did you mean")),
        ("def test(mesh): pass", ("--mesh-cluster", "prud"), ("there is no cluster 'prud'", "test, prod")),
        ("def test(mesh): pass", ("--mesh-path", "nowhere"), ("nowhere",)),
        ("def test(mesh): mesh.agree('consul')", (), ("no cluster or target 'consul'", "there are test, prod, istio")),
        ("def test(mesh): mesh.request('prod/web', 'prod/api', on='x')", (), ("no cluster or target 'x'", "there are")),
        ("def test(mesh): mesh.request('prod/web', 'prod/api', headers={'a': 1})", (), ("is not text", "write '1'")),
        ("import pytest\n@pytest.mark.mesh('prod')\ndef test(mesh): pass", (), ("cluster=… and path=…",)),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, test: str, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = run(tmp_path, test, *arguments)
    assert done.returncode == 1
    for word in words:
        assert word in done.stdout
    assert "Traceback" not in done.stdout
    for ours in ("testing/mesh.py", "def request(", "_asked", "object at 0x"):
        assert ours not in done.stdout, "the test is shown, and nothing of what it asked"


def test_nothing_is_imported_unless_it_is_used(tmp_path: Path) -> None:
    test = """
import sys

def test_nothing():
    loaded = {name for name in sys.modules if name.split(".")[0] in ("meshdsl", "pydantic", "yaml", "click", "jinja2")}
    assert loaded == {"meshdsl", "meshdsl.testing", "meshdsl.testing.plugin"}
"""
    done = run(tmp_path, test)
    assert "1 passed" in done.stdout, done.stdout


def test_without_policies_the_fixture_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_mesh.py").write_text("def test(mesh): pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "there is no configuration" in done.stdout
    assert "--mesh-path" in done.stdout
    assert "--target" not in done.stdout
    assert "Traceback" not in done.stdout
