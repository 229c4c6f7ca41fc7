"""What is there, to compare with: objects, how complete they are, and the schemas they live under.

A comparison reads a :class:`Snapshot` and nothing else. It is made from a cluster (``meshdsl.cluster``), from a folder
or a dump of manifests, or from another bundle. What could not be read is part of it: *unknown* is a result, and never
looks like *nothing there*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

LiveObject = Mapping[str, Any]
"""A Kubernetes object as an API server or a dump has it."""


Keep = Callable[[LiveObject], LiveObject | None]
"""Told each object that is read: what is to be kept of it, None for nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """A kind of object, as it is asked for.

    Attributes:
        group: API group, empty for core.
        version: such as ``"v1"``.
        kind: such as ``"HTTPRoute"``.
        plural: the resource's name in the API, such as ``"httproutes"``.
        namespaced: whether it lives in namespaces.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``"group/version"``, or ``"v1"``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What one question covers.

    Attributes:
        kind: of the objects.
        namespace: that they are in; all of them, or none, if that is empty.
        selector: only objects with these labels, as ``labelSelector`` has them; all of them if it is empty.
    """

    kind: Kind
    namespace: str = ""
    selector: str = ""

    def __str__(self) -> str:
        name = f"{self.kind} with {self.selector}" if self.selector else str(self.kind)
        return f"{name} in {self.namespace}" if self.namespace else name


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be read, and why.

    Attributes:
        scope: that is unknown.
        reason: one sentence for people, such as ``"forbidden: user ci may not list httproutes in prod"``.
        code: stable: ``forbidden``, ``unauthorized``, ``not-installed``, ``unreachable``, ``timeout``,
            ``server-error``, ``invalid-answer``, and ``not-in-dump`` where a file has no object of the kind and does
            not say whether there are any.
    """

    scope: Scope
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is there.

    Attributes:
        objects: of the scopes that could be read, or what a comparison needs of them; at most one of each API group,
            kind, namespace and name.
        scopes: that were read completely: what is needed and not in ``objects`` is not there. A dump or folder has
            every scope that occurs in it, unless it says otherwise.
        unknown: that could not be read.
        crds: the CustomResourceDefinitions that are installed, as objects; None if they could not be read or do not
            matter (a dump without them), and then the rules for built-in and known kinds are used.
        name: for people: the context, or the path.
        applied: ``(group, kind, namespace, name)`` of what is not whole: a file of ours with the fields of a partial
            manifest, so that all that stands in it is ours. A cluster has none.
    """

    objects: Sequence[LiveObject]
    scopes: frozenset[Scope] = frozenset()
    unknown: tuple[Unknown, ...] = ()
    crds: Sequence[LiveObject] | None = None
    name: str = ""
    applied: frozenset[tuple[str, str, str, str]] = frozenset()

    @property
    def complete_services(self) -> frozenset[str]:
        """The namespaces of which every Service is among the objects, ``""`` for all of them.

        Where Services are parts that somebody wrote, and not as a server has them, the others need not be written.
        """
        read = {one.namespace for one in self.scopes if (one.kind.group, one.kind.kind) == ("", "Service")}
        services = [one["metadata"] for one in self.objects if (one["apiVersion"], one["kind"]) == ("v1", "Service")]
        return frozenset(read - {one.get("namespace") for one in services if not one.get("uid")})


@dataclass(frozen=True, slots=True)
class Applied:
    """What the API server answers to a dry-run apply: the object as it would be, or why it is refused."""

    result: LiveObject | None
    refusal: str = ""
    warnings: tuple[str, ...] = field(default=())


class Cluster(Protocol):
    """The only way to an API server. A program can bring its own."""

    @property
    def name(self) -> str:
        """For people: the context."""

    def snapshot(self, scopes: Iterable[Scope], keep: Keep | None = None) -> Snapshot:
        """Everything in these scopes, and the CRDs. Never raises for what can be said as :class:`Unknown`.

        Args:
            scopes: what to read.
            keep: what of each object is needed; all of it without. A cluster that asks page by page so need not hold
                more than a page of what is not. Threads may call it.
        """

    def stream(self, scope: Scope) -> Iterator[LiveObject]:
        """The objects of one scope, page by page, for what does not fit in memory."""

    def apply_dry_run(self, body: Mapping[str, Any]) -> Applied:
        """A server-side apply with field manager ``meshdsl``, ``dryRun=All`` and ``fieldValidation=Strict``."""
