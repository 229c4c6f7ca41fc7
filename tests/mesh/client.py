"""What callers send: real requests from a pod's network namespace, over its proxy if it has one."""

from __future__ import annotations

import http.client
import itertools
import json
import queue
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tests.mesh.echo import Echo, Try
from tests.mesh.network import Net

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Sent:
    """One request as it is put on the wire.

    Attributes:
        address: (IP address, port) that is connected to: of the Service, or of a pod.
        host: the ``host`` header.
        path: with its query, exactly as it is sent.
        told: what the application is told to do (:mod:`tests.mesh.echo`).
        alone: on a connection of its own.
        tls: what the client itself speaks TLS with; None where that is its sidecar's affair, or nobody does.
    """

    address: tuple[str, int]
    host: str
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Got:
    """What became of it.

    Attributes:
        request_id: by which the application counts tries; copies may still come in.
        status: of the answer; 0 if the connection ended without one, and then ``error`` says how.
        pod: that gave the answer; empty if no application did.
        seconds: until the whole answer was there.
        tries: what reached an application, in order.
    """

    request_id: str
    status: int
    headers: dict[str, str]
    body: str
    seconds: float
    error: str
    tries: tuple[Try, ...]

    @property
    def pod(self) -> str:
        return self.headers.get("x-echo-pod", "")


class Client:
    """Sends requests from one network namespace."""

    def __init__(self, net: Net, echo: Echo, *, seconds: float = 30) -> None:
        self._net, self._echo, self._seconds = net, echo, seconds

    def send(self, one: Sent) -> Got:
        """Send one request."""
        return self.batch([one], threads=1)[0]

    def batch(self, requests: Sequence[Sent], *, threads: int = 6) -> list[Got]:
        """Send many, some at the same time; the answers in the order of the requests."""
        todo: queue.SimpleQueue[tuple[int, Sent]] = queue.SimpleQueue()
        for pair in enumerate(requests):
            todo.put(pair)
        got: dict[int, Got] = {}
        failed: list[BaseException] = []

        def work() -> None:
            try:
                self._net.enter()
                with _Connections(self._seconds) as connections:
                    while True:
                        number, one = todo.get_nowait()
                        got[number] = self._exchange(connections, one)
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 -- raised again where somebody waits
                failed.append(error)

        workers = [threading.Thread(target=work) for _ in range(min(threads, len(requests)))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failed:
            raise failed[0]
        return [got[number] for number in range(len(requests))]

    def stream(self, one: Sent, stop: threading.Event, *, pause: float = 0.002) -> list[Got]:
        """Send one request again and again until told to stop; for a thread of its own, which this moves for good."""
        self._net.enter()
        got: list[Got] = []
        with _Connections(self._seconds) as connections:
            while not stop.is_set():
                got.append(self._exchange(connections, one))
                time.sleep(pause)
        return got

    def _exchange(self, connections: _Connections, one: Sent) -> Got:
        request_id = str(next(_NUMBERS))
        began = time.monotonic()
        status, headers, body, error = 0, {}, "", ""
        connection = connections.take(one)
        try:
            connection.putrequest(one.method, one.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers(one, request_id):
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read().decode("latin-1")
            status, headers = response.status, {name.lower(): value for name, value in response.getheaders()}
            if response.will_close or one.alone:
                connections.drop(one)
        except (OSError, http.client.HTTPException) as problem:
            error = f"{type(problem).__name__}: {problem}"
            connections.drop(one)
        return Got(
            request_id, status, headers, body, time.monotonic() - began, error, tuple(self._echo.tries(request_id))
        )

    def _headers(self, one: Sent, request_id: str) -> Iterable[tuple[str, str]]:
        yield "host", one.host
        yield "x-echo-id", request_id
        if one.told:
            yield "x-echo", json.dumps(dict(one.told))
        if one.method in {"POST", "PUT", "PATCH"}:
            yield "content-length", "0"
        yield from one.headers.items()


class _Connections:
    """Open connections of one thread, one for each address and identity."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[tuple[object, ...], http.client.HTTPConnection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open.values():
            connection.close()

    def take(self, one: Sent) -> http.client.HTTPConnection:
        if one.alone:
            self.drop(one)
        key = (one.address, one.tls)
        if key not in self._open:
            host, port = one.address
            self._open[key] = (
                http.client.HTTPConnection(host, port, timeout=self._seconds)
                if one.tls is None
                else http.client.HTTPSConnection(host, port, timeout=self._seconds, context=one.tls)
            )
        return self._open[key]

    def drop(self, one: Sent) -> None:
        connection = self._open.pop((one.address, one.tls), None)
        if connection is not None:
            connection.close()
