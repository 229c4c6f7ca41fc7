"""The real control plane: istiod beside a real API server, and what it says about its proxies."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.live import processes
from tests.live.api import Api, Body, accepted

HOST = "istiod.istio-system.svc"
_WEBHOOK = "istio-validator-istio-system"
_READY_SECONDS = 60
_QUIET_SECONDS = 0.2
_SYNC_SECONDS = 30
Key = tuple[str, str, str]
"""Of an Istio object: kind, namespace, name."""


@dataclass(frozen=True)
class Settings:
    """What an operator decides about a mesh."""

    trust_domain: str = "cluster.local"
    cluster_domain: str = "cluster.local"
    root_namespace: str = "istio-system"

    @property
    def takes_other_domains(self) -> bool:
        """Whether callers of other trust domains are taken at all: in some meshes of these tests, and not in others."""
        return self.trust_domain == "cluster.local"


class Istiod:
    """One istiod. Start it with :meth:`start`, and always :meth:`stop` it."""

    def __init__(self, program: Path, folder: Path, api: Api, kubeconfig: Path, settings: Settings) -> None:
        self._program, self._folder, self._api = program, folder, api
        self._kubeconfig, self._settings = kubeconfig, settings
        self._process: Popen[bytes] | None = None
        self.log = folder / "istiod.log"

    def start(self) -> None:
        """Start it, with Istio's own validation of what is applied, and wait until both work."""
        self._folder.mkdir(parents=True, exist_ok=True)
        accepted([self._api.create(_validation())])
        mesh = self._folder / "mesh.json"
        mesh.write_text(json.dumps(self._mesh_config()), encoding="utf-8")
        command = [
            *(str(self._program), "discovery"),
            *(
                "--kubeconfig",
                str(self._kubeconfig),
                "--meshConfig",
                str(mesh),
                "--domain",
                self._settings.cluster_domain,
            ),
            *("--httpAddr=127.0.0.1:8080", "--monitoringAddr=:15014", "--grpcAddr=", "--httpsAddr=:15017"),
            *("--secureGRPCAddr=:15012", "--log_output_level=default:info"),
        ]
        environment = {
            **_ENVIRONMENT,
            "PATH": os.environ["PATH"],
            "TRUST_DOMAIN": self._settings.trust_domain,
            "PILOT_SKIP_VALIDATE_TRUST_DOMAIN": str(self._settings.takes_other_domains).lower(),
        }
        self._process = processes.start(command, self.log, environment=environment, folder=self._folder)
        self._wait(self._is_ready, "istiod", _READY_SECONDS)
        self._wait(self._validates, "Istio's validation", _READY_SECONDS)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            processes.end(self._process)
            self._process = None

    def root_certificate(self) -> str:
        """What its proxies trust: the ConfigMap that it writes into each namespace."""
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio-ca-root-cert", "namespace": "default"},
        }
        self._wait(lambda: self._api.get(body).accepted, "istiod's root certificate", _READY_SECONDS)
        return str(self._api.get(body).body["data"]["root-cert.pem"])

    def mesh_config_map(self) -> Body:
        """The mesh's settings, where an operator keeps them."""
        metadata = {"name": "istio", "namespace": "istio-system"}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"mesh": json.dumps(self._mesh_config())},
        }

    def synced(self, wanted: Mapping[Key, str | None], proxies: set[str]) -> None:
        """Wait until all proxies work with what was applied.

        Args:
            wanted: the resourceVersion of each Istio object that was applied; None for one that was deleted.
            proxies: the IDs of the proxies that must be connected.

        Raises:
            AssertionError: they do not in time, or one rejects what istiod sent.
        """
        if wanted:
            self._wait(lambda: self._has(wanted), "istiod has seen what was applied", _SYNC_SECONDS)
        since, before = time.monotonic(), ""
        until = since + _SYNC_SECONDS
        while time.monotonic() - since < _QUIET_SECONDS:
            states = self._states()
            waiting = proxies - states.keys()
            waiting |= {proxy for proxy, state in states.items() if proxy in proxies and not _acknowledged(state)}
            now = json.dumps(states, sort_keys=True)
            if waiting or now != before:
                since, before = time.monotonic(), now
            assert time.monotonic() < until, f"not in sync after {_SYNC_SECONDS} s: {sorted(waiting) or 'never quiet'}"
            time.sleep(0.02)
        rejected = self.rejections()
        assert not rejected, "\n".join(rejected)

    def rejections(self) -> list[str]:
        """What proxies last rejected of what istiod sent them: one line each."""
        return [
            f"{proxy} rejects {kind}: {one['lastError']}"
            for proxy, state in self._states().items()
            for kind, one in state.items()
            if one.get("lastError")
        ]

    def knows(self, endpoints: Mapping[str, set[str]]) -> None:
        """Wait until istiod has these addresses behind each host."""

        def has_all() -> bool:
            there = self._debug("endpointShardz")
            return all(all(f'"{ip}"' in json.dumps(there.get(host)) for ip in ips) for host, ips in endpoints.items())

        self._wait(has_all, "istiod knows the endpoints", _SYNC_SECONDS)

    def _states(self) -> dict[str, dict[str, Any]]:
        return {one["proxy"]: one.get("resources", {}) for one in self._debug("syncz")}

    def _has(self, wanted: Mapping[Key, str | None]) -> bool:
        there = {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["metadata"][
                "resourceVersion"
            ]
            for one in self._debug("configz")
        }
        return all(there.get(key) == version for key, version in wanted.items())

    def _debug(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
        try:
            connection.request("GET", f"/debug/{path}")
            return json.loads(connection.getresponse().read() or b"[]")
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _validates(self) -> bool:
        """Whether the webhook is in place: it refuses what Istio's validation refuses and the schema does not."""
        spec = {"action": "DENY"}
        metadata = {"name": "refused", "namespace": "default"}
        body = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}
        answer = self._api.create(body, dryRun="All")
        return not answer.accepted and "without `rules`" in str(answer)

    def _mesh_config(self) -> Body:
        return {
            "trustDomain": self._settings.trust_domain,
            "rootNamespace": self._settings.root_namespace,
            "enablePrometheusMerge": False,
            "defaultProviders": {},
            "defaultConfig": {"discoveryAddress": f"{HOST}:15012"},
        }

    def _wait(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not done():
            ended = self._process is not None and self._process.poll() is not None
            assert not ended, f"istiod ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < until, f"{what}: not after {seconds:g} s; {self.log.read_text()[-2000:]}"
            time.sleep(0.03)


# Without metadata exchange and the ALPN filter an Envoy does that has none of Istio's own filters. Nothing is injected.
_ENVIRONMENT = {
    "POD_NAME": "istiod",
    "POD_NAMESPACE": "istio-system",
    "SERVICE_ACCOUNT": "istiod",
    "REVISION": "default",
    "CLUSTER_ID": "Kubernetes",
    "PILOT_CERT_PROVIDER": "istiod",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "VALIDATION_WEBHOOK_CONFIG_NAME": _WEBHOOK,
    "PILOT_DEBOUNCE_AFTER": "30ms",
}


def _acknowledged(state: Mapping[str, Any]) -> bool:
    return bool(state) and all(one.get("sent") == one.get("acked") for one in state.values())


def _validation() -> Body:
    rule = {
        "apiGroups": ["networking.istio.io", "security.istio.io"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["*"],
        "scope": "*",
    }
    webhook = {
        "name": "rev.validation.istio.io",
        "clientConfig": {"url": f"https://{HOST}:15017/validate"},
        "rules": [rule],
        "failurePolicy": "Ignore",  # istiod makes it Fail when it is ready
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": _WEBHOOK, "labels": {"app": "istiod", "istio": "istiod", "istio.io/rev": "default"}},
        "webhooks": [webhook],
    }
