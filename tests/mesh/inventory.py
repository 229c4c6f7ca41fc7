"""What exists before meshdsl, read from a plan: Services, pods behind them, and callers.

It follows from the inventory alone: names, ports, labels and identities, never a policy. One mesh is furnished for one
plan after the other; pods that fit are used again under other labels, since a proxy takes longer to start than all that
a plan needs otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.simulate.requests import UNDECLARED
from tests.live.api import Body, accepted, at_once
from tests.mesh.pods import Kind, Pod
from tests.mesh.world import DRAIN_SECONDS, World

STRANGER = ("strangers", "stranger")
"""(namespace, account) of a caller in the mesh that no policy names."""
OUTSIDE = ("outside", "outside")
"""Of a caller without a sidecar."""
_FIRST_NAMED_PORT = 18080
_MOST_PODS = 40


@dataclass(frozen=True)
class Template:
    """A sort of pods: one of them runs."""

    kind: Kind
    labels: tuple[tuple[str, str], ...]
    version: str

    def is_behind(self, service: Service) -> bool:
        """Whether a service's selector takes it."""
        return self.kind.namespace == service.namespace and set(service.labels) <= set(self.labels)


@dataclass
class Furnished:
    """A mesh with the services of a plan in it.

    Attributes:
        pods: the pod of each template.
        addresses: the cluster IP of each service, by ``"namespace/name"``.
        callers: the pod that sends as (namespace, account).
        settled: when the proxies have let go of what was before (``time.monotonic``): until then a request that lasts
            may be cut off with the listener that it came by.
    """

    plan: Plan
    pods: dict[Template, Pod]
    addresses: dict[str, str] = field(default_factory=dict)
    callers: dict[tuple[str, str], Pod] = field(default_factory=dict)
    settled: float = 0

    def service(self, name: str) -> Service:
        """The intent of ``"namespace/name"``."""
        return self.plan.service(*name.split("/"))

    def behind(self, name: str) -> list[Pod]:
        """The pods of a service."""
        return [pod for template, pod in self.pods.items() if template.is_behind(self.service(name))]

    def other(self, name: str, caller: tuple[str, str] | None) -> Pod | None:
        """A pod of a service that is not the caller itself, if there is one."""
        sends = self.callers.get(caller) if caller else None
        return next((pod for pod in self.behind(name) if pod is not sends), None)

    def target(self, name: str, port: int) -> int:
        """The port on which the pods of a service listen for one of its ports; a port that is none is itself."""
        return next((_target(one) for one in self.service(name).ports if one.number == port), port)

    def version(self, pod_name: str) -> str:
        """The version of the pod of that name; empty if it has none."""
        return next(template.version for template, pod in self.pods.items() if pod.name == pod_name)


class Inventory:
    """What a world is furnished with at the moment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bodies: dict[tuple[str, str, str], Body] = {}
        self._addresses: dict[str, str] = {}
        self._used: list[Pod] = []

    def furnish(self, plan: Plan, callers: Iterable[tuple[str, str]] = ()) -> Furnished:
        """Make a world that has what a plan's inventory says, and nothing from before.

        Args:
            callers: more identities, (namespace, account), that requests will be sent from.
        """
        templates = _templates(plan)
        pods = self._pods(templates, {*callers, STRANGER})
        found = Furnished(plan, {template: pods[template] for template in templates})
        for key, pod in pods.items():
            if isinstance(key, tuple):
                found.callers[key] = pod
        for template in templates:
            found.callers.setdefault((template.kind.namespace, template.kind.account), pods[template])
        for service in plan.services:
            for pod in found.behind(str(service)):
                for port in [_target(one) for one in service.ports] or [UNDECLARED]:
                    pod.serve(self._world.echo, port)
        self._place([body for service in plan.services for body in _objects(service, found)])
        found.addresses = dict(self._addresses)
        found.settled = time.monotonic() + DRAIN_SECONDS
        return found

    # ------------------------------------------------------------------ pods

    def _pods(self, templates: Iterable[Template], callers: Iterable[tuple[str, str]]) -> dict[Any, Pod]:
        """A pod for each template, and for each caller that has none among them."""
        wanted: dict[Any, Kind] = {template: template.kind for template in templates}
        there = {(kind.namespace, kind.account) for kind in wanted.values()}
        wanted |= {who: Kind(*who) for who in sorted(callers) if who not in there}
        wanted[OUTSIDE] = Kind(*OUTSIDE, sidecar=False)
        free = list(self._world.pods)
        found: dict[Any, Pod] = {}
        for key, kind in wanted.items():
            pod = next((one for one in free if one.kind == kind), None)
            if pod is not None:
                free.remove(pod)
                found[key] = pod
        missing = [key for key in wanted if key not in found]
        over = len(self._world.pods) + len(missing) - _MOST_PODS
        gone = sorted(free, key=lambda pod: self._used.index(pod) if pod in self._used else -1)[: max(over, 0)]
        self._world.stop_pods(gone)
        found |= zip(missing, self._world.start_pods(wanted[key] for key in missing), strict=True)
        for pod in free:
            if pod not in gone:
                pod.label(self._world.api, {})
        for key, pod in found.items():
            pod.label(self._world.api, dict(key.labels) if isinstance(key, Template) else {})
        self._used = [pod for pod in self._used if pod not in found.values() and pod not in gone] + list(found.values())
        return found

    # ------------------------------------------------------------------ Services and their endpoints

    def _place(self, bodies: Iterable[Body]) -> None:
        wanted = {_key(body): body for body in bodies}
        self._world.namespaces({namespace for _, namespace, _ in wanted})
        api = self._world.api
        gone = [body for key, body in self._bodies.items() if wanted.get(key) != body]
        accepted(at_once(api.delete, gone))
        new = [body for key, body in wanted.items() if self._bodies.get(key) != body]
        for kind in ("Service", "EndpointSlice"):
            bodies_of_kind = [body for body in new if body["kind"] == kind]
            made = at_once(api.create, bodies_of_kind)
            accepted(made)
            for body, answer in zip(bodies_of_kind, made, strict=True):
                if kind == "Service":
                    name = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
                    self._addresses[name] = answer.body["spec"]["clusterIP"]
        self._bodies = wanted
        domain = self._world.settings.cluster_domain
        self._world.istiod.knows(
            {
                f"{name}.{namespace}.svc.{domain}": {ip for one in body["endpoints"] for ip in one["addresses"]}
                for (kind, namespace, name), body in wanted.items()
                if kind == "EndpointSlice"
            }
        )
        self._world.synced({})


def _templates(plan: Plan) -> list[Template]:
    found: dict[tuple[Any, ...], Template] = {}
    for service in plan.services:
        named = tuple((port.target, _target(port)) for port in service.ports if isinstance(port.target, str))
        kind = Kind(service.namespace, service.account, _is_enrolled(plan, service), named)
        sorts = [(version, service.version_labels(version)) for version in service.versions]
        for version, labels in sorts or [("", dict(service.labels))]:
            template = Template(kind, tuple(sorted(labels.items())), version)
            found.setdefault((kind.namespace, kind.account, template.labels), template)
    return list(found.values())


def _is_enrolled(plan: Plan, service: Service) -> bool:
    """Whether it has sidecars: where no policy says so, somebody else enrols it."""
    said = [policy.enrolled for policy in (service.proxy, plan.namespace(service.namespace).proxy) if policy]
    return next((one for one in said if one is not None), True)


def _target(port: Port) -> int:
    """The number on which the application listens: a named port has one that its name gives it."""
    if isinstance(port.target, int):
        return port.target
    return _FIRST_NAMED_PORT + sum(port.target.encode()) % 1000


def _objects(service: Service, found: Furnished) -> Iterable[Body]:
    if not service.ports:
        return
    metadata = {"name": service.name, "namespace": service.namespace}
    ports = [
        {
            "name": port.name or f"{port.protocol}-{port.number}",
            "port": port.number,
            "targetPort": port.target,
            "appProtocol": str(port.protocol),
        }
        for port in service.ports
    ]
    spec = {"selector": dict(service.labels), "ports": ports}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    endpoints = [
        {
            "addresses": [pod.net.ip],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": pod.name, "namespace": pod.kind.namespace, "uid": pod.uid},
        }
        for pod in found.behind(str(service))
    ]
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": service.name}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [
            {"name": port["name"], "port": _target(one), "protocol": "TCP", "appProtocol": port["appProtocol"]}
            for port, one in zip(ports, service.ports, strict=True)
        ],
    }


def _key(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]
