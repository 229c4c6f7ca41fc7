"""What is there without meshdsl: Kubernetes Services and the pods behind them.

Every reading looks at a cluster, and a mesh sees of it labels, ports and identities, never a policy. A plan declares
them; a live cluster's own Services and workloads take their place where they are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshdsl.plan.intent import Plan
from meshdsl.plan.intent import Service as Intent
from meshdsl.simulate.callers import caller_name
from meshdsl.simulate.words import Backend, Caller, Labels, NotModelled

HTTP = frozenset({"http", "http2", "grpc"})


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a Kubernetes Service.

    Attributes:
        number: of the Service.
        target: port number of the pods, or the name of their container port.
        protocol: ``http``, ``http2``, ``grpc``, ``tcp`` or ``tls``, as the port's name or ``appProtocol`` says.
        name: its name; empty if it has none.
    """

    number: int
    target: int | str
    protocol: str
    name: str = ""

    @property
    def is_http(self) -> bool:
        """Whether requests are seen on it."""
        return self.protocol in HTTP


@dataclass(frozen=True, slots=True)
class KubeService:
    """A Kubernetes Service and the pods behind it.

    Attributes:
        selector: the labels that it selects by.
        account: the service account of its pods.
        pods: the labels of each sort of pod behind it (one for each version); at least one.
        versions: the version of each of ``pods``, in the same order; an empty name where there are none.
        probes: path and port (of the pods) of each declared HTTP probe of the kubelet.
    """

    namespace: str
    name: str
    selector: Labels
    ports: tuple[Port, ...]
    account: str = ""
    pods: tuple[Labels, ...] = ()
    versions: tuple[str, ...] = ("",)
    probes: tuple[tuple[str, int | str], ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def port(self, number: int) -> Port | None:
        """The port of that number."""
        return next((port for port in self.ports if port.number == number), None)

    def backend(self, port: int, version: Labels = frozenset()) -> Backend:
        """Its pods, or those that have more labels, seen through one of its ports.

        Raises:
            NotModelled: it has no such port.
        """
        found = self.port(port)
        if found is None:
            raise NotModelled(f"Service {self}", f"it has no port {port}")
        return Backend(self.namespace, self.selector | version, found.target)


@dataclass(frozen=True)
class Inventory:
    """The Services of a cluster, by ``"namespace/name"``."""

    services: Mapping[str, KubeService] = field(default_factory=dict)

    @classmethod
    def of_plan(cls, plan: Plan) -> Inventory:
        """What the policies declare."""
        return cls({str(one): _declared(one) for one in plan.services})

    def __iter__(self) -> Iterator[KubeService]:
        return iter(self.services.values())

    def __contains__(self, name: str) -> bool:
        return name in self.services

    def __getitem__(self, name: str) -> KubeService:
        """The Service of that name. Raises KeyError."""
        return self.services[name]

    def with_services(self, more: Iterable[KubeService]) -> Inventory:
        """With these as well; one of the same name takes the place of the one that was there."""
        return Inventory({**self.services, **{str(one): one for one in more}})

    def caller(self, caller: Caller) -> str:
        """How a caller is called: see :func:`meshdsl.simulate.callers.caller_name`.

        A Service of one version of another is no service of its own.
        """
        found = [one for one in self if (one.namespace, one.account) == (caller.namespace, caller.account)]
        whole = (one for one in found if not any(other.selector < one.selector for other in found))
        return caller_name(caller, whole)

    def destination(self, backend: Backend) -> str:
        """The service and version whose pods a backend is, for people; its labels where no service has such pods."""
        try:
            service, version = self.version_of(backend)
        except KeyError:
            labels = ",".join(f"{name}={value}" for name, value in sorted(backend.labels))
            return f"pods of {backend.namespace} with {labels}" if backend.namespace else f"an answer {backend.port}"
        return f"{service} version {version}" if version else service

    def version_of(self, backend: Backend) -> tuple[str, str]:
        """The service and version whose pods a backend is: ``("prod/api", "v2")``.

        The version is empty where the backend takes in every version. Raises KeyError if no service has such pods.
        """
        for service in self:
            if service.namespace != backend.namespace or not service.selector <= backend.labels:
                continue
            found = [v for pod, v in zip(service.pods, service.versions, strict=True) if backend.labels <= pod]
            if found:
                return str(service), found[0] if len(found) == 1 else ""
        raise KeyError(backend)


def _declared(one: Intent) -> KubeService:
    selector = frozenset(one.labels)
    return KubeService(
        one.namespace,
        one.name,
        selector,
        tuple(Port(port.number, port.target, port.protocol.value, port.name) for port in one.ports),
        one.account,
        tuple(frozenset(one.version_labels(version).items()) for version in one.versions) or (selector,),
        one.versions or ("",),
        tuple((probe.path, probe.port) for probe in one.probes),
    )


def labels_of(body: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of an object, without those that say whose it is."""
    found: Mapping[str, str] = body.get("metadata", {}).get("labels") or {}
    return {name: value for name, value in found.items() if name not in _OURS}


_OURS = frozenset({"app.kubernetes.io/managed-by", "meshdsl.dev/set"})
