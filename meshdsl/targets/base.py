"""What a target is: a table of what it can do, functions that lower one intent, and rules that span fields.

A target is also a value: its fields are the profile of the mesh (version, trust domain, Gateway API channel …), and
correct output depends on them. Levels are data, never an ``if`` inside a lowering: the compiler reads them for its
errors, ``meshdsl support`` for its table, and the tests check them both ways.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.manifest import Manifest
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.plan.source import Source
from meshdsl.values import dns_label, dns_name

TargetName = Literal["istio", "ambient", "linkerd"]
Channel = Literal["standard", "experimental"]


class Level(StrEnum):
    """How far a mesh can do what was asked."""

    EXACT = "exact"
    CONDITIONAL = "conditional"
    APPROXIMATE = "approximate"
    NOT_YET = "not yet"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Support:
    """A cell of the support table.

    Attributes:
        level: the promise.
        note: what a user should know: the condition in words, the difference, or the reason.
        granted: for a condition, whether a target profile fulfils it.
        help: the way out, for the diagnostic.
    """

    level: Level
    note: str = ""
    granted: Callable[[Any], bool] | None = None
    help: str = ""


def exact(note: str = "") -> Support:
    """The request sees exactly what the policy means."""
    return Support(Level.EXACT, note)


def conditional(note: str, *, granted: Callable[[Any], bool], help: str) -> Support:
    """Exact, if the profile grants the condition.

    Args:
        note: the condition in words.
        granted: called with the target.
        help: which profile field to set, or what else to do.
    """
    return Support(Level.CONDITIONAL, note, granted, help)


def approximate(note: str, *, granted: Callable[[Any], bool] | None = None, help: str = "") -> Support:
    """Close in the ordinary case; ``note`` says how it differs. An error unless the user accepts the code.

    Args:
        note: how it differs.
        granted: a condition of the profile that must hold as well, if there is one.
        help: what to do instead of accepting it.
    """
    return Support(Level.APPROXIMATE, note, granted, help)


def not_yet(note: str, *, help: str) -> Support:
    """The mesh or meshdsl could, and does not today."""
    return Support(Level.NOT_YET, note, None, help)


def never(note: str, *, help: str) -> Support:
    """The mesh has no way."""
    return Support(Level.NEVER, note, None, help)


def at_least(version: str, minimum: str) -> bool:
    """Whether a dotted version is not older than another: ``at_least("1.30", "1.9")``."""
    return _numbers(version) >= _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """A mesh to compile for, with its profile.

    Attributes:
        version: of the mesh, ``"MAJOR.MINOR"``; empty means the newest that this meshdsl knows.
        cluster_domain: the DNS domain of Services, ``"cluster.local"`` unless the cluster was set up otherwise.
        trust_domain: of workload identities; empty means the cluster domain.
        gateway_api: version of the installed Gateway API CRDs, ``"MAJOR.MINOR"``.
        gateway_api_channel: of those CRDs.
        accept: codes of the approximations that every policy may use on this target.
    """

    version: str = ""
    cluster_domain: str = "cluster.local"
    trust_domain: str = ""
    gateway_api: str = "1.5"
    gateway_api_channel: Channel = "standard"
    accept: tuple[str, ...] = ()

    name: ClassVar[TargetName]
    title: ClassVar[str]
    versions: ClassVar[tuple[str, ...]]
    """Supported versions, oldest first."""
    support: ClassVar[Mapping[Feature, Support]]

    gateway_api_versions: ClassVar[tuple[str, ...]] = ("1.2", "1.3", "1.4", "1.5", "1.6")

    def __post_init__(self) -> None:
        """Fill in what follows from other fields; refuse what is not supported with ``ValueError``."""
        if not self.version:
            object.__setattr__(self, "version", self.versions[-1])
        if self.version not in self.versions:
            raise ValueError(f"{self.title} {self.version} is not supported; supported: {', '.join(self.versions)}")
        if self.gateway_api not in self.gateway_api_versions:
            known = ", ".join(self.gateway_api_versions)
            raise ValueError(f"Gateway API {self.gateway_api} is not supported; supported: {known}")
        if self.gateway_api_channel not in ("standard", "experimental"):
            raise ValueError(f'gateway_api_channel is "standard" or "experimental", not {self.gateway_api_channel!r}')
        dns_name(self.cluster_domain, "cluster_domain")
        if not self.trust_domain:
            object.__setattr__(self, "trust_domain", self.cluster_domain)
        dns_name(self.trust_domain, "trust_domain")
        accept: object = self.accept
        if isinstance(accept, str):
            raise ValueError(f'accept is a tuple of codes, such as ("{accept}",), not {accept!r}')  # noqa: TRY004
        object.__setattr__(self, "accept", tuple(self.accept))

    def level_of(self, feature: Feature) -> Support:
        """The row of the support table; a missing row means never."""
        return self.support.get(feature, Support(Level.NEVER, "this mesh has no way to do it"))

    def fqdn(self, namespace: str, service: str) -> str:
        """The full DNS name of a Service."""
        return f"{service}.{namespace}.svc.{self.cluster_domain}"

    def check(self, plan: Plan) -> Iterator[Diagnostic]:  # noqa: ARG002 - for those that override it
        """What this mesh cannot do although each field alone is supported. Nothing by default."""
        yield from ()

    @abstractmethod
    def lower_mesh(self, plan: Plan) -> Iterator[Manifest]:
        """The objects of the mesh as a whole (owner ``("", "")``)."""

    @abstractmethod
    def lower_namespace(self, namespace: Namespace, plan: Plan) -> Iterator[Manifest]:
        """The objects of a namespace (owner ``(namespace, "")``)."""

    @abstractmethod
    def lower_service(self, service: Service, plan: Plan) -> Iterator[Manifest]:
        """The objects of a service (owner ``(namespace, service)``)."""


def require_name(name: str, what: str) -> str:
    """A profile field that names a Kubernetes object or namespace. Raises ValueError if it cannot."""
    return dns_label(name, what)


def refused(
    code: str,
    message: str,
    source: Source,
    *,
    field: str = "",
    reason: str = "",
    help: str = "",
    related: tuple[tuple[str, Origin], ...] = (),
) -> Diagnostic:
    """A finding of a target's own rule, at the policy it is about."""
    return Diagnostic(code, message, source.origin, field, reason, help, related=related)
