"""What a model of access is made of: rules about sets of callers and sets of requests, as they were read.

Every mesh's way to decide becomes the same few parts, so that models of different origin compare. Nothing is cut into
classes here: which callers and requests must be told apart is only known when two models meet.

Identities are texts ``"<trust domain>/ns/<namespace>/sa/<account>"`` in which the mesh's own trust domain is empty, so
that they say the same on each mesh. A pattern is such a text, a prefix of it with ``*`` at the end, or a suffix with
``*`` at the start; ``~`` before it stands for any trust domain; ``*`` is whoever has an identity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from meshdsl.diagnostics import Origin
from meshdsl.plan.requests import Path, PathKind

IN_MESH: Final = "*"
"""The pattern of whoever has an identity."""
PRESENT: Final = ("present", "")
"""The value of a header that is only asked to be there."""

KEPT: Final = 65536
"""Of parts that occur in many rules, so many are kept and shared: rules come by the ten thousand."""

PathTest = tuple[str, str]
"""``("exact", text)``, ``("starts", text)`` or ``("regex", pattern)``, of which a pattern matches the whole path."""


class Term(NamedTuple):
    """Callers that match a pattern of every field, and no excluded one. Without fields: everyone, plain text too."""

    fields: tuple[frozenset[str], ...] = ()
    excluded: frozenset[str] = frozenset()


Who = tuple[Term, ...]
"""A union of terms."""
EVERYONE: Final[Who] = (Term(),)
MESHED: Final[Who] = (Term((frozenset({IN_MESH}),)),)


@lru_cache(maxsize=KEPT)
def named(*patterns: str) -> Who:
    """Callers that match one of the patterns."""
    return (Term((frozenset(patterns),)),)


def account(namespace: str, name: str) -> str:
    """The identity of a service account of the mesh's own trust domain."""
    return f"/ns/{namespace}/sa/{name}"


def accounts_of(namespace: str) -> str:
    """The pattern of every account of a namespace, in the mesh's own trust domain."""
    return f"/ns/{namespace}/*"


def holds(pattern: str, identity: str) -> bool:
    """Whether an identity matches a pattern."""
    if pattern == IN_MESH:
        return True
    if pattern.startswith("~"):
        pattern, identity = pattern[1:], identity[identity.index("/ns/") :]
    if pattern.endswith("*"):
        return identity.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return identity.endswith(pattern[1:])
    return identity == pattern


class Where(NamedTuple):
    """A condition on a header, or on something else that is not interpreted but has a name.

    Attributes:
        name: of the header in lower case; or words, with a space in them, for what is no header.
        values: ``("exact", text)``, ``("regex", pattern)`` or :data:`PRESENT`; one of them must match.
        negated: it holds where none matches, and where the header is not there.
    """

    name: str
    values: frozenset[tuple[str, str]]
    negated: bool = False


def uninterpreted(words: str) -> Where:
    """A condition that cannot be decided: it is taken to hold for some requests and not for others."""
    return Where(words, frozenset({PRESENT}))


class Requests(NamedTuple):
    """A conjunction; None leaves a part open."""

    methods: frozenset[str] | None = None
    paths: frozenset[PathTest] | None = None
    tests: tuple[Where, ...] = ()
    not_methods: frozenset[str] = frozenset()
    not_paths: frozenset[PathTest] = frozenset()


ANY: Final = Requests()


@dataclass(frozen=True, slots=True)
class AccessReason:
    """What decides who may call: a line of the policies, or a field of an object.

    Attributes:
        what: the kind of policy such as ``"Allow"``, an object such as ``"AuthorizationPolicy prod/api"``, or words
            where nothing was written.
        field: of the object, such as ``"spec.rules[2]"``; empty for a policy, or for all of an object.
        origin: file and line of the policy; None for an object, and where nothing was written.
    """

    what: str
    field: str = ""
    origin: Origin | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.origin or ""), self.what, self.field)))


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason that a rule was read from. It never takes part in equality: rules are compared by what they say."""

    reason: AccessReason | None = field(default=None, compare=False)


UNSAID: Final = Cause()


class Rule(NamedTuple):
    """These callers, these requests, and what says so."""

    who: Who
    requests: Requests = ANY
    by: Cause = UNSAID


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of which the best matching route decides.

    Attributes:
        requests: that it matches.
        length: of the prefix that its path condition is; 0 for one that takes the whole path.
        rest: what ranks it beside the length: number of headers, of query parameters, whether it has a method.
        grants: who may make them.
    """

    requests: Requests
    length: int
    rest: tuple[int, int, bool]
    grants: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a port, and what is decided on it.

    A request comes through if no ``deny`` matches and, unless ``allow`` is None, an ``allow`` does. Where there are
    ``routes``, one of them must match, and the best one's grants are further allows; of equally good ones the first.

    Attributes:
        plain: whether callers without an identity can come this way at all.
        closed_by: what refuses a request that nothing lets in. Reasons never take part in equality.
        plain_by: what keeps callers without an identity out.
        open_by: why there is no ``allow``, if that is written somewhere.
    """

    deny: tuple[Rule, ...] = ()
    allow: tuple[Rule, ...] | None = None
    routes: tuple[Route, ...] | None = None
    plain: bool = True
    closed_by: tuple[AccessReason, ...] = field(default=(), compare=False)
    plain_by: tuple[AccessReason, ...] = field(default=(), compare=False)
    open_by: tuple[AccessReason, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """Who may call a service: a request comes through if it does on one of the ways of its port.

    Attributes:
        ports: of the service, or 0 for what runs in a namespace beside its services.
        probes: ports and paths whose GET is let in as the mesh provides for it, which a plan does not say.
    """

    ports: Mapping[int, tuple[Way, ...]]
    probes: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class AccessModel:
    """Who may call what.

    Attributes:
        services: by ``"namespace/name"``; ``"namespace/*"`` is what else runs in a namespace.
        notes: what could not be decided, and what is good to know, a sentence each.
        certain: those of them that leave nothing undecided.
        meant: it was read from a plan, which speaks of its own services alone.
    """

    services: Mapping[str, ServiceAccess] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    meant: bool = False
    certain: frozenset[str] = frozenset()


@lru_cache(maxsize=KEPT)
def kept(one: Requests) -> Requests:
    """The same condition for the same conditions: there are far fewer than rules."""
    return one


@lru_cache(maxsize=KEPT)
def union(terms: Who) -> Who:
    """The same union for the same terms."""
    return terms


@lru_cache(maxsize=KEPT)
def some(values: tuple[str, ...]) -> frozenset[str] | None:
    """Some names; None for none, which restricts nothing."""
    return frozenset(values) or None


def path_tests(path: Path) -> frozenset[PathTest] | None:
    """A path condition of the plan; None for every path."""
    if path.kind is PathKind.PREFIX:
        return prefix_tests(path.value)
    if path.kind is PathKind.EXACT:
        return frozenset({("exact", path.value)})
    return regex_tests(path.value)


def prefix_tests(prefix: str) -> frozenset[PathTest] | None:
    """A prefix of whole segments: itself and everything below; None for every path."""
    bare = prefix.rstrip("/")
    return frozenset({("exact", bare), ("starts", f"{bare}/")}) if bare else None


_PLAIN = r"[-A-Za-z0-9/_~!&',;=:@%]+"
_LITERALS: Final = re.compile(rf"{_PLAIN}(?:\|{_PLAIN})*")
_BELOW: Final = re.compile(rf"({_PLAIN})\.\*")
_ITSELF_AND_BELOW: Final = re.compile(rf"({_PLAIN})\((?:\?:)?/\.\*\)\?")


@lru_cache(maxsize=KEPT)
def regex_tests(pattern: str) -> frozenset[PathTest] | None:
    """A regular expression on the whole path, as exact texts and prefixes where it is plain that it is no more."""
    pattern = unanchored(pattern)
    if pattern in (".*", "/.*"):
        return None
    if _LITERALS.fullmatch(pattern):
        return frozenset(("exact", text) for text in pattern.split("|"))
    if found := _BELOW.fullmatch(pattern):
        return frozenset({("starts", found[1])})
    if found := _ITSELF_AND_BELOW.fullmatch(pattern):
        return prefix_tests(found[1])
    return frozenset({("regex", pattern)})


def unanchored(pattern: str) -> str:
    """A regular expression without the anchors and the group that some meshes need around it."""
    if pattern.startswith("^(?:") and pattern.endswith(")$"):
        return pattern[4:-2]
    return pattern


def value_test(value: str, *, regex: bool) -> tuple[str, str]:
    """The value of a header in a :class:`Where`."""
    if not regex:
        return ("exact", value)
    bare = unanchored(value)
    return PRESENT if bare == ".*" else ("regex", bare)
