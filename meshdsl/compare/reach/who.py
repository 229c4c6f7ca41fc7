"""Callers by name: whom a question is about, and how the callers of an answer are called.

Rules know identities, which are service accounts. People know services. A service that is kept out of the mesh has no
identity, whatever account its pods run as: it calls in plain text, as anybody outside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from meshdsl.compare.access.callers import ANOTHER, PLAIN, Callers
from meshdsl.compare.access.model import account, accounts_of, named
from meshdsl.diagnostics import ConfigError, Diagnostic
from meshdsl.plan.intent import Plan
from meshdsl.values import meant_services

ANYONE: Final = "anyone"
OUTSIDE: Final = "outside"
ACCOUNT: Final = "account:"

OTHERS: Final = "every other account in the mesh"
PLAIN_CALLERS: Final = "callers outside the mesh"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a question is about.

    Attributes:
        name: for people.
        patterns: of identities; none for callers outside the mesh, or for whom nobody names.
        is_plain: it has no identity.
    """

    name: str
    patterns: tuple[str, ...] = ()
    is_plain: bool = False

    def mask(self, callers: Callers) -> int:
        """The bits of it; the patterns must be among those of ``callers``."""
        if self.is_plain:
            return PLAIN
        return callers.mask(named(*self.patterns)) if self.patterns else callers.unnamed


class Names:
    """The names of a plan."""

    def __init__(self, plan: Plan, accounts: Iterable[str] = (), kept_out: Collection[str] | None = None) -> None:
        """A plan, the accounts ``"namespace/name"`` that rules name, and the services outside the mesh.

        Where these are None, the plan says it.
        """
        self.plan = plan
        self.kept_out = tuple(
            str(service)
            for service in plan.services
            if (plan.is_kept_out(service) if kept_out is None else str(service) in kept_out)
        )
        self._services: dict[str, list[str]] = {}
        for service in plan.services:
            if str(service) not in self.kept_out:
                self._services.setdefault(f"{service.namespace}/{service.account}", []).append(str(service))
        self._bare = frozenset(accounts) - self._services.keys()
        self.accounts = tuple(sorted(self._bare))

    def of_account(self, who: str) -> str:
        """An account ``"namespace/name"`` as the services that run as it."""
        services = self._services.get(who)
        if services is None:
            return f"service account {who}" if who in self._bare else who
        if len(services) == 1:
            return services[0]
        return f"{' and '.join(services)} (both run as {who})" if len(services) == 2 else self._many(services, who)

    @staticmethod
    def _many(services: list[str], who: str) -> str:
        return f"{', '.join(services[:-1])} and {services[-1]} (all run as {who})"

    def words(self, callers: Callers, mask: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """A set of callers for people, and those who are left out of it."""
        if not mask & callers.unnamed:
            return self._words(callers, mask), ()
        whole, word = (callers.everyone, "everyone") if mask & PLAIN else (callers.meshed, "everyone in the mesh")
        return (word,), self._words(callers, whole & ~mask)

    def _words(self, callers: Callers, mask: int) -> tuple[str, ...]:
        found = [self.of_account(word) for word in callers.words(mask & ~PLAIN)] if mask & ~PLAIN else []
        return (*found, *([PLAIN_CALLERS] if mask & PLAIN else []))

    def service(self, name: str) -> str:
        """A service, or ``namespace/*``, that is asked about.

        Raises:
            ConfigError: there is none of that name; with the nearest.
        """
        known = list(map(str, self.plan.services))
        if name not in known and name not in (f"{one.name}/*" for one in self.plan.namespaces):
            raise ConfigError([_no_service(name, known)])
        return name

    def namespace(self, name: str) -> str:
        """A namespace that is asked about.

        Raises:
            ConfigError: there is none of that name; with the nearest.
        """
        known = sorted({*(one.name for one in self.plan.namespaces), *(one.partition("/")[0] for one in self.accounts)})
        if name not in known:
            raise ConfigError([_none("namespace", name, known)])
        return name

    def caller(self, name: str) -> Asked:
        """Somebody who is asked about.

        Args:
            name: a service, an account ``account:namespace/name`` or ``namespace/name`` that a rule names, a namespace
                ``namespace/*``, ``anyone`` for a caller in the mesh whom no rule names, or ``outside``.

        Raises:
            ConfigError: there is nobody of that name; with the nearest.
        """
        if name == OUTSIDE:
            return Asked(PLAIN_CALLERS, is_plain=True)
        if name == ANYONE:
            return Asked("anyone in the mesh whom no rule names")
        if name in self.kept_out:
            return Asked(f"{name}, which is kept out of the mesh", is_plain=True)
        bare = name.removeprefix(ACCOUNT)
        namespace, slash, own = bare.partition("/")
        if slash and own == "*" and bare == name:
            return Asked(f"every account of {namespace}", (accounts_of(namespace),))
        if bare != name and namespace and slash and own:
            return Asked(f"service account {bare}", (account(namespace, own),))
        for service in self.plan.services:
            if str(service) == name:
                return Asked(name, (account(service.namespace, service.account),))
        if name in self.accounts:
            return Asked(f"service account {name}", (account(namespace, own),))
        raise ConfigError([_no_service(name, [*map(str, self.plan.services), *self.accounts], caller=True)])


def _no_service(name: str, known: list[str], *, caller: bool = False) -> Diagnostic:
    more = "a service account is account:NAMESPACE/NAME; there are also anyone and outside" if caller else ""
    return _none("caller" if caller else "service", name, known, more)


def _none(what: str, name: str, known: list[str], more: str = "") -> Diagnostic:
    close = meant_services(name, known)
    meant = f"did you mean {close[0]!r}?" if close else ""
    there = f"there are {', '.join(known[:10])}" if known else ""
    told = "; ".join(filter(None, (meant or there, more))).replace("?;", "?")
    return Diagnostic("MESH071", f"there is no {what} {name!r}", help=told)


def namespace_of(identity: str) -> str:
    """The namespace of an identity of the mesh's own trust domain; empty for others, and where none is named."""
    if not identity.startswith("/ns/"):
        return ""
    found = identity.split("/")[2]
    return "" if ANOTHER in found else found
