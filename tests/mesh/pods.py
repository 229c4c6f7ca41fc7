"""A pod without a container: a network namespace with the application, and a real sidecar before it.

The sidecar is Istio's agent, which starts Envoy, both as a user whose traffic Istio's iptables rules leave alone.
Its certificate is given for a token that the API server issued to the Pod, as in a cluster. A pod without a sidecar is
a caller, or a service, outside the mesh.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.live import processes
from tests.live.api import Api, Body, accepted
from tests.mesh.assets import Assets
from tests.mesh.echo import Echo
from tests.mesh.istiod import HOST, Settings
from tests.mesh.network import GATEWAY, Net, in_new_thread

NODE = "node"
# Istio's user for proxies; another one for each mesh beside it, since a user may watch so many files and no more.
_USER = str(1337 + int("0" + os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")))
_READY_SECONDS = 60


@dataclass(frozen=True)
class Kind:
    """What cannot be changed of a pod once it runs.

    Attributes:
        sidecar: whether it is in the mesh.
        ports: the named ports of its container, (name, number).
    """

    namespace: str
    account: str
    sidecar: bool = True
    ports: tuple[tuple[str, int], ...] = ()


class Pod:
    """One pod. :meth:`start` it, wait until it :meth:`is_ready`, and always :meth:`stop` it."""

    def __init__(self, number: int, kind: Kind, folder: Path) -> None:
        self.kind, self.name = kind, f"pod-{number}"
        self.net = Net(number)
        self.labels: dict[str, str] = {}
        self.uid = ""
        self._folder = folder / self.name
        self._agent: Popen[bytes] | None = None
        self._ports: set[int] = set()
        self.log = self._folder / "agent.log"

    @property
    def proxy(self) -> str:
        """What istiod calls its proxy."""
        return f"{self.name}.{self.kind.namespace}"

    @property
    def body(self) -> Body:
        """The Pod object."""
        ports = [{"name": name, "containerPort": number} for name, number in self.kind.ports]
        containers = [{"name": "app", "image": "app:1", "ports": ports}]
        # An injected sidecar is an init container that restarts.
        proxy = {"name": "istio-proxy", "image": "proxy:1", "restartPolicy": "Always"}
        spec: Body = {"serviceAccountName": self.kind.account, "nodeName": NODE, "containers": containers}
        if self.kind.sidecar:
            spec["initContainers"] = [proxy]
        metadata = {"name": self.name, "namespace": self.kind.namespace, "labels": self._all_labels()}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def create(self, api: Api) -> None:
        """Make the Pod object, and say that it runs."""
        made = api.create(self.body)
        accepted([made])
        self.uid = made.body["metadata"]["uid"]
        kinds = ("Ready", "ContainersReady", "PodScheduled", "Initialized")
        status = {
            "phase": "Running",
            "podIP": self.net.ip,
            "podIPs": [{"ip": self.net.ip}],
            "hostIP": GATEWAY,
            "conditions": [{"type": kind, "status": "True"} for kind in kinds],
        }
        path = f"/api/v1/namespaces/{self.kind.namespace}/pods/{self.name}/status"
        accepted([api.request("PATCH", path, {"status": status}, form="application/merge-patch+json")])

    def label(self, api: Api, labels: Mapping[str, str]) -> bool:
        """Give it these labels in place of those it had; whether that changed anything."""
        if self.labels == dict(labels):
            return False
        gone = {name: None for name in self.labels if name not in labels}
        self.labels = dict(labels)
        patch = {"metadata": {"labels": {**gone, **self._all_labels()}}}
        path = f"/api/v1/namespaces/{self.kind.namespace}/pods/{self.name}"
        accepted([api.request("PATCH", path, patch, form="application/merge-patch+json")])
        return True

    def serve(self, echo: Echo, port: int) -> None:
        """Let the application listen on a port, if it does not."""
        if port not in self._ports:
            self._ports.add(port)
            echo.open(self.net.listener(port), self.name)

    def refuse(self, echo: Echo, port: int) -> None:
        """Let the application listen on a port no more, until it is to :meth:`serve` there again."""
        self._ports.discard(port)
        echo.shut(self.name, port)

    def admin(self, path: str) -> str:
        """What its Envoy says of itself."""

        def ask() -> str:
            self.net.enter()
            connection = http.client.HTTPConnection("127.0.0.1", 15000, timeout=10)
            try:
                connection.request("GET", path)
                return connection.getresponse().read().decode()
            finally:
                connection.close()

        return in_new_thread(ask)

    def start(self, api: Api, assets: Assets, root_certificate: str, settings: Settings) -> None:
        """Start the sidecar, if it has one."""
        if not self.kind.sidecar:
            return
        self._write_files(api, root_certificate)
        captured = [
            "-p",
            "15001",
            "-z",
            "15006",
            "-u",
            _USER,
            "-g",
            _USER,
            "-m",
            "REDIRECT",
            "-i",
            "*",
            "-x",
            "",
            "-b",
            "*",
        ]
        self.net.run([str(assets.agent), "istio-iptables", *captured, "-d", "15090,15021,15020"])
        domain = f"{self.kind.namespace}.svc.{settings.cluster_domain}"
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
        command = [*as_user, str(assets.agent), "proxy", "sidecar", "--domain", domain]
        environment = self._environment(assets, settings)
        self._agent = processes.start(self.net.command(command), self.log, environment=environment, folder=self._folder)

    def is_ready(self) -> bool:
        """Whether its sidecar has its configuration."""
        if self._agent is None:
            return True
        assert self._agent.poll() is None, f"the sidecar of {self.proxy} ended: {self.log.read_text()[-2000:]}"

        def ask() -> bool:
            self.net.enter()
            connection = http.client.HTTPConnection(self.net.ip, 15021, timeout=5)
            try:
                connection.request("GET", "/healthz/ready")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

        return in_new_thread(ask)

    def is_draining(self) -> bool:
        """Whether its Envoy still keeps a listener that was replaced."""
        said = self.admin("/stats?filter=total_listeners_draining")
        assert "draining: " in said, said
        return not said.strip().endswith(" 0")

    def wait(self) -> None:
        """Wait until it is ready."""
        until = time.monotonic() + _READY_SECONDS
        while not self.is_ready():
            assert time.monotonic() < until, f"{self.proxy} is not ready: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the sidecar and let go of the network."""
        if self._agent is not None:
            processes.end(self._agent)
            self._agent = None
        self.net.close()

    def _all_labels(self) -> dict[str, str]:
        return {**self.labels, **({"security.istio.io/tlsMode": "istio"} if self.kind.sidecar else {})}

    def _write_files(self, api: Api, root_certificate: str) -> None:
        bound = {"kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": self.uid}
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": ["istio-ca"], "expirationSeconds": 12 * 3600, "boundObjectRef": bound},
        }
        path = f"/api/v1/namespaces/{self.kind.namespace}/serviceaccounts/{self.kind.account}/token"
        token = api.request("POST", path, asked)
        accepted([token])
        files = {
            "var/run/secrets/tokens/istio-token": token.body["status"]["token"],
            "var/run/secrets/istio/root-cert.pem": root_certificate,
            "etc/istio/pod/labels": "",  # istiod reads the Pod
            "etc/istio/pod/annotations": "",
        }
        for name, text in files.items():
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for name in ("etc/istio/proxy", "var/lib/istio/data"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "-R", f"{_USER}:{_USER}", str(self._folder)], check=True)

    def _environment(self, assets: Assets, settings: Settings) -> dict[str, str]:
        proxy_config = {
            "discoveryAddress": f"{HOST}:15012",
            "binaryPath": str(assets.envoy),
            "proxyBootstrapTemplatePath": str(assets.bootstrap),
            "configPath": str(self._folder / "etc/istio/proxy"),
            "concurrency": 1,
            "statusPort": 15020,
            "drainDuration": "1s",
            "terminationDrainDuration": "0s",
        }
        namespace = self.kind.namespace
        ports = [{"name": name, "containerPort": number} for name, number in self.kind.ports]
        return {
            "PATH": os.environ["PATH"],
            "POD_NAME": self.name,
            "POD_NAMESPACE": namespace,
            "INSTANCE_IP": self.net.ip,
            "HOST_IP": GATEWAY,
            "SERVICE_ACCOUNT": self.kind.account,
            "CA_ADDR": f"{HOST}:15012",
            "PILOT_CERT_PROVIDER": "istiod",
            "TRUST_DOMAIN": settings.trust_domain,
            "CLOUD_PLATFORM": "none",
            "ISTIO_META_CLUSTER_ID": "Kubernetes",
            "ISTIO_META_NODE_NAME": NODE,
            "ISTIO_META_INTERCEPTION_MODE": "REDIRECT",
            "ISTIO_META_WORKLOAD_NAME": self.name,
            "ISTIO_META_MESH_ID": settings.trust_domain,
            "ISTIO_META_OWNER": f"kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{self.name}",
            "ISTIO_META_APP_CONTAINERS": "app",
            "ISTIO_META_POD_PORTS": json.dumps(ports),
            "PROXY_CONFIG": json.dumps(proxy_config),
        }
