"""Rules of reliability and security that do not depend on a mesh. One module a topic."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.checks import edits, enrolment, redirects, reliability, security
from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Plan


def check(plan: Plan) -> Iterator[Diagnostic]:
    """Everything that is wrong with a plan on any mesh."""
    yield from enrolment.check(plan)
    for service in plan.services:
        yield from reliability.check(service)
        yield from security.check(service, plan)
        yield from edits.check(service)
        yield from redirects.check(service)
