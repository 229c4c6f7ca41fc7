"""The readings of ``tests/reading`` in the words of ``meshdsl.simulate``: a third opinion, written from the policies.

``tests/reading/policies.py`` reads what users write and knows neither plan nor mesh, so that a mistake of the plan
itself, which both readings of ``agree`` would share, shows here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import meshdsl
from meshdsl.simulate import words as new
from tests.reading import policies
from tests.reading import words as old


class Third:
    """What the policies mean, read from the policies."""

    def __init__(self, policy_set: meshdsl.PolicySet, target_name: str) -> None:
        self._reading = policies.Reading(policy_set, target_name)

    def answer(self, request: new.Request, *, explain: bool = False) -> new.Answer:
        return answer_of(self._reading.answer(request_of(request)))


def request_of(one: new.Request) -> old.Request:
    caller = old.Caller(one.caller.namespace, one.caller.account, one.caller.trust_domain)
    return old.Request(caller, one.service, one.port, one.method, one.path, one.headers, one.query, one.by_name)


def answer_of(one: old.Answer) -> new.Answer:
    verdict = new.Verdict.ALLOWED if one.allowed else new.Verdict.DENIED
    if one.note.startswith("404"):
        verdict = new.Verdict.NO_ROUTE
    traffic = None if one.traffic is None else _converted(one.traffic)
    return new.Answer(verdict, traffic, probe=one.note == policies.PROBE)


def _converted(value: Any) -> Any:
    """The same value of the other words, whose classes have the same fields."""
    if value == old.MESH:
        return new.MESH
    if isinstance(value, tuple):
        return tuple(map(_converted, value))
    if isinstance(value, frozenset):
        return frozenset(map(_converted, value))
    kind = getattr(new, type(value).__name__, None)
    if kind is None or not hasattr(value, "__dataclass_fields__"):
        return value
    return kind(**{one.name: _converted(getattr(value, one.name)) for one in fields(value)})
