"""A server with 100,000 objects of others, for the memory of a diff: it answers LISTs as an API server does.

Each page is written when it is asked for, so that the objects are nowhere at once. They have what live objects have:
``managedFields``, a status, the annotation of ``kubectl apply``. It needs no etcd; kubectl talks to it in plain HTTP.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_NAMESPACES = 20
_MOMENT = "4711"
SHARES = {
    "services": 0.3,
    "deployments": 0.3,
    "virtualservices": 0.15,
    "destinationrules": 0.15,
    "authorizationpolicies": 0.1,
}
"""Of all objects, how many are of each kind; there is nothing else."""
_KINDS = {
    "services": "Service",
    "deployments": "Deployment",
    "virtualservices": "VirtualService",
    "destinationrules": "DestinationRule",
    "authorizationpolicies": "AuthorizationPolicy",
}


@contextmanager
def serving(folder: Path, count: int) -> Iterator[Path]:
    """Serve so many objects, for as long as the context lasts; yields the kubeconfig that leads to them."""

    class Handler(_Handler):
        objects = count

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "many", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "many", "context": {"cluster": "many", "user": ""}}],
        "current-context": "many",
    }
    path = folder / "many.kubeconfig"
    path.write_text(json.dumps(config))
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects = 0

    def do_GET(self) -> None:
        """The version, or a page of a list."""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        plural = url.path.rpartition("/")[2]
        if plural == "version":
            self._answer({"gitVersion": "v1.36.1"})
            return
        group, _, place = url.path.removeprefix("/apis/").removesuffix(f"/{plural}").partition("/namespaces/")
        total = 0 if "labelSelector" in asked or "linkerd" in group else round(self.objects * SHARES.get(plural, 0))
        numbers = range(total)
        if place:  # the other namespaces have nothing
            is_team = place.startswith("team")
            numbers = range(int(place.removeprefix("team")), total, _NAMESPACES) if is_team else range(0)
        first = int(asked.get("continue", "0"))
        page = numbers[first : first + int(asked.get("limit", total))]
        metadata: dict[str, Any] = {"resourceVersion": _MOMENT}
        if first + len(page) < len(numbers):
            after = first + len(page)
            metadata |= {"continue": str(after), "remainingItemCount": len(numbers) - after}
        items = [_object(plural, number) for number in page]
        version = group.removeprefix("/api/")
        self._answer(
            {"apiVersion": version, "kind": f"{_KINDS.get(plural, 'Some')}List", "metadata": metadata, "items": items}
        )

    def _answer(self, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _object(plural: str, number: int) -> dict[str, Any]:
    spec = _SPECS[plural](number)
    name, namespace = f"other-{number}", f"team{number % _NAMESPACES}"
    applied = json.dumps({"metadata": {"name": name, "namespace": namespace}, "spec": spec})
    fields = {f"f:{field}": _fields(value) for field, value in spec.items()}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "resourceVersion": str(number),
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": name, "team": namespace},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
            "managedFields": [
                {
                    "manager": "kubectl-client-side-apply",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": "2026-01-01T00:00:00Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:team": {}}}, "f:spec": fields},
                }
            ],
        },
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": "True", "message": f"{name} is as it should be"}]},
    }


def _fields(value: Any) -> Any:
    return {f"f:{name}": _fields(item) for name, item in value.items()} if isinstance(value, dict) else {}


def _service(number: int) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    return {"clusterIP": "10.0.0.1", "selector": {"app": f"other-{number}"}, "ports": [port], "type": "ClusterIP"}


def _deployment(number: int) -> dict[str, Any]:
    labels = {"app": f"other-{number}"}
    container = {
        "name": "app",
        "image": f"registry.example/app:{number}",
        "env": [{"name": f"SETTING_{i}", "value": f"value {number} {i}"} for i in range(8)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "restartPolicy": "Always"}}
    return {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}


def _virtual_service(number: int) -> dict[str, Any]:
    host = f"other-{number}.team{number % _NAMESPACES}.svc.cluster.local"
    routes = [{"destination": {"host": host, "subset": f"v{i}"}, "weight": 50} for i in (1, 2)]
    return {"hosts": [host], "http": [{"route": routes, "timeout": "5s", "retries": {"attempts": 2}}]}


def _destination_rule(number: int) -> dict[str, Any]:
    host = f"other-{number}.team{number % _NAMESPACES}.svc.cluster.local"
    return {"host": host, "subsets": [{"name": f"v{i}", "labels": {"version": f"v{i}"}} for i in (1, 2)]}


def _authorization_policy(number: int) -> dict[str, Any]:
    source = {"principals": [f"cluster.local/ns/team{number % _NAMESPACES}/sa/other-{number + 1}"]}
    operation = {"methods": ["GET"], "paths": [f"/v{number % 7}/*"]}
    rules = [{"from": [{"source": source}], "to": [{"operation": operation}]}]
    return {"action": "ALLOW", "selector": {"matchLabels": {"app": f"other-{number}"}}, "rules": rules}


_SPECS = {
    "services": _service,
    "deployments": _deployment,
    "virtualservices": _virtual_service,
    "destinationrules": _destination_rule,
    "authorizationpolicies": _authorization_policy,
}
