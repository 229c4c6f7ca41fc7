"""Settings that cannot do what they say."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Diagnostic, Origin, Severity
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.matching import within
from meshdsl.plan.requests import Rule
from meshdsl.values import duration_text


def check(service: Service) -> Iterator[Diagnostic]:
    """What is wrong with one service's timeouts, retries and breaker."""
    for port in service.ports:
        for rule in port.rules:
            yield from _per_try_timeout(service, rule)
        yield from _retried_all_the_same(service, port)
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


def _retried_all_the_same(service: Service, port: Port) -> Iterator[Diagnostic]:
    """Requests that a ``Retry.never`` describes, and that a more specific route takes and retries.

    That is what routes mean, and still not what somebody expects who adds a Timeout for a path: the new route has no
    Retry of its own, so that of the service holds in it. A Retry on that route would be a decision.
    """
    whole = _said_by(port.rules[-1]) if port.rules else None
    # Each policy has an Origin of its own, so that two on one line are two.
    passed = {id(whole), *(id(rule.retry.source.origin) for rule in port.rules if rule.retry is not None)}
    for rule in port.rules:
        never = _said_by(rule)
        if whole is None or never is None or id(never) in passed:
            continue
        inner = [r for r in port.rules if r.retry and r.retry.source.origin is whole and within(r.match, rule.match)]
        if inner:
            passed.add(id(never))
            by = inner[0].source.origin
            yield Diagnostic(
                "MESH415",
                f"some requests that are never to be tried again are, by rule {inner[0].name} of {service}",
                never,
                "subject",
                reason="a request belongs to the most specific route alone, and that one has no Retry of its own",
                help="add a Retry.never for that route too, or the Retry that is meant for it",
                related=((f"{inner[0].name} is here", by),) if by else (),
                severity=Severity.WARNING,
            )


def _said_by(rule: Rule) -> Origin | None:
    """The Retry that decides whether the requests of a rule are tried again."""
    source = rule.retry.source if rule.retry is not None else rule.never
    return source.origin if source is not None else None


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
