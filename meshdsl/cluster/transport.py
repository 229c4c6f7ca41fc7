"""Requests to the API server through a proxy on a unix socket: tried again where that helps, within a time limit.

There are two requests: GET, and the dry-run apply, which is a PATCH with ``dryRun=All``. There is no way to send any
other, and the proxy would refuse it. Both can be repeated without harm. An answer is given up after a bounded number
of tries; a server that asks to wait is waited for, if that is within the deadline. A token that expires is renewed
once, by starting kubectl anew. Threads may share a transport.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlencode

from meshdsl.cluster.answers import object_of
from meshdsl.cluster.clock import Clock, Deadline
from meshdsl.cluster.errors import ClusterError, Failure, words
from meshdsl.cluster.wire import READ_TIMEOUT, Answer, exchange

TRIES: Final = 4
"""Of one request, when it fails in a way that may pass."""
TRIES_WHEN_ASKED_TO_WAIT: Final = 10
"""Of one request, while the server says how long to wait."""
BACK_OFF: Final = 0.2
"""Seconds before the second try; doubled before each further one."""

DRY_RUN: Final[Mapping[str, str]] = {
    "dryRun": "All",
    "fieldManager": "meshdsl",
    "fieldValidation": "Strict",
    "force": "true",
}

_CLOSED: Final = "the connection to the cluster is closed"
_TOO_LATE: Final = "no answer within {:g} s"
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""As an API server writes it: ``299 - "text"``."""


class Endpoint(Protocol):
    """Something that listens on a unix socket and leads to an API server."""

    socket: str

    def said(self) -> str:
        """What it printed last, for people."""

    def close(self) -> None:
        """End it."""


class Transport:
    """See the module.

    Args:
        open_endpoint: starts the endpoint; called again, once, when the server says 401.
        clock: for waiting.
        read_timeout: seconds without a byte after which an answer is given up.
    """

    def __init__(
        self, open_endpoint: Callable[[], Endpoint], *, clock: Clock, read_timeout: float = READ_TIMEOUT
    ) -> None:
        self.clock = clock
        self._open = open_endpoint
        self._read_timeout = read_timeout
        self._lock = threading.Lock()
        self._endpoints = [open_endpoint()]
        self._ahead: dict[str, Future[Answer]] = {}
        self._down = False
        self._closed = False

    def close(self) -> None:
        """End the endpoint. Requests that are under way fail."""
        self._closed = True
        for answer in tuple(self._ahead.values()):
            answer.cancel()
        with self._lock:
            for endpoint in self._endpoints:
                endpoint.close()

    def said(self) -> str:
        """What the endpoint printed last, for people."""
        return self._endpoints[-1].said()

    def ask_ahead(self, requests: Iterable[tuple[str, Mapping[str, str]]], deadline: Deadline, workers: int) -> None:
        """Send GETs now, whose answers the first :meth:`get` of the same path and query will take.

        It does not wait, and raises nothing: an answer that fails is the first try of that ``get``.

        Args:
            requests: a path and the query for each.
            deadline: for these requests.
            workers: how many are under way at once.
        """
        pool = ThreadPoolExecutor(workers, "meshdsl-ahead")
        for path, query in requests:
            target = _target(path, query)
            self._ahead[target] = pool.submit(self._once, "GET", target, deadline, None, 1)
        pool.shutdown(wait=False)

    def get(self, path: str, deadline: Deadline, **query: str) -> dict[str, Any]:
        """GET a JSON object.

        Args:
            path: such as ``"/apis/apps/v1/deployments"``.
            deadline: for all tries.
            query: parameters; empty ones are left out.

        Raises:
            Failure: there is none.
        """
        return self._request("GET", _target(path, query), deadline, None)[0]

    def dry_run(self, path: str, body: Mapping[str, Any], deadline: Deadline) -> tuple[dict[str, Any], tuple[str, ...]]:
        """A server-side apply that changes nothing: the object as it would be, and the server's warnings.

        Raises:
            Failure: ``refused`` if the server does not take the object, or another code.
        """
        data = json.dumps(body).encode()
        found, answer = self._request("PATCH", _target(path, DRY_RUN), deadline, data)
        return found, tuple(words(text) for text in _WARNING.findall(answer.headers.get("warning", "")))

    def _request(
        self, method: Literal["GET", "PATCH"], target: str, deadline: Deadline, body: bytes | None
    ) -> tuple[dict[str, Any], Answer]:
        tries = 0
        while True:
            generation = len(self._endpoints)
            try:
                answer = self._early(target, deadline) or self._once(method, target, deadline, body, generation)
                found = object_of(answer)
            except Failure as failure:
                if failure.code == "unauthorized" and failure.retry:
                    if self._renewed(generation):
                        continue
                    raise
                tries += 1
                self._wait(failure, tries, deadline)
            else:
                self._down = False
                return found, answer

    def _early(self, target: str, deadline: Deadline) -> Answer | None:
        """The answer to what was asked ahead; None if it was not, or was taken."""
        answer = self._ahead.pop(target, None)
        if answer is None:
            return None
        try:
            return answer.result(deadline.left())
        except TimeoutError:
            raise Failure("timeout", _TOO_LATE.format(deadline.seconds)) from None
        except CancelledError:
            raise Failure("unreachable", _CLOSED) from None

    def _once(
        self, method: Literal["GET", "PATCH"], target: str, deadline: Deadline, body: bytes | None, generation: int
    ) -> Answer:
        if self._closed:
            raise Failure("unreachable", _CLOSED)
        if deadline.left() <= 0:
            raise Failure("timeout", _TOO_LATE.format(deadline.seconds))
        return exchange(
            self._endpoints[generation - 1].socket,
            method,
            target,
            deadline,
            body=body,
            media_type="application/apply-patch+yaml" if body is not None else "",
            read_timeout=self._read_timeout,
        )

    def _wait(self, failure: Failure, tries: int, deadline: Deadline) -> None:
        """Wait until the next try, or raise the failure if there is none."""
        if not failure.retry or self._closed:
            raise failure
        allowed = TRIES if failure.wait is None else TRIES_WHEN_ASKED_TO_WAIT
        # Many requests go the same way: where one was given up, the next are not tried as often.
        if tries >= allowed or (self._down and failure.code in {"unreachable", "timeout"}):
            self._down = failure.code in {"unreachable", "timeout"}
            raise failure
        wait = BACK_OFF * 2 ** (tries - 1) if failure.wait is None else failure.wait
        if wait >= deadline.left():
            asked = "" if failure.wait is None else f" and asks to wait {failure.wait:g} s"
            reason = f"{failure.reason}{asked}; the time limit is {deadline.seconds:g} s"
            raise Failure(failure.code, reason) from failure
        self.clock.sleep(wait)

    def _renewed(self, generation: int) -> bool:
        """Whether there is a newer endpoint than the one that the server did not know. At most one is started.

        The old one is kept until the end, because other threads may be reading from it.
        """
        with self._lock:
            if len(self._endpoints) > generation:
                return True
            if generation > 1 or self._closed:
                return False
            try:
                self._endpoints.append(self._open())
            except ClusterError:
                return False
            return True


def _target(path: str, query: Mapping[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path
