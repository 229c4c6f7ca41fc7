"""The parts of a plan in words, short enough to stand on both sides of an arrow.

Only the policy view and the risks use them. Values of header edits are never shown, nor those of conditions on headers
that carry credentials: a report goes into pull requests and logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from meshdsl.plan.intent import Breaker, Resources
from meshdsl.plan.requests import (
    Backend,
    Condition,
    Fault,
    HeaderEdits,
    Headers,
    Match,
    Mirror,
    Path,
    PathKind,
    Redirect,
    Retry,
    Rewrite,
    Timeout,
)
from meshdsl.plan.rights import Allow, Anyone, Callers, Deny
from meshdsl.values import percent_text

NONE: Final = "none"

_SECRET = re.compile(r"authori[sz]ation|token|secret|passw|api-?key|credential", re.ASCII)
HIDDEN: Final = "…"
"""What stands in place of a value that may be a credential."""
_COOKIE = re.compile(r"\(\?:\.\*;\[ \]\*\)\?(.*)\(\?:\[ \]\*;\.\*\)\?", re.ASCII | re.DOTALL)


def listed(words: tuple[str, ...], last: str = "and") -> str:
    """Words with commas, and one between the last two."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def is_secret(name: str) -> bool:
    """Whether a header or parameter of that name carries a credential."""
    return _SECRET.search(name) is not None


def duration(ms: int) -> str:
    """A duration as it is written in a policy: ``5h``, ``1m30s``, ``1500ms``.

    Args:
        ms: milliseconds.
    """
    if ms % 1000:
        return f"{ms}ms"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


# -------------------------------------------------------------------------------------------------------- requests


def path_text(path: Path) -> str:
    """A path as it is written in a policy."""
    if path.kind is PathKind.PREFIX:
        return f"{path.value}/*"
    return f'Regex("{path.value}")' if path.kind is PathKind.REGEX else path.value


def header_text(condition: Condition) -> str:
    """A condition on a header: ``x-canary = true``."""
    name = condition.name
    if condition.regex and condition.value == ".*":
        return f"header {name}"
    cookie = _COOKIE.fullmatch(condition.value) if condition.regex and name == "cookie" else None
    if cookie is not None:
        pair = re.sub(r"\\(.)", r"\1", cookie[1])
        hidden = f"cookie {pair.partition('=')[0]} = {HIDDEN}"
        return hidden if _SECRET.search(pair) else f"cookie {pair.replace('=', ' = ', 1)}"
    value = HIDDEN if is_secret(name) else condition.value
    return f"{name} matching {value}" if condition.regex else f"{name} = {value}"


def query_text(condition: Condition) -> str:
    """A condition on a query parameter: ``?debug = on``."""
    value = HIDDEN if is_secret(condition.name) else condition.value
    return f"?{condition.name} {'matching' if condition.regex else '='} {value}"


def requests_text(match: Match, methods: Iterable[str] = ()) -> str:
    """The requests of a match: ``GET or POST requests to /v1/* with x-canary = true``.

    Args:
        match: the conditions; its own method counts only if ``methods`` is empty.
        methods: instead of the match's own.
    """
    named = sorted(methods) or ([match.method] if match.method else [])
    words = [listed(tuple(named), "or"), "requests"] if named else ["requests"]
    if match.path is not None:
        words.append(f"to {path_text(match.path)}")
    conditions = [header_text(header) for header in match.headers] + [query_text(one) for one in match.query]
    if conditions:
        words.append("with " + listed(tuple(conditions)))
    return " ".join(words)


# --------------------------------------------------------------------------------------------------------- traffic


def shares(backends: tuple[Backend, ...]) -> dict[str | None, Decimal]:
    """The percentage of each version, exact to four decimals; None stands for the service as it is."""
    total = sum(backend.weight for backend in backends)
    found: dict[str | None, Decimal] = {}
    for backend in backends:
        share = Decimal(100 * backend.weight) / total if total else Decimal(0)
        found[backend.version] = found.get(backend.version, Decimal(0)) + share
    return {version: round(share, 4).normalize() for version, share in found.items()}


def backends_text(backends: tuple[Backend, ...]) -> str:
    """``v1 90 %, v2 10 %``, ``all to v1``, or ``none`` where requests go to the service as it is."""
    if len(backends) == 1:
        return f"all to {backends[0].version}" if backends[0].version is not None else NONE
    return ", ".join(f"{version or 'the service'} {percent_text(share)}" for version, share in shares(backends).items())


def timeout_text(timeout: Timeout | None) -> str:
    """``5s``."""
    return NONE if timeout is None else duration(timeout.request)


def attempts_text(retry: Retry | None) -> str:
    """``3 attempts``."""
    if retry is None:
        return "off"
    return f"{retry.attempts} attempt{'s' if retry.attempts != 1 else ''}"


def retry_text(retry: Retry | None) -> str:
    """``3 attempts on 5xx, reset, each at most 2s``."""
    if retry is None:
        return "off"
    words = attempts_text(retry)
    on = [*retry.conditions, *map(str, retry.statuses)]
    if on:
        words += f" on {', '.join(on)}"
    if retry.per_try_timeout is not None:
        words += f", each at most {duration(retry.per_try_timeout)}"
    if retry.backoff is not None:
        words += f", backoff from {duration(retry.backoff)}"
    return words


def fault_text(fault: Fault | None) -> str:
    """``5 % wait 1s, 1 % are answered with 503``."""
    if fault is None:
        return NONE
    parts = []
    if fault.delay is not None:
        parts.append(f"{percent_text(fault.delay.percent)} wait {duration(fault.delay.duration)}")
    if fault.abort is not None:
        parts.append(f"{percent_text(fault.abort.percent)} are answered with {fault.abort.status}")
    return ", ".join(parts) or NONE


def mirror_text(mirror: Mirror | None) -> str:
    """``10 % to prod/shadow:80``."""
    if mirror is None:
        return NONE
    version = f" {mirror.version}" if mirror.version is not None else ""
    return f"{percent_text(mirror.percent)} to {'/'.join(mirror.service)}:{mirror.port}{version}"


def headers_text(headers: Headers | None) -> str:
    """The names that are edited; values may be credentials."""
    if headers is None:
        return NONE
    sides = (("request", headers.request), ("response", headers.response))
    return "; ".join(f"{side} {', '.join(_edits(edits))}" for side, edits in sides if edits is not None) or NONE


def _edits(edits: HeaderEdits) -> Iterator[str]:
    yield from (f"set {name}" for name, _ in edits.set)
    yield from (f"add {name}" for name, _ in edits.add)
    yield from (f"remove {name}" for name in edits.remove)


def rewrite_text(rewrite: Rewrite | None) -> str:
    """``path /new, host other.example``."""
    if rewrite is None:
        return NONE
    parts = (("path", rewrite.path), ("host", rewrite.host))
    return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or NONE


def redirect_text(redirect: Redirect | None) -> str:
    """``301 to path /moved``."""
    if redirect is None:
        return NONE
    parts = (
        ("scheme", redirect.scheme),
        ("host", redirect.host),
        ("port", redirect.port),
        ("path", redirect.path),
    )
    where = ", ".join(f"{name} {value}" for name, value in parts if value is not None)
    return f"{redirect.status} to {where}" if where else str(redirect.status)


# ------------------------------------------------------------------------------------------- limits and ejection


def breaker_parts(breaker: Breaker | None) -> dict[str, str]:
    """Each limit and counter by its name in the language, as text. A zero is one that its mesh cannot tell."""
    if breaker is None:
        return {}
    found: dict[str, str] = {}
    if breaker.pool is not None:
        for name in ("max_connections", "max_pending_requests", "max_requests", "max_requests_per_connection"):
            value = getattr(breaker.pool, name)
            if value is not None:
                found[name] = str(value)
    if breaker.outlier is not None:
        outlier = breaker.outlier
        for name in ("consecutive_5xx", "consecutive_gateway_errors"):
            value = getattr(outlier, name)
            if value is not None:
                found[name] = str(value)
        if outlier.interval:
            found["interval"] = duration(outlier.interval)
        found["base_ejection_time"] = duration(outlier.base_ejection_time)
        if outlier.max_ejection_percent:
            found["max_ejection_percent"] = str(outlier.max_ejection_percent)
    return found


def breaker_text(breaker: Breaker) -> str:
    """``max_connections 10, consecutive_5xx 5, …``."""
    return ", ".join(f"{name} {value}" for name, value in breaker_parts(breaker).items())


# ---------------------------------------------------------------------------------------------------------- access


def callers_text(callers: Callers) -> str:
    """``prod/web or namespace test``."""
    if callers.anyone is not None:
        return "anyone in the mesh" if callers.anyone is Anyone.IN_MESH else "anyone at all"
    return listed(tuple(callers_names(callers)), "or") or "nobody"


def callers_names(callers: Callers) -> list[str]:
    """The callers that are named one by one."""
    named = [f"{account.namespace}/{account.name}" for account in callers.accounts]
    return named + [f"namespace {namespace}" for namespace in callers.namespaces]


def access_text(rule: Allow | Deny) -> str:
    """``prod/web may make GET requests to /v1/* on port 80``, ``nobody in the mesh may call it``."""
    if isinstance(rule, Deny) and rule.callers.anyone is not None:
        return f"nobody{' in the mesh' if rule.callers.anyone is Anyone.IN_MESH else ''} may {asked_text(rule)}"
    return f"{callers_text(rule.callers)} {may_text(rule)}"


def may_text(rule: Allow | Deny) -> str:
    """``may make GET requests to /v1/* on port 80``, ``may not call it``."""
    return f"{'may' if isinstance(rule, Allow) else 'may not'} {asked_text(rule)}"


def asked_text(rule: Allow | Deny) -> str:
    """``make GET requests to /v1/* on port 80``, or ``call it`` where a rule is not about requests."""
    words = ["call it"]
    if rule.is_http:
        words = ["make", *([listed(rule.methods, "or")] if rule.methods else []), "requests"]
        if rule.paths:
            words.append("to " + listed(tuple(map(path_text, rule.paths)), "or"))
        if rule.headers:
            words.append("with " + listed(tuple(map(header_text, rule.headers))))
    if rule.ports:
        words.append(f"on port{'s' if len(rule.ports) > 1 else ''} {listed(tuple(map(str, rule.ports)))}")
    return " ".join(words)


# ------------------------------------------------------------------------------------------------------- operation


def resources_parts(resources: Resources | None) -> dict[str, str]:
    """What is set of a sidecar's requests and limits, by name."""
    if resources is None:
        return {}
    names = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")
    return {name: getattr(resources, name) for name in names if getattr(resources, name)}
