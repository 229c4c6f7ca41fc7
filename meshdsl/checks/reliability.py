"""Settings that cannot do what they say."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Service
from meshdsl.plan.requests import Rule
from meshdsl.values import duration_text


def check(service: Service) -> Iterator[Diagnostic]:
    """What is wrong with one service's timeouts, retries and breaker."""
    for port in service.ports:
        for rule in port.rules:
            yield from _per_try_timeout(service, rule)
    yield from _ejection(service)


def _per_try_timeout(service: Service, rule: Rule) -> Iterator[Diagnostic]:
    retry, timeout = rule.retry, rule.timeout
    if retry is None or timeout is None or retry.per_try_timeout is None:
        return
    if retry.per_try_timeout > timeout.request:
        yield Diagnostic(
            "MESH411",
            f"a try of {service} may take {duration_text(retry.per_try_timeout)}, the whole request only"
            f" {duration_text(timeout.request)}",
            retry.source.origin,
            "per_try_timeout",
            reason="the request would end during its first try, and never be tried again",
            help="make per_try_timeout shorter than the timeout",
            related=(("the timeout is here", timeout.source.origin),) if timeout.source.origin else (),
        )


def _ejection(service: Service) -> Iterator[Diagnostic]:
    breaker = service.breaker
    if breaker is None or breaker.outlier is None or service.replicas is None:
        return
    percent = breaker.outlier.max_ejection_percent
    # A proxy counts the pods of a version by themselves: this is the most that one of them can have.
    most = service.replicas - max(0, len(service.used_versions) - 1)
    if most * percent < 100:
        yield Diagnostic(
            "MESH410",
            f"the breaker of {service} can never eject a pod: {percent} % of {most} is less than one",
            breaker.source.origin,
            "max_ejection_percent",
            reason="a proxy ejects no pod beyond max_ejection_percent, and rounds down (Envoy's outlier detection)",
            help=f"max_ejection_percent must be at least {min(100, -(-100 // max(1, most)))}",
        )
