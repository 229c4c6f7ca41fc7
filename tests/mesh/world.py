"""A real Istio mesh on one machine: API server, istiod, and pods with their sidecars, in namespaces of this process.

Everything happens in a private network, mount and PID namespace (:mod:`tests.mesh.__main__`): when the first process
there ends, the kernel removes all of it. What is not here, and what a cluster would have, is played by this module and
:mod:`tests.mesh.inventory`: no controller runs, nobody injects, and the client chooses a pod where kube-proxy would.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.live.api import Api, Body, accepted, at_once
from tests.live.server import ADMIN, Server
from tests.mesh import network
from tests.mesh.assets import Assets
from tests.mesh.client import Client
from tests.mesh.echo import Echo
from tests.mesh.identity import Identities
from tests.mesh.istiod import HOST, Istiod, Key, Settings
from tests.mesh.pods import NODE, Kind, Pod

RUN = Path("/run/meshdsl")
"""Where programs and pods are, in a file system that only this mount namespace sees: the proxies' user must reach them."""
DRAIN_SECONDS = 1.2
"""How long a proxy keeps a listener that was replaced (``drainDuration`` of the agent), and a little more."""
_CODE = re.compile(r"\[(IST\d+)\]")
_NOT_OURS = {
    "IST0102",  # a namespace is not labelled for injection: nobody injects here
    "IST0103",  # a pod has no sidecar: some are meant to have none
}
_DRAINED_SECONDS = 30
_LISTENERS = {"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "Sidecar"}


def prepare(assets: Assets) -> Assets:
    """Make this process's namespaces fit for a mesh; where its programs are now."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    programs = RUN / "bin"
    programs.mkdir(parents=True)
    network.build({HOST: network.GATEWAY}, RUN)
    moved = {}
    for name in ("istiod", "agent", "istioctl", "envoy", "bootstrap"):
        seen = programs / name
        seen.touch()
        subprocess.run(["mount", "--bind", str(getattr(assets, name)), str(seen)], check=True)
        moved[name] = seen
    return replace(assets, **moved)


class World:
    """One mesh with its settings. Start it with :meth:`start`, and always :meth:`stop` it."""

    _numbers = itertools.count(1)

    def __init__(self, assets: Assets, folder: Path, settings: Settings = Settings()) -> None:  # noqa: B008 -- frozen
        self.assets, self.settings = assets, settings
        self._folder = folder
        self._server = Server(folder / "server", "standard")
        self.api: Api = self._server.api
        self.istiod = Istiod(assets.istiod, folder / "istiod", self.api, self.kubeconfig, settings)
        self.identities = Identities(self.api, folder / "identities")
        self.echo = Echo()
        self.pods: list[Pod] = []
        self.warnings: list[str] = []
        """What the API server, or Istio's webhook, had to say about objects that it took."""
        self._namespaces: set[str] = set()
        self._accounts: set[tuple[str, str]] = set()
        self._root_certificate = ""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._folder / "server" / f"{ADMIN}.kubeconfig"

    def start(self) -> None:
        """Start the API server and istiod."""
        self._server.start()
        metadata = {"name": NODE}
        accepted([self.api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})])
        self.namespaces({"istio-system", self.settings.root_namespace})
        accepted([self.api.create(self.istiod.mesh_config_map())])  # for the analyzer
        self.istiod.start()
        self._root_certificate = self.istiod.root_certificate()

    def stop(self) -> None:
        """End everything."""
        for pod in self.pods:
            pod.stop()
        self.pods.clear()
        self.istiod.stop()
        self._server.stop()
        self.echo.close()

    def namespaces(self, names: Iterable[str]) -> None:
        """Make the namespaces that are not there."""
        new = sorted(set(names) - self._namespaces)
        made = at_once(
            self.api.create, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in new]
        )
        accepted(answer for answer in made if answer.status != 409)
        self._namespaces.update(new)

    def start_pods(self, kinds: Iterable[Kind]) -> list[Pod]:
        """Start pods, and wait until they are ready."""
        kinds = list(kinds)
        self.namespaces({kind.namespace for kind in kinds})
        accounts = sorted({(kind.namespace, kind.account) for kind in kinds} - self._accounts)
        made = at_once(self.api.create, [_account(*one) for one in accounts])
        accepted(answer for answer in made if answer.status != 409)
        self._accounts.update(accounts)
        pods = [Pod(next(self._numbers), kind, RUN / "pods") for kind in kinds]
        for pod in pods:
            self.pods.append(pod)
            pod.create(self.api)
            pod.start(self.api, self.assets, self._root_certificate, self.settings)
        for pod in pods:
            pod.wait()
        return pods

    def stop_pods(self, pods: Iterable[Pod]) -> None:
        """End pods and delete their objects."""
        for pod in pods:
            path = f"/api/v1/namespaces/{pod.kind.namespace}/pods/{pod.name}"
            accepted([self.api.request("DELETE", path, None, gracePeriodSeconds="0")])
            pod.stop()
            self.pods.remove(pod)

    def client(self, pod: Pod, *, seconds: float = 30) -> Client:
        """What sends from a pod."""
        return Client(pod.net, self.echo, seconds=seconds)

    def apply(
        self,
        bodies: Iterable[Body],
        *,
        delete: Iterable[Body] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Apply objects in their order, delete others, and wait until every proxy works with that.

        Args:
            bodies: the objects.
            delete: objects that are to go.
            meanwhile: is done between, when all is applied.
        """
        wanted: dict[Key, str | None] = {}
        listeners: set[str] = set()
        for body in delete:
            answer = self.api.delete(body)
            accepted([answer] if answer.status != 404 else [])
            listeners |= _listeners_of(body)
            if _is_istio(body):
                wanted[_key(body)] = None
        for body in bodies:
            answer = self.api.apply(body)
            accepted([answer])
            if answer.warning:
                self.warnings.append(f"{body['kind']} {body['metadata']['name']}: {answer.warning}")
            listeners |= _listeners_of(body)
            if _is_istio(body):
                wanted[_key(body)] = answer.body["metadata"]["resourceVersion"]
        self.synced(wanted)
        since = time.monotonic()
        meanwhile()
        if listeners:  # an open connection serves one more request by the rules before
            time.sleep(max(since + DRAIN_SECONDS - time.monotonic(), 0))
            self._drained(listeners)

    def _drained(self, namespaces: set[str]) -> None:
        """Wait until no proxy of these namespaces keeps a listener that was replaced."""
        everywhere = self.settings.root_namespace in namespaces
        until = time.monotonic() + _DRAINED_SECONDS
        for pod in self.pods:
            while pod.kind.sidecar and (everywhere or pod.kind.namespace in namespaces) and pod.is_draining():
                assert time.monotonic() < until, f"{pod.proxy} still keeps listeners that were replaced"
                time.sleep(0.05)

    def synced(self, wanted: Mapping[Key, str | None]) -> None:
        """Wait until every proxy works with these versions of objects."""
        self.istiod.synced(wanted, {pod.proxy for pod in self.pods if pod.kind.sidecar})

    def analyze(self, namespaces: Iterable[str]) -> list[str]:
        """What Istio's analyzer has to say about the objects in these namespaces."""
        foreign = set(_NOT_OURS)
        if self.settings.cluster_domain != "cluster.local":
            foreign.add("IST0101")  # it takes no other domain for hosts of Services
        said: list[str] = []
        for namespace in sorted(namespaces):
            lines = self.istioctl("analyze", "--namespace", namespace).splitlines()
            codes = [(line, found[1]) for line in lines if (found := _CODE.search(line))]
            said += [line for line, code in codes if code not in foreign]
        return said

    def istioctl(self, *arguments: str) -> str:
        """Run istioctl: what it printed."""
        command = [str(self.assets.istioctl), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr


def _account(namespace: str, name: str) -> Body:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}


def _listeners_of(body: Body) -> set[str]:
    """The namespaces whose proxies replace listeners for an object."""
    return {body["metadata"]["namespace"]} if body["kind"] in _LISTENERS else set()


def _is_istio(body: Body) -> bool:
    return ".istio.io/" in body["apiVersion"]


def _key(body: Body) -> Key:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]
