"""A live cluster's own Services and workloads take the place of the declared ones."""

from __future__ import annotations

from typing import Any

from meshdsl.simulate.inventory import Inventory, KubeService, Port
from meshdsl.simulate.observed import observed

APP = frozenset({("app", "api")})
V1, V2 = APP | {("version", "v1")}, APP | {("version", "v2")}
DECLARED = Inventory(
    {
        "prod/api": KubeService(
            "prod", "api", APP, (Port(8080, 8080, "http"),), "api", (V1, V2), ("v1", "v2"), (("/healthz", 8080),)
        )
    }
)


def service(name: str = "api", **spec: Any) -> dict[str, Any]:
    body = {"selector": {"app": "api"}, "ports": [{"port": 8080, "name": "http"}]}
    return {"kind": "Service", "metadata": {"namespace": "prod", "name": name}, "spec": body | spec}


def workload(labels: dict[str, str], account: str = "", namespace: str = "prod") -> dict[str, Any]:
    pod: dict[str, Any] = {"serviceAccountName": account} if account else {}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"kind": "Deployment", "metadata": {"namespace": namespace, "name": "w"}, "spec": {"template": template}}


def test_nothing_seen_leaves_what_is_declared() -> None:
    assert observed(DECLARED, []) == DECLARED


def test_ports_are_those_of_the_cluster() -> None:
    ports = [{"port": 80, "targetPort": "web", "name": "http-web"}, {"port": 9, "appProtocol": "kubernetes.io/h2c"}]
    found = observed(DECLARED, [service(ports=ports)])["prod/api"]
    assert found.ports == (Port(80, "web", "http", "http-web"), Port(9, 9, "http2"))
    assert found.account == "api"
    assert found.probes == DECLARED["prod/api"].probes


def test_a_port_that_does_not_say_its_protocol_has_the_declared_one_or_bytes() -> None:
    found = observed(DECLARED, [service(ports=[{"port": 8080}, {"port": 81}, {"port": 53, "protocol": "UDP"}])])
    assert found["prod/api"].ports == (Port(8080, 8080, "http"), Port(81, 81, "tcp"))


def test_pods_and_their_account_are_those_of_the_workloads() -> None:
    labels = {"app": "api", "version": "v2", "more": "x"}
    found = observed(DECLARED, [service(), workload(labels, "robot")])["prod/api"]
    assert found.account == "robot"
    assert found.pods == (frozenset(labels.items()),)
    assert found.versions == ("v2",)


def test_a_workload_of_another_namespace_or_label_is_none_of_its_pods() -> None:
    others = [workload({"app": "api"}, "x", "test"), workload({"app": "web"}, "x")]
    assert observed(DECLARED, [service(), *others])["prod/api"].pods == (V1, V2)


def test_a_service_that_nobody_declared_is_there_too() -> None:
    found = observed(DECLARED, [service("other", selector={"app": "o"}), workload({"app": "o"})])["prod/other"]
    assert (found.account, found.pods, found.versions) == ("default", (frozenset({("app", "o")}),), ("",))


def test_a_service_without_a_selector_takes_no_pods() -> None:
    found = observed(DECLARED, [service(selector=None), workload({"app": "api"}, "x")])["prod/api"]
    assert found.selector == frozenset()
    assert found.pods == (V1, V2)
