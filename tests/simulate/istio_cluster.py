"""The cluster in which Istio's proxies were measured, and short ways to write its objects and requests.

Service ``api`` of namespace ``prod`` has pods of versions v1 and v2 behind it; ``web`` and ``other`` are accounts of the
same namespace with a Service each, ``far`` is one of another namespace, and a last caller is outside the mesh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from meshdsl import Ambient, Istio
from meshdsl.simulate.ambient import AmbientReading
from meshdsl.simulate.inventory import Inventory, KubeService, Port
from meshdsl.simulate.istio import IstioReading
from meshdsl.simulate.words import OUTSIDE, Answer, Caller, Labels, Reason, Request, Traffic, Verdict

Body = dict[str, Any]
WEB, OTHER, FAR = Caller("prod", "web"), Caller("prod", "other"), Caller("elsewhere", "web")
WHO: Mapping[str, Caller] = {"web": WEB, "other": OTHER, "far": FAR, "plain": OUTSIDE}
HOST = "api.prod.svc.cluster.local"
ROOT = "istio-system"


def labels(**given: str) -> Labels:
    """Labels of pods."""
    return frozenset(given.items())


def inventory() -> Inventory:
    """The Services that are there."""
    ports = (Port(80, 8080, "http"), Port(90, 9090, "tcp"), Port(81, 8081, "http"))
    versions = tuple(labels(app="api", version=one) for one in ("v1", "v2"))
    services = [
        KubeService("prod", "api", labels(app="api"), ports, "api", versions, ("v1", "v2")),
        *(
            KubeService("prod", f"api-{pod}", versions[n], ports[:1], "api", (versions[n],))
            for n, pod in enumerate(("v1", "v2"))
        ),
        KubeService("prod", "shadow", labels(app="shadow"), ports[:1], "shadow", (labels(app="shadow"),)),
        KubeService("prod", "web", labels(app="web"), ports[:1], "web", (labels(app="web", tier="front"),)),
        KubeService("prod", "other", labels(app="other"), ports[:1], "other", (labels(app="other"),)),
        KubeService("elsewhere", "web", labels(app="web"), ports[:1], "web", (labels(app="web"),)),
    ]
    return Inventory({str(one): one for one in services})


def istio(*objects: Body, target: Istio | None = None) -> IstioReading:
    """The reading of some objects of a mesh with sidecars."""
    return IstioReading(list(objects), inventory(), target or Istio())


def ambient(*objects: Body, target: Ambient | None = None) -> AmbientReading:
    """The reading of some objects of an Ambient mesh."""
    return AmbientReading(list(objects), inventory(), target or Ambient())


def get(path: str = "/", **rest: Any) -> Request:
    """A request of ``web`` to ``api``."""
    return Request(**{"caller": WEB, "service": "prod/api", "port": 80, "method": "GET", "path": path, **rest})


def connection(caller: Caller = WEB, port: int = 90, **rest: Any) -> Request:
    """A connection of other bytes to ``api``."""
    return Request(caller, "prod/api", port, **rest)


def seen(answer: Answer) -> str:
    """What a caller sees: the versions that answer (with percentages if there are several), a status, ``unknown``."""
    words = {Verdict.DENIED: "denied", Verdict.NO_ROUTE: "404", Verdict.UNKNOWN: "unknown"}
    if answer.verdict is not Verdict.ALLOWED:
        return words[answer.verdict]
    if answer.traffic is None:
        return "allowed"
    if answer.traffic.redirect is not None:
        return str(answer.traffic.redirect.status)
    found = sorted((_name(backend.labels, backend.port), share) for backend, share in answer.traffic.backends)
    return ", ".join(name if share == 1 else f"{name} {float(100 * share):g}" for name, share in found)


def _name(found: Labels, port: int | str) -> str:
    named = dict(found)
    return named.get("version") or named.get("app") or str(port)


def traffic(reading: IstioReading | AmbientReading, request: Request) -> Traffic:
    """What is done with a request that is let in."""
    answer = reading.answer(request)
    assert answer.traffic is not None, answer
    return answer.traffic


def admitted(reading: IstioReading | AmbientReading, request: Request) -> str:
    """The names of the callers who are let in; ``unknown`` for those of whom that is not known."""
    found = []
    for name, caller in WHO.items():
        asked = Request(caller, request.service, request.port, request.method, request.path, request.headers)
        answer = reading.answer(asked)
        if answer.verdict is not Verdict.DENIED:
            found.append(name if answer.allowed else f"{name}?")
    return " ".join(found)


def told(answer: Answer) -> Iterator[Reason]:
    """All reasons of an answer, whatever their depth."""

    def walk(reasons: Iterable[Reason]) -> Iterator[Reason]:
        for one in reasons:
            yield one
            yield from walk(one.parts)

    return walk(answer.reasons)


def why(answer: Answer) -> str:
    """All reasons of an answer, a line each: ``text @ where``."""
    return "\n".join(f"{one.text} @ {one.where}" for one in told(answer))


# ------------------------------------------------------------------------------------------------------------- objects


def body(kind: str, spec: Any, *, name: str = "api", namespace: str = "prod", **metadata: Any) -> Body:
    """An object of one of Istio's groups, or of the Gateway API."""
    groups = {
        "VirtualService": "networking.istio.io/v1", "DestinationRule": "networking.istio.io/v1",
        "ServiceEntry": "networking.istio.io/v1", "Sidecar": "networking.istio.io/v1",
        "EnvoyFilter": "networking.istio.io/v1alpha3", "HTTPRoute": "gateway.networking.k8s.io/v1",
        "GRPCRoute": "gateway.networking.k8s.io/v1", "Gateway": "gateway.networking.k8s.io/v1",
        "Namespace": "v1", "Service": "v1", "Telemetry": "telemetry.istio.io/v1",
    }  # fmt: skip
    made = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": groups.get(kind, "security.istio.io/v1"), "kind": kind, "metadata": made, "spec": spec}


def to(subset: str = "", weight: int | None = None, *, host: str = HOST, port: int | None = 80) -> Body:
    """A destination of a VirtualService."""
    found: Body = {"host": host}
    if port is not None:
        found["port"] = {"number": port}
    if subset:
        found["subset"] = subset
    return {"destination": found} if weight is None else {"destination": found, "weight": weight}


def virtual_service(*http: Body, hosts: Sequence[str] = (HOST,), name: str = "api", **rest: Any) -> Body:
    """A VirtualService; ``rest`` is of its spec, but for ``namespace`` and ``created``."""
    metadata = {"creationTimestamp": rest.pop("created")} if "created" in rest else {}
    namespace = rest.pop("namespace", "prod")
    spec = {"hosts": list(hosts), "http": list(http), **rest}
    return body("VirtualService", spec, name=name, namespace=namespace, **metadata)


def destination_rule(*, host: str = HOST, name: str = "api", namespace: str = "prod", **spec: Any) -> Body:
    """A DestinationRule, by default with a subset for each version."""
    spec.setdefault("subsets", [{"name": one, "labels": {"version": one}} for one in ("v1", "v2")])
    return body("DestinationRule", {"host": host, **spec}, name=name, namespace=namespace)


def policy(*rules: Body, action: str = "ALLOW", name: str = "api", namespace: str = "prod", **rest: Any) -> Body:
    """An AuthorizationPolicy for the pods of ``api``, unless ``rest`` says another selector or ``targetRefs``."""
    notes = {"annotations": rest.pop("annotations")} if "annotations" in rest else {}
    if not {"selector", "targetRefs"} & rest.keys():
        rest["selector"] = {"matchLabels": {"app": "api"}}
    spec = {"action": action, "rules": list(rules), **{key: value for key, value in rest.items() if value is not None}}
    return body("AuthorizationPolicy", spec, name=name, namespace=namespace, **notes)


def rule(*, to: Body | None = None, when: Sequence[Body] = (), **source: Any) -> Body:
    """A rule with one source, one operation and conditions."""
    found: Body = {}
    if source:
        found["from"] = [{"source": source}]
    if to is not None:
        found["to"] = [{"operation": to}]
    if when:
        found["when"] = list(when)
    return found


def peer(mode: str | None, *, name: str = "default", namespace: str = "prod", **rest: Any) -> Body:
    """A PeerAuthentication; ``rest`` is of its spec, but for ``created``."""
    metadata = {"creationTimestamp": rest.pop("created")} if "created" in rest else {}
    spec = {**({} if mode is None else {"mtls": {"mode": mode}}), **rest}
    return body("PeerAuthentication", spec, name=name, namespace=namespace, **metadata)


def principal(caller: Caller) -> str:
    """What the certificate of a caller says."""
    return f"cluster.local/ns/{caller.namespace}/sa/{caller.account}"
