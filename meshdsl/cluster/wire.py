"""One HTTP/1.1 exchange over a unix socket, with limits on time and size.

The standard library's client does the protocol. What it lacks is put under it: each wait for bytes is bounded by the
read timeout *and* by what is left of the deadline, so that a server that sends one byte a second ends as surely as one
that sends none. Each exchange has a connection of its own: connecting to a unix socket costs nothing, the proxy keeps
its connections to the API server, and there is no stale connection to reason about.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from meshdsl.cluster.clock import Deadline
from meshdsl.cluster.errors import Failure

CONNECT_TIMEOUT: Final = 5.0
"""Seconds to connect to the proxy, which is on this machine."""
READ_TIMEOUT: Final = 20.0
"""Seconds without a single byte after which an answer is given up."""
MAX_BODY: Final = 1 << 30
"""Bytes of one answer. A page of 500 of the largest objects that etcd takes is smaller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole.

    Attributes:
        status: such as 200.
        headers: with lower-case names.
        body: whole: as long as the server said.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Such as ``"application/json"``."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body for people."""
        return self.body[:4096].decode("utf-8", "replace")


def exchange(
    path: str,
    method: str,
    target: str,
    deadline: Deadline,
    *,
    body: bytes | None = None,
    media_type: str = "",
    read_timeout: float = READ_TIMEOUT,
) -> Answer:
    """Send one request and read the whole answer.

    Args:
        path: of the unix socket.
        method: HTTP method.
        target: path and query.
        deadline: for all of it.
        body: to send.
        media_type: of that body.
        read_timeout: seconds without a byte.

    Raises:
        Failure: ``unreachable``, ``timeout`` or ``invalid-answer``, each worth another try.
    """
    connection = _Connection(path, deadline, read_timeout)
    headers = {"Host": "localhost", "Accept": "application/json", "Connection": "close", "User-Agent": "meshdsl"}
    if media_type:
        headers["Content-Type"] = media_type
    try:
        with contextlib.suppress(BrokenPipeError):  # who refuses a request may do so before it has read it all
            connection.request(method, target, body, headers)
        response = connection.getresponse()
        content = response.read()
        return Answer(response.status, _joined(response.getheaders()), content)
    except TimeoutError as error:
        if deadline.left() <= 0:
            raise Failure("timeout", f"no answer within {deadline.seconds:g} s") from error
        raise Failure("timeout", f"nothing came for {read_timeout:g} s", retry=True) from error
    except _TooLongError as error:
        raise Failure("invalid-answer", f"an answer of more than {MAX_BODY >> 20} MiB") from error
    except http.client.IncompleteRead as error:
        raise Failure("invalid-answer", "the answer broke off", retry=True) from error
    except ConnectionRefusedError as error:
        raise Failure("unreachable", "kubectl proxy does not answer any more", retry=True) from error
    except FileNotFoundError as error:
        raise Failure("unreachable", "kubectl proxy is not there any more", retry=True) from error
    except http.client.RemoteDisconnected as error:
        raise Failure("unreachable", "the connection was closed without an answer", retry=True) from error
    except http.client.HTTPException as error:
        raise Failure("invalid-answer", f"the answer is not HTTP: {type(error).__name__}", retry=True) from error
    except OSError as error:
        raise Failure("unreachable", f"the connection broke: {error.strerror or error}", retry=True) from error
    finally:
        connection.close()


class _TooLongError(Exception):
    pass


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, deadline: Deadline, read_timeout: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._deadline = deadline
        self._read_timeout = read_timeout

    def connect(self) -> None:
        self.sock = _Socket(self._deadline, self._read_timeout)
        self.sock.settimeout(_bounded(CONNECT_TIMEOUT, self._deadline))
        self.sock.connect(self._path)


class _Socket(socket.socket):
    """A unix socket whose reader looks at the deadline before each wait."""

    def __init__(self, deadline: Deadline, read_timeout: float) -> None:
        super().__init__(socket.AF_UNIX)
        self._deadline = deadline
        self._read_timeout = read_timeout

    def makefile(self, *_arguments: object, **_options: object) -> io.BufferedReader:  # type: ignore[override]
        """What ``http.client`` reads from."""
        return io.BufferedReader(_Reader(self, self._deadline, self._read_timeout), 1 << 16)


class _Reader(io.RawIOBase):
    def __init__(self, source: socket.socket, deadline: Deadline, read_timeout: float) -> None:
        # http.client closes the socket when the headers are read, and reads on from what makefile() gave.
        self._source = socket.socket(fileno=os.dup(source.fileno()))
        self._deadline = deadline
        self._read_timeout = read_timeout
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._source.settimeout(_bounded(self._read_timeout, self._deadline))
        count = self._source.recv_into(buffer)
        self._read += count
        if self._read > MAX_BODY:
            raise _TooLongError
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; the values of one that comes several times are joined as RFC 9110 joins them."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _bounded(seconds: float, deadline: Deadline) -> float:
    left = deadline.left()
    if left <= 0:
        raise TimeoutError
    return min(seconds, left)
