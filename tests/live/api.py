"""A plain HTTP client of an API server, for what the tests do as administrators: it knows nothing of meshdsl."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

Body = dict[str, Any]
T = TypeVar("T")

_IDLE_SECONDS = 20
# Names in the API that are not the kind in lower case with an "s".
_PLURALS = {
    "AuthorizationPolicy": "authorizationpolicies",
    "NetworkAuthentication": "networkauthentications",
    "Gateway": "gateways",
    "GatewayClass": "gatewayclasses",
    "ReferenceGrant": "referencegrants",
    "ServiceEntry": "serviceentries",
    "ProxyConfig": "proxyconfigs",
    "Telemetry": "telemetries",
    "EgressNetwork": "egressnetworks",
    "HTTPLocalRateLimitPolicy": "httplocalratelimitpolicies",
    "BackendTLSPolicy": "backendtlspolicies",
}
_CLUSTER_WIDE = {
    "Namespace",
    "Node",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "SubjectAccessReview",
    "ValidatingWebhookConfiguration",
}


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: Body
    warning: str = ""
    """What it, or a webhook, has to say about a request that it took."""

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"{self.status} {self.body.get('message', '')}"


class Api:
    """One server as one user. Threads may share it; connections are kept open and used again."""

    def __init__(self, port: int, certificate: Path, token: str) -> None:
        self._port, self._certificate, self._token = port, certificate, token
        self._idle: list[tuple[http.client.HTTPSConnection, float]] = []

    def request(
        self, method: str, path: str, body: Body | None = None, *, form: str = "application/json", **query: str
    ) -> Answer:
        """One exchange."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": form, "Accept": "application/json"}
        connection = self._take()
        try:
            connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                json.dumps(body) if body is not None else None,
                headers,
            )
            answer = connection.getresponse()
            data = answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append((connection, time.monotonic()))
        try:
            found = json.loads(data)
        except ValueError:
            found = {"message": data.decode(errors="replace")}
        return Answer(answer.status, found, answer.headers.get("Warning", ""))

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop()[0].close()

    def create(self, body: Body, **query: str) -> Answer:
        """POST; ``dryRun="All"`` writes nothing."""
        return self.request("POST", path_of(body), body, **query)

    def apply(self, body: Body, **query: str) -> Answer:
        """What ``kubectl apply --server-side --force-conflicts --field-manager=meshdsl`` sends."""
        path = f"{path_of(body)}/{body['metadata']['name']}"
        asked = {"fieldManager": "meshdsl", "force": "true", "fieldValidation": "Strict", **query}
        return self.request("PATCH", path, body, form="application/apply-patch+yaml", **asked)

    def get(self, body: Body) -> Answer:
        """The object of that name."""
        return self.request("GET", f"{path_of(body)}/{body['metadata']['name']}")

    def delete(self, body: Body) -> Answer:
        """Delete the object of that name."""
        return self.request("DELETE", f"{path_of(body)}/{body['metadata']['name']}")

    def _take(self) -> http.client.HTTPSConnection:
        """An open connection that the server has not closed in the meantime, or a new one."""
        while self._idle:
            connection, since = self._idle.pop()
            if time.monotonic() - since < _IDLE_SECONDS:
                return connection
            connection.close()
        return self._connection()

    def _connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._certificate))
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=60, context=context)


def path_of(body: Body) -> str:
    """Where objects of its kind and namespace are."""
    version, kind = str(body["apiVersion"]), str(body["kind"])
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    if kind in _CLUSTER_WIDE:
        return f"{root}/{plural}"
    return f"{root}/namespaces/{body['metadata'].get('namespace', 'default')}/{plural}"


def at_once(ask: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
    """Ask about many things, eight at a time; the answers in the order of the things."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, items))


def accepted(answers: Iterable[Answer]) -> None:
    """Fail with what was refused."""
    refused = [str(answer) for answer in answers if not answer.accepted]
    assert not refused, "\n".join(refused)
