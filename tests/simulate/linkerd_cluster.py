"""The cluster in which Linkerd's proxies were measured, and short ways to write its objects and requests.

Service ``demo`` of namespace ``default`` has pods of versions v1 and v2 behind it, each with a Service of its own;
``client`` is an account of the same namespace, ``oclient`` of namespace ``other``, and a third caller is outside the
mesh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshdsl import Linkerd
from meshdsl.simulate.inventory import Inventory, KubeService, Port
from meshdsl.simulate.linkerd import LinkerdReading
from meshdsl.simulate.words import OUTSIDE, Answer, Caller, Request, Verdict

Body = dict[str, Any]
CLIENT = Caller("default", "client")
OTHER = Caller("other", "oclient")
CALLERS = (CLIENT, OTHER, OUTSIDE)
IDENTITY = "serviceaccount.identity.linkerd.cluster.local"
EVERYWHERE = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]


def inventory(protocol: str = "http", *, probes: Sequence[tuple[str, int | str]] = ()) -> Inventory:
    """The Services that are there."""
    demo = frozenset({("app", "demo")})
    pods = tuple(demo | {("version", version)} for version in ("v1", "v2"))
    ports = (Port(80, 8080, protocol), Port(90, 9090, "tcp"))
    other = frozenset({("app", "bdef")})
    services = [
        KubeService("default", "demo", demo, ports, "demo", pods, ("v1", "v2"), tuple(probes)),
        KubeService("default", "v1", pods[0], ports, pods=(pods[0],)),
        KubeService("default", "v2", pods[1], ports, pods=(pods[1],)),
        KubeService("default", "bdef", other, ports, pods=(other,)),
    ]
    return Inventory({str(one): one for one in services})


def read(
    objects: Iterable[Body],
    *,
    target: Linkerd | None = None,
    protocol: str = "http",
    probes: Sequence[tuple[str, int | str]] = (),
) -> LinkerdReading:
    """The reading of some objects in that cluster."""
    return LinkerdReading(list(objects), inventory(protocol, probes=probes), target or Linkerd())


def get(path: str = "/", **rest: Any) -> Request:
    """A request of ``client`` to ``demo``."""
    given = {"caller": CLIENT, "service": "default/demo", "port": 80, "method": "GET", "path": path, **rest}
    return Request(**given)


def seen(answer: Answer) -> str:
    """What a caller sees: the version that answers with its percentage, the status, ``unknown``."""
    if answer.verdict is not Verdict.ALLOWED:
        names = {Verdict.NO_ROUTE: "404", Verdict.DENIED: "403", Verdict.UNKNOWN: "unknown"}
        return names[answer.verdict]
    if answer.traffic is None:
        return "200"
    if answer.traffic.redirect is not None:
        return f"{answer.traffic.redirect.status} {answer.traffic.redirect.path}"
    if answer.traffic.timeout == 0:
        return "504"
    own, status = answer.traffic.abort or (0, 0)
    found = {_version(dict(backend.labels)): share * (100 - own) for backend, share in answer.traffic.backends}
    if own:
        found[str(status)] = own  # type: ignore[assignment]
    parts = sorted(found.items())
    return parts[0][0] if len(parts) == 1 else ", ".join(f"{name} {float(share):g}" for name, share in parts)


def _version(labels: Mapping[str, str]) -> str:
    return labels.get("version", labels["app"])


# ------------------------------------------------------------------------------------------------------------- objects


def made(
    kind: str,
    name: str,
    spec: Mapping[str, Any] | None = None,
    *,
    group: str = "policy.linkerd.io/v1beta3",
    namespace: str = "default",
    annotations: Mapping[str, str] | None = None,
    created: str = "",
) -> Body:
    """An object."""
    metadata: Body = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    if created:
        metadata["creationTimestamp"] = created
    return {"apiVersion": group, "kind": kind, "metadata": metadata, **({} if spec is None else {"spec": dict(spec)})}


def rule(*backends: Body, matches: Sequence[Body] = (), **rest: Any) -> Body:
    """A rule of a route; one that matches every request if it has no matches."""
    found: Body = {"matches": list(matches)} if matches else {}
    return {**found, **({"backendRefs": list(backends)} if backends else {}), **rest}


def to(name: str, weight: int | None = None, **rest: Any) -> Body:
    """A backendRef."""
    found = {"group": "", "kind": "Service", "name": name, "namespace": "default", "port": 80, **rest}
    return found if weight is None else {**found, "weight": weight}


def path(value: str, kind: str = "PathPrefix", **rest: Any) -> Body:
    """A match by path, and by more."""
    return {"path": {"type": kind, "value": value}, **rest}


def route(*rules: Body, name: str = "r", parent: Body | None = None, **rest: Any) -> Body:
    """A route of Gateway API; of the Service ``demo`` unless it has another parent."""
    kind, hostnames = rest.pop("kind", "HTTPRoute"), rest.pop("hostnames", None)
    service = {"group": "", "kind": "Service", "name": "demo", "namespace": "default", "port": 80}
    spec: Body = {"parentRefs": [parent or service], "rules": list(rules)}
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return made(kind, name, spec, **{"group": "gateway.networking.k8s.io/v1", **rest})


def on_server(*rules: Body, name: str = "r", server: str = "srv", **rest: Any) -> Body:
    """A route of a Server."""
    parent = {"group": "policy.linkerd.io", "kind": "Server", "name": server, "namespace": "default"}
    return route(*rules, name=name, parent={**parent, **rest.pop("parent", {})}, **rest)


def service(
    annotations: Mapping[str, str] | None = None, name: str = "demo", spec: Mapping[str, Any] | None = None
) -> Body:
    """What is said of a Service."""
    return made("Service", name, spec, group="v1", annotations=annotations)


def app_protocol(value: str) -> Body:
    """The Service ``demo`` with an ``appProtocol``."""
    ports = [{"port": 80, "targetPort": 8080, "appProtocol": value}]
    return service(spec={"selector": {"app": "demo"}, "ports": ports})


def server(name: str = "srv", **rest: Any) -> Body:
    """A Server of port 8080 of the pods."""
    created = rest.pop("created", "")
    spec = {"podSelector": {"matchLabels": {"app": "demo"}}, "port": 8080, **rest}
    return made("Server", name, spec, created=created)


def identities(*patterns: str, name: str = "who") -> Body:
    """A MeshTLSAuthentication."""
    return made("MeshTLSAuthentication", name, {"identities": list(patterns)})


def networks(*given: Body, name: str = "all") -> Body:
    """A NetworkAuthentication."""
    return made("NetworkAuthentication", name, {"networks": list(given)})


def policy(*required: tuple[str, str], kind: str = "Server", name: str = "srv", own: str = "p", **rest: Any) -> Body:
    """An AuthorizationPolicy."""
    groups = {"Server": "policy.linkerd.io", "HTTPRoute": "gateway.networking.k8s.io", "Namespace": ""}
    target = {"group": rest.pop("group", groups.get(kind, "gateway.networking.k8s.io")), "kind": kind, "name": name}
    references = [
        {"group": "" if k == "ServiceAccount" else "policy.linkerd.io", "kind": k, "name": n} for k, n in required
    ]
    return made("AuthorizationPolicy", own, {"targetRef": target, "requiredAuthenticationRefs": references, **rest})


WHO = ("MeshTLSAuthentication", "who")
ALL = ("NetworkAuthentication", "all")


def namespace(**annotations: str) -> Body:
    """What is said of the namespace ``default``, by annotations of the injector."""
    found = {f"config.linkerd.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return made("Namespace", "default", group="v1", namespace="", annotations=found)


def workloads(
    *, ports: Sequence[Body] = (), probe: str = "", annotations: Mapping[str, str] | None = None
) -> list[Body]:
    """The workload of each version of ``demo``."""
    container: Body = {"name": "app", "ports": list(ports)}
    if probe:
        container["readinessProbe"] = {"httpGet": {"path": probe, "port": 8080}}
    found = []
    for version in ("v1", "v2"):
        labels = {"app": "demo", "version": version}
        metadata = {"labels": labels, "annotations": dict(annotations or {})}
        template = {"metadata": metadata, "spec": {"containers": [container]}}
        found.append(made("Deployment", version, {"template": template}, group="apps/v1"))
    return found
