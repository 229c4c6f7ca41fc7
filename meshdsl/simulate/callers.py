"""How a caller is called in reasons: people know services, and meshes service accounts."""

from __future__ import annotations

from collections.abc import Iterable

from meshdsl.simulate.words import Caller


def caller_name(caller: Caller, services: Iterable[object]) -> str:
    """The service that alone runs as the account of a caller, with the account where that has another name.

    Args:
        caller: who sends.
        services: those that run as its account; their text is ``"namespace/name"``.
    """
    found = [str(one) for one in services]
    if len(found) != 1 or caller.trust_domain or found[0] == str(caller):
        return str(caller)
    return f"{found[0]} ({caller})"
