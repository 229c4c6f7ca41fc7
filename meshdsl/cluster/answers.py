"""What an answer means: an object, or a failure with a code and a sentence.

Answers come from three places that look alike: the API server (JSON, a ``Status`` when something is wrong), ``kubectl
proxy`` itself (text: it could not log in, or not reach the server), and whatever else stands in between (an HTML page
of a gateway or a login). Only a whole JSON object of the first is ever taken for data; anything else is a failure, and
never an empty list.
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from meshdsl.cluster.errors import Failure, words
from meshdsl.cluster.wire import Answer

_NOT_TRUSTED = re.compile(r"x509:|\btls: (?!handshake timeout)")
_NOT_REACHED = re.compile(
    r"dial tcp|dial unix|connection (?:refused|reset)|no such host|no route|network is unreachable|i/o timeout"
    r"|EOF|http2:|deadline exceeded|handshake timeout|proxyconnect|server gave HTTP response|stopped after"
)
NOT_TRUSTED = "the server's certificate is not trusted"
NOT_LOGGED_IN = "not logged in"
_NO_SUCH_PATH = "404 page not found"
_NO_SUCH_RESOURCE = "the server could not find the requested resource"
_NOT_IN_SCHEMA = "field not declared in schema"


def object_of(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        Failure: it is none, or says that something is wrong.
    """
    if answer.status not in {200, 201}:
        _fail(answer)
    if answer.media_type != "application/json":
        raise Failure("invalid-answer", f"{_kind_of_page(answer)} instead of JSON", retry=True)
    parsed = _parse(answer.body)
    if parsed is None:
        raise Failure("invalid-answer", "the answer is not whole JSON", retry=True)
    return parsed


def retry_after(answer: Answer) -> float | None:
    """The seconds that ``Retry-After`` asks for, None without.

    A date is compared with the ``Date`` of the same answer, never with the clock of this machine.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), 1_000_000))
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(answer.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # not a date; or one has a zone and the other has none
        return None


def _fail(answer: Answer) -> NoReturn:
    status = answer.status
    body = _parse(answer.body) if answer.media_type == "application/json" else None
    message = words(str(body.get("message", ""))) if body and body.get("kind") == "Status" else ""
    if body is None and status == 500 and answer.media_type == "text/plain":
        _fail_at_proxy(answer.text)
    if status == 401:
        reason = f"{NOT_LOGGED_IN}: {message or 'the server does not know who asks'}"
        raise Failure("unauthorized", reason, retry=True)
    if status == 403:
        raise Failure("forbidden", _forbidden(answer, message))
    if status == 404 and (message or answer.text.strip() == _NO_SUCH_PATH):
        # Said of a path, it is the kind; said of an object or its namespace, the message has its name.
        unnamed = not message or message.startswith(_NO_SUCH_RESOURCE)
        raise Failure("not-installed", "the cluster does not have this kind" if unnamed else message)
    if status == 410:
        raise Failure("expired", message or "the server does not have that state of the list any more")
    said = message or _kind_of_page(answer)
    if status in {400, 409, 413, 415, 422} and message:
        raise Failure("refused", message)
    if status == 429 or status >= 500:
        if _NOT_IN_SCHEMA in message:
            raise Failure("refused", message)
        raise Failure("server-error", f"the server answers {status}: {said}", retry=True, wait=retry_after(answer))
    raise Failure("invalid-answer", f"{status} with {said}: that is not an answer of an API server")


def _fail_at_proxy(text: str) -> NoReturn:
    said = words(text)
    if "getting credentials" in text:
        raise Failure("unauthorized", f"{NOT_LOGGED_IN}: {said}")
    if _NOT_TRUSTED.search(text):
        raise Failure("unreachable", f"{NOT_TRUSTED}: {said}")
    if _NOT_REACHED.search(text):
        raise Failure("unreachable", f"the API server cannot be reached: {said}", retry=True)
    raise Failure("server-error", f"the server answers 500: {said}", retry=True)


def _forbidden(answer: Answer, message: str) -> str:
    if message:
        return f"forbidden: {message.removeprefix('forbidden: ')}"
    return f"forbidden by something before the API server: {_kind_of_page(answer)}"


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _kind_of_page(answer: Answer) -> str:
    if answer.media_type == "text/html":
        return "an HTML page"
    if answer.media_type == "text/plain":
        return words(answer.text) or "an empty text"
    return f"a body of type {words(answer.media_type)}" if answer.media_type else "a body of no type"
