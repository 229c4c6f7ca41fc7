"""A real API server: etcd and kube-apiserver on 127.0.0.1, with the CRDs of the meshes and an audit log.

Nothing else runs. No controller makes Pods of Deployments, and a deleted namespace never goes away, so each test that
creates objects takes a namespace of its own. Users come from a token file; RBAC is on. The servers keep their ports and
their data over a restart.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen, run
from typing import Any

import yaml

from tests.live import assets, processes
from tests.live.api import Answer, Api, accepted, at_once
from tests.oracle import Channel, crds

ADMIN, READER, DRY_RUNNER = "admin", "reader", "dry-runner"
"""The administrator, a user with nothing but the role of a comparison, one with that of ``--server-side``."""

CHANNELS = {name: (crds.ISTIO, crds.LINKERD, crds.SMI, folder) for name, folder in crds.GATEWAY_API.items()}
_READY_SECONDS = 60
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Server:
    """One API server with its etcd. Start it with :meth:`start`, and always :meth:`stop` it."""

    def __init__(self, folder: Path, channel: Channel) -> None:
        self.folder, self.channel = folder, channel
        self._programs = assets.folder()
        self.kubectl = str(self._programs / "kubectl")
        self._running: list[Popen[bytes]] = []
        self._ports = processes.free_ports(3)
        self.audit_log = folder / "audit.log"
        self.api = Api(self._ports[2], folder / "certificates" / "apiserver.crt", f"token-of-{ADMIN}")

    def start(self) -> None:
        """Write what the servers read, start them, and install the CRDs."""
        self._write_files()
        self._run()
        self.install(*CHANNELS[self.channel])
        for user in (READER, DRY_RUNNER):
            self.kubeconfig(user)

    def restart(self) -> None:
        """End both servers and start them again on the same data."""
        self.stop()
        self._run()

    def stop(self) -> None:
        """End the servers."""
        self.api.close()
        while self._running:
            processes.end(self._running.pop())

    def kubeconfig(self, user: str) -> Path:
        """The file with which kubectl is that user; its context has the user's name."""
        path = self.folder / f"{user}.kubeconfig"
        cluster = {
            "server": f"https://127.0.0.1:{self._ports[2]}",
            "certificate-authority": str(self.folder / "certificates" / "apiserver.crt"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "live", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": f"token-of-{user}"}}],
            "contexts": [{"name": user, "context": {"cluster": "live", "user": user}}],
            "current-context": user,
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def install(self, *folders: str) -> None:
        """Install the CRDs of these folders, and wait until they are served."""
        definitions = [body for name in folders for body in _definitions(name)]
        accepted(at_once(self.api.create, definitions))
        self._wait(lambda: all(_is_served(answer) for answer in at_once(self.api.get, definitions)), "the CRDs")

    def allow(self, role: dict[str, Any], user: str) -> None:
        """Give a ClusterRole to a user, and wait until it holds."""
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        binding = {
            "apiVersion": role["apiVersion"],
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role["metadata"]["name"]},
            "roleRef": {"apiGroup": subject["apiGroup"], "kind": "ClusterRole", "name": role["metadata"]["name"]},
            "subjects": [subject],
        }
        accepted([self.api.apply(role), self.api.apply(binding)])
        last = role["rules"][-1]
        resource = {"verb": last["verbs"][-1], "group": last["apiGroups"][-1], "resource": last["resources"][-1]}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": user, "resourceAttributes": resource},
        }
        self._wait(lambda: self.api.create(review).body["status"]["allowed"], f"the role of {user}")

    def kubectl_run(self, *arguments: str, user: str = ADMIN, text: str = "") -> str:
        """Run kubectl as a user: what it printed."""
        command = [self.kubectl, f"--kubeconfig={self.folder / user}.kubeconfig", *arguments]
        done = run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def requests_of(self, user: str) -> list[dict[str, Any]]:
        """The audit log: every request of a user, once."""
        return [event for event in self._audited() if event["user"]["username"] == user]

    def _audited(self) -> Iterator[dict[str, Any]]:
        for line in self.audit_log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["stage"] == "ResponseComplete":
                yield event

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f'token-of-{ADMIN},{ADMIN},1,"system:masters"']
        lines += [f"token-of-{user},{user},{number}" for number, user in enumerate((READER, DRY_RUNNER), start=2)]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
        (self.folder / "audit.json").write_text(json.dumps(policy), encoding="utf-8")
        command = ["openssl", "genrsa", "-out", str(self.folder / "accounts.key"), "2048"]
        run(command, check=True, capture_output=True, timeout=60)
        self.kubeconfig(ADMIN)

    def _run(self) -> None:
        client, peer, secure = self._ports
        etcd = [
            str(self._programs / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        ]
        key = self.folder / "accounts.key"
        server = [
            str(self._programs / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={secure}",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/20",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--endpoint-reconciler-type=none",
            f"--audit-policy-file={self.folder / 'audit.json'}",
            f"--audit-log-path={self.audit_log}",
        ]
        for command in (etcd, server):
            self._running.append(processes.start(command, self.folder / f"{Path(command[0]).name}.log"))
        self._wait(self._is_ready, "the API server")

    def _is_ready(self) -> bool:
        try:
            return self.api.request("GET", "/readyz").status == 200
        except OSError:  # also: its certificate is not written yet
            return False

    def _wait(self, done: Any, what: str) -> None:
        until = time.monotonic() + _READY_SECONDS
        while not done():
            ended = [process.args for process in self._running if process.poll() is not None]
            assert not ended, f"it ended: {ended[0]}; its log is in {self.folder}"
            assert time.monotonic() < until, (
                f"{what}: not ready after {_READY_SECONDS} s; the logs are in {self.folder}"
            )
            time.sleep(0.05)


def _definitions(folder: str) -> Iterator[dict[str, Any]]:
    for path in sorted((crds.FOLDER / folder).glob("*.yaml")):
        with path.open(encoding="utf-8") as stream:
            for body in yaml.load_all(stream, _LOADER):
                if body and body.get("kind") == "CustomResourceDefinition":
                    yield body


def _is_served(answer: Answer) -> bool:
    found = answer.body.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in found)
