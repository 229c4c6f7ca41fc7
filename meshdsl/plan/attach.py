"""Which policy applies to what: the inventory by name, references, and the nearest policy of each kind.

For each kind the policy on the nearest subject wins whole: Route, then Service, then Namespace, then Mesh. Fields are
never merged across levels, so what applies can be read at one place. Two policies of one kind on one subject are a
conflict. Allow and Deny add up instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar, cast

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.model.base import Declared, Policy
from meshdsl.model.inventory import Mesh, Namespace, Route, Service
from meshdsl.model.security import Allow, Deny
from meshdsl.model.traffic import Canary, Split
from meshdsl.plan.source import NOWHERE, Source
from meshdsl.values import meant_services

P = TypeVar("P", bound=Policy)

Place = tuple[str, ...]
"""A subject by name: ``()`` the mesh, ``(namespace,)``, ``(namespace, service)``, ``(namespace, service, route)``."""

ADDING_UP = (Allow, Deny)
_ONE_DECISION: dict[type[Policy], type[Policy]] = {Split: Canary}
"""Kinds that decide the same thing, and so exclude each other on a subject."""


def place_text(place: Place) -> str:
    """A subject for a sentence."""
    return {0: "the mesh", 1: f"namespace {place[0]}" if place else ""}.get(len(place)) or "/".join(place[:2]) + (
        f" route {place[2]!r}" if len(place) > 2 else ""
    )


def namespace_of(service: Service) -> str:
    """The name of a service's namespace."""
    return service.namespace if isinstance(service.namespace, str) else service.namespace.name


def place_of(subject: Service | Route | Namespace | Mesh | str) -> Place:
    """Where a policy is attached."""
    if isinstance(subject, Service):
        return (namespace_of(subject), subject.name)
    if isinstance(subject, Route):
        return (namespace_of(subject.service), subject.service.name, subject.name)
    if isinstance(subject, Namespace):
        return (subject.name,)
    return tuple(subject.split("/")) if isinstance(subject, str) else ()


class Attachments:
    """The inventory and the policies by subject.

    Attributes:
        diagnostics: what is wrong; the caller collects them.
        services: by (namespace, name).
        routes: of each service, by name.
        namespaces: by name, with the origin of the first declaration.
    """

    def __init__(self, objects: Iterable[Declared]) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.services: dict[tuple[str, str], Service] = {}
        self.routes: defaultdict[tuple[str, str], dict[str, Route]] = defaultdict(dict)
        self.namespaces: dict[str, Origin | None] = {}
        self._nearest: dict[tuple[type[Policy], Place], Policy] = {}
        self._adding: defaultdict[tuple[type[Policy], Place], list[Policy]] = defaultdict(list)
        self._kinds: set[type[Policy]] = set()
        # One order for everything that follows, whatever order files and definitions came in.
        ordered = _in_order(objects)
        for one in ordered:
            self._declare(one)
        for one in ordered:
            if isinstance(one, Policy):
                self._attach(one)

    # ------------------------------------------------------------------------------------------------------ inventory

    def _declare(self, one: Declared | str) -> None:
        if isinstance(one, Service):
            self._declare_service(one)
        elif isinstance(one, Route):
            self._declare_service(one.service)
            key = (namespace_of(one.service), one.service.name)
            first = self.routes[key].setdefault(one.name, one)
            if first is not one:
                self._twice("MESH302", f"{key[0]}/{key[1]} has two routes named {one.name!r}", one, first)
        elif isinstance(one, Namespace):
            self.namespaces.setdefault(one.name, one.origin)
        elif isinstance(one, Policy):
            for part in ("subject", "callers", "to"):
                value = vars(one).get(part)  # getattr is slow where a model has no such field
                for item in value if isinstance(value, tuple) else (value,):
                    if isinstance(item, (Service, Route, Namespace)):
                        self._declare(item)

    def _declare_service(self, service: Service) -> None:
        key = (namespace_of(service), service.name)
        first = self.services.setdefault(key, service)
        if first is not service:
            self._twice("MESH301", f"service {key[0]}/{key[1]} is declared twice", service, first)
        elif key[0] not in self.namespaces:
            self.namespaces[key[0]] = None

    def _twice(self, code: str, message: str, second: Declared, first: Declared) -> None:
        self.diagnostics.append(
            Diagnostic(
                code,
                message,
                second.origin,
                reason="policies could mean either of the two",
                help="keep one, and use that object where it is needed",
                related=(("the first is here", first.origin),),
            )
        )

    def find(self, reference: Service | str, policy: Policy, field: str) -> tuple[str, str] | None:
        """The service that a reference means; None, with a diagnostic, if there is none."""
        if isinstance(reference, Service):
            return (namespace_of(reference), reference.name)
        namespace, _, name = reference.partition("/")
        if (namespace, name) in self.services:
            return (namespace, name)
        known = sorted("/".join(key) for key in self.services)
        close = meant_services(reference, known)
        self.diagnostics.append(
            Diagnostic(
                "MESH303",
                f"no service {reference!r} is declared",
                policy.origin,
                field,
                help=f"did you mean {close[0]!r}?" if close else f"declared are: {', '.join(known[:8]) or 'none'}",
            )
        )
        return None

    # ------------------------------------------------------------------------------------------------------- policies

    def _attach(self, policy: Policy) -> None:
        subject = getattr(policy, "subject")  # noqa: B009 - every kind has one; the base has no type for it
        if isinstance(subject, str) and self.find(subject, policy, "subject") is None:
            return
        place = place_of(subject)
        kind = type(policy)
        if kind in ADDING_UP:
            self._adding[kind, place].append(policy)
            return
        decides = _ONE_DECISION.get(kind, kind)
        first = self._nearest.setdefault((decides, place), policy)
        self._kinds.add(decides)
        if first is not policy:
            names = (
                f"two {kind.__name__} policies"
                if type(first) is kind
                else f"a {type(first).__name__} and a {kind.__name__}"
            )
            self.diagnostics.append(
                Diagnostic(
                    "MESH310",
                    f"{place_text(place)} has {names}",
                    policy.origin,
                    reason="for each subject one policy of a kind decides; with two, the order of files would choose",
                    help="keep one, attach one to a route, or limit them to different targets with only=(…)",
                    related=(("the first is here", first.origin),),
                )
            )

    def own(self, kind: type[P], place: Place) -> P | None:
        """The policy of a kind that is attached to this very subject. Canary stands for Split as well."""
        return cast("P | None", self._nearest.get((kind, place)))

    def nearest(self, kind: type[P], place: Place) -> P | None:
        """The policy of a kind that holds for a subject: its own, or that of the nearest subject around it."""
        if kind not in self._kinds:
            return None
        for length in range(len(place), -1, -1):
            found = self._nearest.get((kind, place[:length]))
            if found is not None:
                return cast("P", found)
        return None

    def adding(self, kind: type[P], place: Place) -> Iterator[P]:
        """Every policy of an adding kind on a subject and on those around it, the widest first."""
        for length in range(len(place) + 1):
            yield from cast("list[P]", self._adding.get((kind, place[:length]), ()))

    def attached_routes(self, service: tuple[str, str]) -> list[Route]:
        """The routes of a service, by name."""
        routes = self.routes.get(service)
        return [routes[name] for name in sorted(routes)] if routes else []


def _in_order(objects: Iterable[Declared]) -> list[Declared]:
    """Objects by where they were written; those that a loop writes at one place, by what they are about and say."""

    def written(one: Declared) -> tuple[str, int, str, Place]:
        about = getattr(one, "subject", one)
        place = place_of(about) if isinstance(about, (Service, Route, Namespace, str)) else ()
        return (one.origin.file, one.origin.line, one.origin.object, place)

    groups: defaultdict[tuple[str, int, str, Place], list[Declared]] = defaultdict(list)
    for one in objects:
        groups[written(one)].append(one)
    return [
        one
        for key in sorted(groups)
        for one in (groups[key] if len(groups[key]) == 1 else sorted(groups[key], key=repr))
    ]


def source_of(policy: Policy) -> Source:
    """Where a policy was written, and what it accepts."""
    return Source(policy.origin, frozenset(policy.accept) if policy.accept else NOWHERE.accept)
