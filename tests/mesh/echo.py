"""The application behind every pod: it answers what it was asked, and fails as the request tells it to.

One event loop serves all pods, so that there is one record of which try of which request reached whom. It speaks
HTTP/1.1 and HTTP/2 in plain text on every port, as the first bytes have it.

A request carries ``x-echo-id``, by which its tries are counted, and may carry ``x-echo``, JSON: ``status`` (answer with
it), ``grpc`` (answer with that grpc-status), ``headers`` (in the answer, too), ``sleep`` (seconds before the answer),
``reset`` (cut the connection; over HTTP/2 the stream, with that error code), ``times`` (do so for that many tries;
without it, for all), ``port`` (do so on that port alone).
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

_PREFACE = b"PRI * HTTP/2.0\r\n"
Fields = list[tuple[str, str]]


@dataclass(frozen=True)
class Try:
    """One try of a request, as a pod saw it; ``time`` is the loop's, in seconds."""

    pod: str
    port: int
    time: float
    method: str
    path: str
    headers: dict[str, str]


class Echo:
    """The application of all pods."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._seen: dict[str, list[Try]] = defaultdict(list)
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self.transports: set[asyncio.Transport] = set()
        self._thread.start()

    def open(self, listener: socket.socket, pod: str) -> None:
        """Answer on a socket in the name of a pod."""
        port = listener.getsockname()[1]

        async def serve() -> asyncio.Server:
            return await self._loop.create_server(lambda: _Connection(self, pod, port), sock=listener)

        self._servers[pod, port] = asyncio.run_coroutine_threadsafe(serve(), self._loop).result(10)

    def shut(self, pod: str, port: int) -> None:
        """Listen no more on a pod's port: connections to it are refused."""

        async def stop() -> None:
            self._servers.pop((pod, port)).close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)

    def tries(self, request_id: str) -> list[Try]:
        """Every try of a request that reached a pod, in their order."""
        return list(self._seen.get(request_id, ()))

    def forget(self) -> None:
        """Forget all requests."""
        self._loop.call_soon_threadsafe(self._seen.clear)

    def close(self) -> None:
        """Stop answering."""

        async def stop() -> None:
            for server in self._servers.values():
                server.close()
            for transport in list(self.transports):
                transport.abort()
            await asyncio.sleep(0)  # so that they are told

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def record(self, one: Try) -> int:
        """Note a try; the how-manieth of its request it is, from 1."""
        tries = self._seen[one.headers.get("x-echo-id", "")]
        tries.append(one)
        return len(tries)

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Fields
    body: bytes
    sleep: float = 0
    reset: int = 0


def _answer(echo: Echo, pod: str, port: int, method: str, path: str, headers: dict[str, str]) -> _Answer:
    """What it is told to answer; ``x-echo-pod`` says who does."""
    number = echo.record(Try(pod, port, echo.now(), method, path, headers))
    told: dict[str, Any] = json.loads(headers.get("x-echo", "{}"))
    if number > told.get("times", number) or port != told.get("port", port):
        told = {}
    said = json.dumps({"pod": pod, "method": method, "path": path, "headers": headers, "tries": number}).encode()
    kind = "application/json"
    fields = list(told.get("headers", {}).items())
    if "grpc" in told:
        said, kind = b"", "application/grpc"
        fields.append(("grpc-status", str(told["grpc"])))
    fields += [("x-echo-pod", pod), ("content-type", kind), ("content-length", str(len(said)))]
    body = b"" if method == "HEAD" else said
    return _Answer(told.get("status", 200), fields, body, told.get("sleep", 0), int(told.get("reset", 0)))


class _Connection(asyncio.Protocol):
    """A connection: of HTTP/2 if it opens so, else of HTTP/1.1."""

    def __init__(self, echo: Echo, pod: str, port: int) -> None:
        self._echo, self._pod, self._port = echo, pod, port
        self._buffer = b""
        self._speaks: Callable[[bytes], None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._echo.transports.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._echo.transports.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        if self._speaks is not None:
            self._speaks(data)
            return
        self._buffer += data
        if len(self._buffer) >= len(_PREFACE) or not _PREFACE.startswith(self._buffer):
            self._speaks = _Http2(self).received if self._buffer.startswith(_PREFACE) else _Http1(self).received
            self._speaks(self._buffer)

    def later(
        self, method: str, path: str, headers: Iterable[tuple[str, str]], send: Callable[[_Answer], None]
    ) -> None:
        """Answer a request, when it is time."""
        answer = _answer(self._echo, self._pod, self._port, method, path, {k.lower(): v for k, v in headers})

        def now() -> None:
            if not self.transport.is_closing():
                send(answer)

        if answer.sleep:
            asyncio.get_running_loop().call_later(answer.sleep, now)
        else:
            now()

    def cut(self) -> None:
        """End the connection with a reset."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class _Http1:
    """HTTP/1.1, one request after the other; bodies have a content-length."""

    def __init__(self, connection: _Connection) -> None:
        self._connection, self._buffer = connection, b""

    def received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            words = first.split(" ")
            if len(words) != 3:  # bytes that are no request: they are sent back
                self._connection.transport.write(self._buffer)
                self._buffer = b""
                return
            headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
            length = int({k.lower(): v for k, v in headers}.get("content-length", "0"))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._connection.later(words[0], words[1], headers, self._send)

    def _send(self, answer: _Answer) -> None:
        if answer.reset:
            self._connection.cut()
            return
        lines = [f"HTTP/1.1 {answer.status} Said", *(f"{name}: {value}" for name, value in answer.headers)]
        self._connection.transport.write("\r\n".join([*lines, "", ""]).encode() + answer.body)


class _Http2:
    """HTTP/2 with prior knowledge. Its library is imported late: an ordinary run, which skips all this, has it not."""

    def __init__(self, connection: _Connection) -> None:
        import h2.config
        import h2.connection
        import h2.events

        self._connection, self._events = connection, h2.events
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._state = h2.connection.H2Connection(config)
        self._state.initiate_connection()
        self._asked: dict[int, Fields] = {}
        self._flush()

    def received(self, data: bytes) -> None:
        for event in self._state.receive_data(data):
            if isinstance(event, self._events.RequestReceived):
                self._asked[event.stream_id] = [(str(name), str(value)) for name, value in event.headers or ()]
            elif isinstance(event, self._events.DataReceived):
                self._state.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, self._events.StreamReset):
                self._asked.pop(event.stream_id, None)
            elif isinstance(event, self._events.StreamEnded):
                self._ask(event.stream_id)
        self._flush()

    def _ask(self, stream: int) -> None:
        fields = self._asked[stream]
        pseudo = {name: value for name, value in fields if name.startswith(":")}
        headers = [("host", pseudo.get(":authority", "")), *((n, v) for n, v in fields if not n.startswith(":"))]
        self._connection.later(pseudo[":method"], pseudo[":path"], headers, lambda answer: self._send(stream, answer))

    def _send(self, stream: int, answer: _Answer) -> None:
        if self._asked.pop(stream, None) is None:
            return  # the caller has given it up
        if answer.reset:
            self._state.reset_stream(stream, error_code=answer.reset)
        else:
            self._state.send_headers(
                stream, [(":status", str(answer.status)), *answer.headers], end_stream=not answer.body
            )
            if answer.body:
                self._state.send_data(stream, answer.body, end_stream=True)
        self._flush()

    def _flush(self) -> None:
        self._connection.transport.write(self._state.data_to_send())
