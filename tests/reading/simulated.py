"""A reading of ``meshdsl.simulate`` in the words of these tests."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import meshdsl
from meshdsl.compiler import meaning, meant_for
from meshdsl.simulate import words as new
from meshdsl.simulate.inventory import Inventory
from meshdsl.targets.base import Target
from tests.reading import words as old

_ALIKE = {
    new.Backend: old.Backend,
    new.Retries: old.Retries,
    new.Redirected: old.Redirected,
    new.Limits: old.Limits,
    new.Breaker: old.Breaker,
    new.Traffic: old.Traffic,
}


def inventory(policies: meshdsl.PolicySet, target: Target) -> Inventory:
    """What the policies declare."""
    return Inventory.of_plan(meaning(meant_for(policies, target), "test"))


def asked(request: old.Request) -> new.Request:
    """The same request."""
    caller = request.caller
    return new.Request(
        new.Caller(caller.namespace, caller.account, caller.trust),
        request.service,
        request.port,
        request.method,
        request.path,
        request.headers,
        request.query,
        request.by_name,
    )


class Simulated:
    """Answers as ``reading`` does.

    Args:
        reading: of ``meshdsl.simulate``; one that lets pods be asked without a Service for ``admits``.
    """

    def __init__(self, reading: Any) -> None:
        self._reading = reading

    def answer(self, request: old.Request) -> old.Answer:
        """What becomes of a request. Raises Unmodelled for what is not known."""
        found: new.Answer = self._reading.answer(asked(request))
        if found.unknown:
            raise old.Unmodelled("; ".join(found.unknown))
        return old.Answer(found.allowed, _old(found.traffic))

    def admits(self, namespace: str, pod: old.Labels, request: old.Request, port: int | str, *, http: bool) -> bool:
        """Whether a pod's proxy lets a request or a connection in."""
        return bool(self._reading.admits(namespace, pod, asked(request), port, http=http))


def _old(value: Any) -> Any:
    """A value of the new words in the old ones."""
    if isinstance(value, (tuple, frozenset)):
        return type(value)(map(_old, value))
    if type(value) in _ALIKE:
        return _ALIKE[type(value)](**{one.name: _old(getattr(value, one.name)) for one in fields(value)})
    return value
