"""``meshdsl diff --format script`` as a command, and the script that it prints run with the real kubectl, as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.server import ADMIN, READER, Server

KINDS = {
    "istio": "virtualservices.networking.istio.io,destinationrules.networking.istio.io,authorizationpolicies.security.istio.io",
    "ambient": "httproutes.gateway.networking.k8s.io,gateways.gateway.networking.k8s.io,authorizationpolicies.security.istio.io,services",
    "linkerd": "httproutes.gateway.networking.k8s.io,servers.policy.linkerd.io,authorizationpolicies.policy.linkerd.io,services",
}
FILES = {
    "meshdsl.toml": 'name = "{set_name}"\n[clusters.live]\ntarget = "{mesh}"\ncontext = "{user}"\n{more}',
    "policies/inventory.py": """
from meshdsl import Namespace, Service
prod = Namespace("command-{mesh}")
web = Service("web", prod, port=80, probes=())
api = Service("api", prod, port=8080, versions=("v1", "v2"), probes=())
""",
    "policies/rules.py": """
from meshdsl import Allow, Canary, MutualTls, Proxy, Timeout
from policies.inventory import api, prod, web
policies = [
    Proxy(prod, enrolled=True),
    MutualTls(prod, mode="strict"),
    Canary(api, stable="v1", canary="v2", percent=10),
    Timeout(api, "5s"),
    Allow(api, callers=(web,), methods=("GET",)),
]
""",
}


class Repository:
    """A folder with policies, in which commands are run."""

    def __init__(self, server: Server, folder: Path, mesh: str, set_name: str = "") -> None:
        self.server, self.folder, self.mesh, self.name = server, folder, mesh, f"command-{mesh}"
        self.set_name = set_name or self.name
        (folder / "policies").mkdir(parents=True)
        self.write()

    def write(self, user: str = ADMIN) -> None:
        more = 'default_retries = "off"\n' if self.mesh == "ambient" else ""
        for name, text in FILES.items():
            (self.folder / name).write_text(text.format(mesh=self.mesh, set_name=self.set_name, user=user, more=more))

    def run(self, *command: str, user: str = ADMIN, text: str = "") -> subprocess.CompletedProcess[str]:
        path = f"{Path(self.server.kubectl).parent}:{os.environ['PATH']}"
        config = str(self.server.kubeconfig(user))
        variables = {"PATH": path, "KUBECONFIG": config, "HOME": str(self.folder), "PYTHONUTF8": "1"}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=variables,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def diff(self, *options: str, user: str = ADMIN) -> tuple[int, str, str]:
        """The exit code, and what was printed on both streams."""
        done = self.run(sys.executable, "-m", "meshdsl", "diff", *options, user=user)
        return done.returncode, done.stdout, done.stderr

    def apply(self) -> str:
        """What the script of a difference did, after which nothing differs."""
        code, script, said = self.diff("--format", "script")
        assert code == 1, said
        done = self.run("sh", "-s", text=script)
        assert done.returncode == 0, done.stderr + script
        assert self.diff()[0] == 0, self.diff()
        assert self.diff("--format", "script")[:2] == (0, "")
        return done.stdout

    def change(self, old: str, new: str) -> None:
        file = self.folder / "policies" / "rules.py"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def ours(self) -> list[str]:
        """The names of what is in the cluster with the label of this set."""
        given = ("get", KINDS[self.mesh], f"--namespace={self.name}", f"--selector=meshdsl.dev/set={self.name}")
        return self.server.kubectl_run(*given, "--output=name").split()


@pytest.fixture(params=KINDS)
def repository(own: Server, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    found = Repository(own, tmp_path / "repository", request.param)
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.name, "labels": {"team": "shop"}}}]
    for name, port in (("web", 80), ("api", 8080)):
        spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]}
        where = {"name": name, "namespace": found.name}
        objects.append({"apiVersion": "v1", "kind": "Service", "metadata": where, "spec": spec})
    for body in objects:
        own.kubectl_run("apply", "-f", "-", text=json.dumps(body))
    yield found
    (found.folder / "policies" / "rules.py").unlink(missing_ok=True)
    if found.diff()[0]:
        found.apply()


def test_the_script_of_a_command_makes_changes_and_removes_until_nothing_differs(repository: Repository) -> None:
    assert repository.apply()
    repository.change("percent=10", "percent=25")
    done = repository.apply().split()
    assert [word for word in done if "/" in word] == [
        "virtualservice.networking.istio.io/api" if repository.mesh == "istio" else "httproute.gateway.networking.k8s.io/api-8080"
    ]  # fmt: skip
    assert repository.ours()
    (repository.folder / "policies" / "rules.py").unlink()
    repository.apply()
    left = [name for name in repository.ours() if not name.startswith("gateway.")]
    assert left == [], "what no policy makes any more is deleted, though no policy makes anything at all"


def test_two_repositories_share_a_namespace_and_neither_takes_off_what_the_other_has_set(
    repository: Repository, own: Server, tmp_path: Path
) -> None:
    repository.apply()
    other = Repository(own, tmp_path / "other", repository.mesh, set_name=f"other-{repository.mesh}")
    (other.folder / "policies" / "rules.py").write_text(
        "from meshdsl import Allow\nfrom policies.inventory import api, web\npolicies = [Allow(web, callers=(api,))]\n"
    )
    code, script, said = other.diff("--format", "script")
    assert code == 1, said
    assert "null" not in script, "it would take the enrolment off, or a waypoint"
    repository.change("    Proxy(prod, enrolled=True),\n", "")
    code, script, said = repository.diff("--format", "script")
    assert code == 1, said
    assert "null" in script


def test_a_script_of_a_dry_run_that_is_refused_changes_nothing(repository: Repository) -> None:
    repository.apply()
    kubectl = repository.server.kubectl_run
    rule = {
        "apiGroups": ["networking.istio.io", "gateway.networking.k8s.io"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["virtualservices", "httproutes"],
    }
    name = {"name": "frozen"}
    frozen = {
        "kind": "ValidatingAdmissionPolicy",
        "metadata": name,
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "object == oldObject", "message": "frozen $(exit 9)"}],
        },
    }
    binding = {
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": name,
        "spec": {"policyName": "frozen", "validationActions": ["Deny"]},
    }
    for body in (frozen, binding):
        kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "admissionregistration.k8s.io/v1", **body}))
    try:
        repository.change("percent=10", "percent=25")
        repository.change('methods=("GET",)', 'methods=("GET", "POST")')
        for _ in range(60):  # the API server takes some seconds to notice the policy
            code, script, said = repository.diff("--server-side", "--format", "script")
            if code == 3:
                break
            time.sleep(0.5)
        assert code == 3, said
        done = repository.run("sh", "-s", text=script)
        assert (done.returncode, done.stdout) == (1, ""), script
        assert "MESH877" in done.stderr
        assert "frozen $(exit 9)" in done.stderr
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            kubectl("delete", kind, "frozen")


def test_a_script_of_a_dry_run_that_is_not_allowed_changes_nothing(repository: Repository) -> None:
    code, role, said = repository.diff("--show-rbac")
    assert code == 0, said
    kubectl = repository.server.kubectl_run
    kubectl("apply", "-f", "-", text=role)
    (name,) = [line.split()[-1] for line in role.splitlines() if line.startswith("  name:")]
    kubectl("create", "clusterrolebinding", f"may-{repository.mesh}", f"--clusterrole={name}", f"--user={READER}")
    repository.write(READER)
    try:
        code, script, said = repository.diff("--server-side", "--format", "script", user=READER)
        assert code == 3, said
        done = repository.run("sh", "-s", text=script, user=READER)
        assert (done.returncode, done.stdout) == (1, "")
        assert "MESH878" in done.stderr
    finally:
        kubectl("delete", "clusterrolebinding", f"may-{repository.mesh}")
        repository.write()
