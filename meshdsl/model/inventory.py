"""The inventory: what there is. Policies are attached to these, and refer to them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from meshdsl.model.base import Subject, Value
from meshdsl.model.match import Header, PathLike, Query
from meshdsl.model.types import (
    CheckedBy,
    DnsLabel,
    LabelKey,
    LabelMap,
    LabelValue,
    Method,
    PathText,
    ProtocolName,
    ServiceName,
    describe,
)
from meshdsl.values import dns_label

PortNumber = Annotated[int, Field(ge=1, le=65535, strict=True)]


class Mesh(Subject):
    """The whole mesh, as a subject: ``MutualTls(Mesh(), mode="strict")``."""


class Namespace(Subject):
    """A Kubernetes namespace.

    Args:
        name: its name.
    """

    name: DnsLabel = Field(kw_only=False, description="name of the Kubernetes namespace")

    def __str__(self) -> str:
        return self.name


def _namespace(value: object) -> object:
    if isinstance(value, str):
        dns_label(value, "a namespace")
    elif not isinstance(value, Namespace):
        raise ValueError(f"a Namespace or its name is expected, not {describe(value)}")
    return value


def _target_port(value: object) -> object:
    if isinstance(value, str):
        dns_label(value, "the name of a container port")
        if len(value) > 15 or not any(c.isalpha() for c in value):
            raise ValueError(f"the name of a container port has at most 15 characters and a letter, not {value!r}")
    elif not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise ValueError(f"a port number from 1 to 65535 or the name of a container port is expected, not {value!r}")
    return value


TargetPort = Annotated[int | str, CheckedBy(_target_port)]
NamespaceLike = Annotated[Namespace | str, CheckedBy(_namespace)]


class Port(Value):
    """A port of a Service.

    Args:
        number: of the Kubernetes Service, 1 to 65535.
        name: its name there; needed where a service has several ports.
        protocol: what it speaks: ``"http"`` (HTTP/1.1), ``"http2"``, ``"grpc"``, ``"tcp"``, ``"tls"``. The Kubernetes
            Service must say the same (``appProtocol``), or the mesh guesses.
        target: the workload's port, as a number or the name of a container port; the same number if not given.
    """

    number: PortNumber = Field(kw_only=False, description="port of the Kubernetes Service, 1 to 65535")
    name: Annotated[str, AfterValidator(lambda name: dns_label(name, "a port name"))] | None = Field(
        default=None, description="name of the port in the Kubernetes Service"
    )
    protocol: ProtocolName = Field(default="http", description='"http", "http2", "grpc", "tcp" or "tls"')
    target: TargetPort | None = Field(
        default=None, description="the workload's port, a number or the name of a container port"
    )


class Probe(Value):
    """An HTTP probe that the kubelet makes: GET, exact path.

    Args:
        path: such as ``"/healthz"``.
        port: of the workload, a number or the name of a container port.
    """

    path: PathText = Field(kw_only=False, description='the path, such as "/healthz"')
    port: TargetPort = Field(description="port of the workload, a number or a name")


class Workload(Value):
    """The Kubernetes workload behind a service.

    Args:
        kind: ``"Deployment"``, ``"StatefulSet"`` or ``"DaemonSet"``.
        name: its name.
    """

    kind: Literal["Deployment", "StatefulSet", "DaemonSet"] = Field(
        kw_only=False, description='"Deployment", "StatefulSet" or "DaemonSet"'
    )
    name: DnsLabel = Field(kw_only=False, description="name of the workload")


class Service(Subject):
    """A Kubernetes Service and the workload behind it.

    Args:
        name: of the Kubernetes Service.
        namespace: a :class:`Namespace` or its name.
        port: its one port, 1 to 65535; ``ports`` for several. Without either it only calls others.
        protocol: of ``port``, default ``"http"``.
        target_port: of ``port``, the workload's port; the same number if not given.
        ports: several ports, each a :class:`Port` with a name.
        service_account: that its pods run as, and so their identity in the mesh; default: the name of the service.
        labels: that select its pods, default ``{"app": name}``.
        versions: names of its versions; a version's pods carry ``version_label`` with that value as well.
        version_label: default ``"version"``.
        replicas: pods behind the service, all versions together.
        probes: HTTP probes of its pods, for meshes where a closed service must let them in by name; ``()`` if it has
            none; not known if not given.
        workload: the Deployment (or StatefulSet, DaemonSet) behind it, for settings of its pods.
    """

    name: ServiceName = Field(kw_only=False, description="name of the Kubernetes Service")
    namespace: NamespaceLike = Field(kw_only=False, description="a Namespace or its name")
    port: PortNumber | None = Field(default=None, description="its one port, 1 to 65535")
    protocol: ProtocolName = Field(default="http", description='of port: "http", "http2", "grpc", "tcp" or "tls"')
    target_port: TargetPort | None = Field(
        default=None, description="the workload's port, a number or a container port's name"
    )
    ports: tuple[Port, ...] = Field(default=(), description="several ports, each a Port with a name")
    service_account: DnsLabel | None = Field(
        default=None, description="service account of its pods; default: its own name"
    )
    labels: LabelMap | None = Field(default=None, description='labels that select its pods; default {"app": name}')
    versions: tuple[Annotated[DnsLabel, LabelValue], ...] = Field(
        default=(), description='its versions, such as ("v1", "v2")'
    )
    version_label: LabelKey = Field(default="version", description="label of a pod that names its version")
    replicas: int | None = Field(
        default=None, ge=1, le=100_000, description="pods behind the service, all versions together"
    )
    probes: tuple[Probe, ...] | None = Field(default=None, description="HTTP probes of its pods; () if it has none")
    workload: Workload | None = Field(default=None, description="the Deployment, StatefulSet or DaemonSet behind it")

    @model_validator(mode="after")
    def _consistent(self) -> Service:
        if self.port is not None and self.ports:
            raise ValueError("give either port or ports, not both")
        if self.port is None and (self.target_port is not None or "protocol" in self.model_fields_set):
            raise ValueError("protocol and target_port describe port, which is not given; a Port has its own")
        if len(self.ports) > 1 and any(port.name is None for port in self.ports):
            raise ValueError("a service with several ports names each of them: Port(8080, name=…)")
        for what, seen in (
            ("port", [port.number for port in self.ports]),
            ("port name", [port.name for port in self.ports if port.name]),
            ("version", list(self.versions)),
        ):
            twice = [value for index, value in enumerate(seen) if value in seen[:index]]
            if twice:
                raise ValueError(f"{what} {twice[0]!r} is given twice")
        if self.labels is not None and self.versions and self.version_label in self.labels:
            raise ValueError(f"labels select one version only: leave {self.version_label!r} out of them")
        return self

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def route(
        self,
        name: str,
        *,
        methods: tuple[Method, ...] = (),
        path: str | PathLike | None = None,
        headers: tuple[Header, ...] = (),
        query: tuple[Query, ...] = (),
        port: int | None = None,
    ) -> Route:
        """A named part of this service's requests, to attach policies to.

        Args:
            name: for people, unique in the service, such as ``"checkout"``.
            methods: any of these; empty means all.
            path: ``"/a/b"`` (exact), ``"/a/*"`` (this segment and all below) or ``Regex("…")`` (full match).
            headers: all of these.
            query: all of these.
            port: one port of the service; all its HTTP ports if not given.

        Raises:
            PolicyError: an argument is wrong.
        """
        return Route(self, name, methods=methods, path=path, headers=headers, query=query, port=port)


class Route(Subject):
    """A named part of a service's requests. See :meth:`Service.route`."""

    _stops: ClassVar[bool] = True

    service: Annotated[Service, Field(strict=True)] = Field(kw_only=False, description="the Service it is part of")
    name: DnsLabel = Field(kw_only=False, description="its name, unique in the service")
    methods: tuple[Method, ...] = Field(default=(), description='HTTP methods, such as ("POST",); empty means all')
    path: PathLike | None = Field(default=None, description='"/a/b", "/a/*" or Regex("…")')
    headers: tuple[Header, ...] = Field(default=(), description="header conditions that must all hold")
    query: tuple[Query, ...] = Field(default=(), description="query conditions that must all hold")
    port: PortNumber | None = Field(
        default=None, description="one port of the service; all its HTTP ports if not given"
    )

    @model_validator(mode="after")
    def _selects_something(self) -> Route:
        if not (self.methods or self.path or self.headers or self.query or self.port):
            raise ValueError("a route names at least one of methods, path, headers, query, port")
        if self.name == "default":
            raise ValueError('"default" is the rest of the service; attach the policy to the service itself')
        return self

    def __str__(self) -> str:
        return f"{self.service}:{self.name}"
