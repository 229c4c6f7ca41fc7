"""Security: who may call whom, and whether plain text is taken."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meshdsl.model.base import Policy, Value
from meshdsl.model.inventory import Mesh, Namespace, PortNumber, Route, Service
from meshdsl.model.match import Header, PathLike
from meshdsl.model.traffic import AnyRequests, Services
from meshdsl.model.types import CheckedBy, DnsLabel, Method, describe, instance, service_text

__all__ = ["Allow", "Anyone", "DefaultDeny", "Deny", "MutualTls", "Route", "ServiceAccount"]


class ServiceAccount(Value):
    """A caller by its Kubernetes service account, for one that no :class:`Service` declares.

    Args:
        namespace: of the account.
        name: of the account.
    """

    namespace: DnsLabel = Field(kw_only=False, description="namespace of the account")
    name: DnsLabel = Field(kw_only=False, description="name of the account")


class Anyone(Value):
    """Callers without a name: ``Anyone.in_mesh()`` or ``Anyone.at_all()``."""

    kind: Literal["in-mesh", "at-all"] = Field(kw_only=False, description="written Anyone.in_mesh() or Anyone.at_all()")

    @classmethod
    def in_mesh(cls) -> Anyone:
        """Every caller that has an identity in the mesh."""
        return cls("in-mesh")

    @classmethod
    def at_all(cls) -> Anyone:
        """Every caller, also without mTLS and from outside the mesh."""
        return cls("at-all")


Caller = Service | ServiceAccount | Namespace | Anyone | str


def _callers(value: object) -> tuple[object, ...]:
    if isinstance(value, Anyone):
        return (value,)
    if not isinstance(value, (tuple, list)):
        single = isinstance(value, Service | ServiceAccount | Namespace | str)
        hint = "; a comma makes a tuple of one: callers=(…,)" if single else ""
        raise ValueError(f"a tuple of callers is expected, not {describe(value)}{hint}")
    if not value:
        raise ValueError(
            "no callers: nobody would be named. Everyone is written callers=Anyone.in_mesh() or Anyone.at_all();"
            " nobody is DefaultDeny(namespace)"
        )
    for caller in value:
        if isinstance(caller, str):
            service_text(caller)
        elif not isinstance(caller, Service | ServiceAccount | Namespace | Anyone):
            raise ValueError(
                "a caller is a Service, ServiceAccount, Namespace, Anyone.in_mesh() or Anyone.at_all(), or"
                f' "namespace/service", not {describe(caller)}'
            )
    return tuple(value)


Callers = Annotated[tuple[Caller, ...] | Anyone, CheckedBy(_callers)]


class _Rule(Policy):
    """What Allow and Deny share."""

    subject: AnyRequests = Field(kw_only=False, description="a Service, a Route, a Namespace or Mesh()")
    callers: Callers = Field(description="who: services, service accounts, namespaces, or Anyone.in_mesh()/at_all()")
    methods: tuple[Method, ...] = Field(
        default=(), description='HTTP methods, such as ("GET", "POST"); empty means all'
    )
    paths: tuple[PathLike, ...] = Field(default=(), description='paths, such as ("/v1/*",); empty means all')
    ports: tuple[PortNumber, ...] = Field(default=(), description="ports of the service; empty means all")
    headers: tuple[Header, ...] = Field(default=(), description="header conditions that must all hold")


class Allow(_Rule):
    """These callers may make these requests. Allows add up; a service with any is closed to everyone else.

    Args:
        subject: a Service, a Route of one (its methods, path, headers and port say which requests), all services of a
            Namespace, or of Mesh().
        callers: services, service accounts, namespaces; or ``Anyone.in_mesh()``, ``Anyone.at_all()``.
        methods: any of these; empty means all. GET does not cover HEAD.
        paths: any of these, ``"/a/b"``, ``"/a/*"`` or ``Regex("…")``; empty means all.
        ports: any of these ports of the service; empty means all.
        headers: all of these hold.
    """


class Deny(_Rule):
    """These callers may not make these requests, whatever is allowed. Denies add up.

    Args:
        subject: see :class:`Allow`.
        callers: see :class:`Allow`.
        methods: see :class:`Allow`.
        paths: see :class:`Allow`.
        ports: see :class:`Allow`.
        headers: see :class:`Allow`.
    """


class DefaultDeny(Policy):
    """What no Allow names is refused.

    Args:
        subject: a Namespace, or Mesh() for every namespace.
    """

    subject: Annotated[Namespace | Mesh, instance(Namespace, Mesh, expected="a Namespace or Mesh()")] = Field(
        kw_only=False, description="a Namespace or Mesh()"
    )


class MutualTls(Policy):
    """Whether plain text is taken beside mTLS.

    Args:
        subject: a Service, a Namespace, or Mesh().
        mode: ``"strict"``: callers without a mesh identity are refused. ``"permissive"``: both are taken.
    """

    subject: Services = Field(kw_only=False, description="a Service, a Namespace or Mesh()")
    mode: Literal["strict", "permissive"] = Field(description='"strict" or "permissive"')
