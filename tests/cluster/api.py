"""A scripted API server on a unix socket, in place of ``kubectl proxy``, and a clock that never waits."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from meshdsl.cluster import KubectlCluster
from meshdsl.cluster.clock import Clock
from meshdsl.cluster.transport import Transport


class FakeClock(Clock):
    """Sleeping moves it, and nothing else."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []
        self.lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.slept.append(seconds)
            self.time += seconds


@dataclass(frozen=True)
class Request:
    index: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return f"{self.path} {self.query}"


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Reply = Callable[["Handler"], None]
Fault = Callable[[Request], Reply | None]


@dataclass
class Api:
    """Lists of objects by path of the whole cluster's list (``/apis/apps/v1/deployments``), and what goes wrong."""

    lists: dict[str, tuple[str, list[dict[str, Any]]]] = field(
        default_factory=lambda: {CRDS: ("CustomResourceDefinition", [])}
    )
    """path → (kind, objects)"""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    fault: Fault = lambda _request: None
    forbidden: Callable[[str, str], bool] = lambda _plural, _namespace: False
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    socket: str = ""
    closed: int = 0
    remaining: bool = True

    def said(self) -> str:
        return ""

    def close(self) -> None:
        self.closed += 1

    def add(self, path: str, kind: str, *objects: dict[str, Any]) -> None:
        self.lists.setdefault(path, (kind, []))[1].extend(objects)

    @property
    def methods(self) -> set[str]:
        return {request.method for request in self.requests}

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def answer(self, request: Request) -> Reply:
        if request.path == "/version":
            return as_json({"gitVersion": "v1.36.1"})
        if request.path in self.documents:
            return as_json(self.documents[request.path])
        whole, namespace = everywhere(request.path)
        plural = whole.rsplit("/", 1)[1]
        if self.forbidden(plural, namespace):
            where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
            return status(403, f'{plural} is forbidden: User "ci" cannot list resource "{plural}"{where}')
        if whole not in self.lists:
            return status(404, "the server could not find the requested resource")
        kind, objects = self.lists[whole]
        if namespace:
            objects = [item for item in objects if item["metadata"].get("namespace") == namespace]
        if selector := request.query.get("labelSelector"):
            wanted = dict(one.split("=") for one in selector.split(","))
            objects = [item for item in objects if wanted.items() <= item["metadata"].get("labels", {}).items()]
        start = int(request.query.get("continue", "0"))
        end = start + int(request.query["limit"]) if "limit" in request.query else len(objects)
        metadata: dict[str, Any] = {"resourceVersion": "7"}
        if end < len(objects):
            metadata["continue"] = str(end)
            if not selector and self.remaining:
                metadata["remainingItemCount"] = len(objects) - end
        version = whole.split("/")[-2] if whole.startswith("/api/") else "/".join(whole.split("/")[2:4])
        return as_json(
            {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": objects[start:end]}
        )


def everywhere(path: str) -> tuple[str, str]:
    """The path of the whole cluster's list, and the namespace."""
    parts = path.split("/")
    if "namespaces" in parts[:-2]:
        at = parts.index("namespaces")
        return "/".join(parts[:at] + parts[at + 2 :]), parts[at + 1]
    return path, ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server | TcpServer  # type: ignore[assignment]

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def answer(self) -> None:
        api = self.server.api
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with api.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(len(api.requests), self.command, parts.path, query, headers, body)
            api.requests.append(request)
        (api.fault(request) or api.answer(request))(self)
        self.close_connection = True

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the library's names

    def log_message(self, *_arguments: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"

    def reply(self, code: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    api: Api


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    api: Api


@contextlib.contextmanager
def serving(api: Api, path: Path) -> Iterator[Api]:
    """On a unix socket, as kubectl proxy."""
    api.socket = str(path)
    with running(Server(str(path), Handler), api):
        yield api


@contextlib.contextmanager
def serving_tcp(api: Api, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """On a port of this machine, as an API server behind a real kubectl. Yields the port."""
    server = TcpServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with running(server, api):
        yield server.server_address[1]


@contextlib.contextmanager
def running(server: Server | TcpServer, api: Api) -> Iterator[None]:
    server.api = api
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def transport(api: Api, clock: Clock | None = None, **options: Any) -> Transport:
    return Transport(lambda: api, clock=clock or FakeClock(), **options)


def cluster(api: Api, clock: Clock | None = None, **options: Any) -> KubectlCluster:
    return KubectlCluster("test", endpoint=lambda: api, clock=clock or FakeClock(), **options)


def as_json(body: object, code: int = 200, **headers: str) -> Reply:
    return lambda handler: handler.reply(code, json.dumps(body).encode(), "application/json", **headers)


def status(code: int, message: str, **headers: str) -> Reply:
    return as_json({"kind": "Status", "apiVersion": "v1", "code": code, "message": message}, code, **headers)


def text(code: int, body: str, media_type: str = "text/plain; charset=utf-8") -> Reply:
    return lambda handler: handler.reply(code, body.encode(), media_type)


def reset(handler: Handler) -> None:
    """As a peer that goes away: no answer at all."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def truncated(handler: Handler) -> None:
    """Half of what was announced."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"kind": "ServiceList", "items": [')


def truncated_chunk(handler: Handler) -> None:
    """A chunk, and then the end without the last chunk."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'22\r\n{"kind": "ServiceList", "items": []\r\n')


def stalled(handler: Handler) -> None:
    """Accepts, and says nothing until the other side gives up."""
    handler.connection.settimeout(5)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)


def trickling(handler: Handler) -> None:
    """A byte at a time, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(500):
        handler.wfile.write(b" ")
        time.sleep(0.01)


def service(namespace: str, name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": "1", "labels": labels}}
