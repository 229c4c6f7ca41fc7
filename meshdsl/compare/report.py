"""What a comparison says: three views of one difference, the risks, and what could not be told.

Values only. They know no format; ``meshdsl.report`` turns them into text, JSON, Markdown, SARIF, annotations and HTML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from meshdsl.compare.live import Unknown
from meshdsl.diagnostics import Origin
from meshdsl.manifest import ObjectRef
from meshdsl.values import Json


class Absent:
    """The value of a field that is not there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

REFUSAL: Final = "a server-side apply of it is refused as a whole, and nothing of it changes"
"""What a field means that the definition of a kind does not have; a client-side apply would leave the field out."""

PATCH_IT: Final = "patch it (--format script)"
"""What is advised of an object of which no apply is safe; the script itself need not say it."""

FieldPath = tuple[str | int, ...]
"""The way to a field: names, and numbers or ``name=value`` texts for items of lists."""


class Action(StrEnum):
    """What would happen to an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CONFLICT = "conflict"
    """An object of that name is there and is not ours."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs. ``note`` says what a reader could not know, such as that the cluster would drop it."""

    path: FieldPath
    live: Json | Absent
    ours: Json | Absent
    note: str = ""


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object that differs.

    Attributes:
        ref: its name.
        action: what would happen.
        fields: that differ; empty for a create, delete or conflict.
        live: the object as it is there, without what servers add; None for a create.
        ours: as it would be; None for a delete.
        partial: we own only some of its fields.
        owner: for a conflict: who owns it (field managers, labels); for a delegation: who drives it.
        delegated: how many of our fields are left to ``owner`` while it drives the object.
        foreign: fields that others set, shown on demand.
        dropped: fields of ours that the live schema does not have.
        notes: sentences: deletion pending, pods matched …
        origins: the policies that ask for it.
        kept: of an object that somebody drives: what may be written to it, ours with the weights that are there; None
            if more than weights is driven.
        version: which state of the live object this is about (its uid and resourceVersion); empty if it is not there
            or no server keeps it. If it is another one now, what is said here is stale.
    """

    ref: ObjectRef
    action: Action
    fields: tuple[FieldChange, ...] = ()
    live: Json = None
    ours: Json = None
    partial: bool = False
    owner: str = ""
    delegated: int = 0
    foreign: tuple[FieldChange, ...] = ()
    dropped: tuple[FieldPath, ...] = ()
    notes: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = field(default=(), compare=False)
    kept: Json = field(default=None, compare=False)
    version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One sentence, in the words of the language: ``canary of prod/api: v2 10 % → 25 %``."""

    subject: str
    sentence: str
    origins: tuple[Origin, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Callers that may now make more, or fewer, requests.

    Attributes:
        service: ``"namespace/name"``.
        widened: they may make them now and could not before; else the other way round.
        callers: who, in words: ``"prod/web"``, ``"anyone in the mesh"``.
        ports: of the service; empty means all.
        methods: empty means all.
        paths: as they are written in policies; empty means all.
        sentence: the same in words.
        conditions: on headers, and on whatever else decides, as alternatives in words: ``"with x-debug: 1"``; empty
            means that there are none.
    """

    service: str
    widened: bool
    callers: tuple[str, ...]
    ports: tuple[int, ...]
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    sentence: str
    conditions: tuple[str, ...] = ()


class Risk(StrEnum):
    """A change that somebody should look at. The names are stable: ``--fail-on`` takes them."""

    WIDENED_ACCESS = "widened-access"
    WEAKENED_MTLS = "weakened-mtls"
    MOVED_TRAFFIC = "moved-traffic"
    REMOVED_BREAKER = "removed-breaker"
    REMOVED_TIMEOUT = "removed-timeout"
    UNSAFE_RETRIES = "unsafe-retries"
    REMOVED_FENCE = "removed-fence"
    BREAKING_ORDER = "breaking-order"
    DROPPED_FIELD = "dropped-field"
    OVERWRITTEN_OBJECT = "overwritten-object"
    OPENED_BY_OTHERS = "opened-by-others"


@dataclass(frozen=True, slots=True)
class RiskFinding:
    """A risk, where, and why."""

    risk: Risk
    subject: str
    sentence: str
    origins: tuple[Origin, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Untold:
    """Fields that differ and could not be read back: whether they are a risk is not known.

    Attributes:
        subject: the service, the namespace or the mesh.
        risks: that they may be; ``--fail-on`` has no answer about these.
        reason: one sentence for people.
    """

    subject: str
    risks: tuple[Risk, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class DiffReport:
    """Everything that a comparison of one cluster says.

    Attributes:
        cluster: its name.
        against: what it was compared with, for people.
        objects: that differ, by namespace, kind and name.
        policy: the policy view; ``policy_note`` says so where it could not be read back.
        access: the access view.
        risks: the most serious kind first.
        unknown: what could not be told.
        untold: what differs and is told by the fields alone.
        compared: how many objects of ours were compared.
        aside: objects that agree, with what is worth a word all the same (``action`` update, no ``fields``): fields
            that are delegated, fields of others, a deletion that is pending. They are no difference.
    """

    cluster: str
    against: str
    objects: tuple[ObjectChange, ...] = ()
    policy: tuple[PolicyChange, ...] = ()
    access: tuple[AccessChange, ...] = ()
    risks: tuple[RiskFinding, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    compared: int = 0
    policy_note: str = ""
    access_note: str = ""
    aside: tuple[ObjectChange, ...] = ()
    untold: tuple[Untold, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs. What is unknown is no difference, and no agreement either."""
        return not (self.objects or self.policy or self.access)
