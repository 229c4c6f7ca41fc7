"""Comparisons made by hand: everything that a report can hold, and nothing that a cluster is needed for."""

from __future__ import annotations

from dataclasses import replace

from meshdsl.compare.live import Kind, Scope, Unknown
from meshdsl.compare.report import (
    ABSENT,
    AccessChange,
    Action,
    DiffReport,
    FieldChange,
    ObjectChange,
    PolicyChange,
    Risk,
    RiskFinding,
)
from meshdsl.diagnostics import Origin
from meshdsl.manifest import ObjectRef
from meshdsl.values import Json

GATEWAY = "gateway.networking.k8s.io/v1"
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
TOKEN = "Bearer canary-0123456789abcdef"


def origin(line: int, what: str = "Canary", file: str = "policies/shop.py") -> tuple[Origin, ...]:
    return (Origin(file, line, what),)


def body(kind: str, name: str, namespace: str = "prod", api: str = GATEWAY, **content: Json) -> dict[str, Json]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


def route(*weights: int) -> dict[str, Json]:
    backends: list[Json] = [
        {"group": "", "kind": "Service", "name": f"api-v{n}", "port": 8080, "weight": weight}
        for n, weight in enumerate(weights, 1)
    ]
    return body("HTTPRoute", "api", spec={"rules": [{"name": "rest", "backendRefs": backends}]})


def changed_route() -> ObjectChange:
    where = ("spec", "rules", 0, "backendRefs")
    return ObjectChange(
        ObjectRef(GATEWAY, "HTTPRoute", "prod", "api"),
        Action.UPDATE,
        fields=(
            FieldChange((*where, "name=api-v1", "weight"), 90, 75),
            FieldChange((*where, "name=api-v2", "weight"), 10, 25),
            FieldChange(
                ("spec", "rules", 0, "retry"), ABSENT, {"attempts": 3, "codes": [500, 503]}, "it would be dropped"
            ),
            FieldChange(("metadata", "labels", "app.kubernetes.io/managed-by"), "helm", "meshdsl"),
        ),
        live=route(90, 10),
        ours=route(75, 25),
        foreign=(FieldChange(("metadata", "annotations", "team"), "payments", ABSENT, "kubectl-edit"),),
        dropped=(("spec", "rules", 0, "retry"),),
        notes=("6 pods have these labels",),
        origins=origin(41),
    )


def created_policy() -> ObjectChange:
    api = "security.istio.io/v1"
    spec: Json = {
        "selector": {"matchLabels": {"app": "api"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/prod/sa/web"]}}],
                "to": [{"operation": {"methods": ["GET", "POST", "DELETE"], "paths": ["/v1/*"]}}],
            }
        ],
    }
    return ObjectChange(
        ObjectRef(api, "AuthorizationPolicy", "prod", "api-allow"),
        Action.CREATE,
        ours=body("AuthorizationPolicy", "api-allow", api=api, spec=spec),
        origins=origin(27, "Allow"),
    )


def deleted_rule() -> ObjectChange:
    api = "networking.istio.io/v1"
    spec: Json = {"host": "reviews.shop.svc.cluster.local", "trafficPolicy": {"outlierDetection": {"interval": "30s"}}}
    return ObjectChange(
        ObjectRef(api, "DestinationRule", "shop", "reviews"),
        Action.DELETE,
        live=body("DestinationRule", "reviews", "shop", api, spec=spec),
        notes=("deletion is pending: finalizer example.com/wait",),
    )


def conflict() -> ObjectChange:
    return ObjectChange(
        ObjectRef(GATEWAY, "HTTPRoute", "shop", "cart"),
        Action.CONFLICT,
        owner="helm (release shop)",
        live=body("HTTPRoute", "cart", "shop", spec={"rules": []}),
        ours=body("HTTPRoute", "cart", "shop", spec={"rules": [{"name": "rest"}]}),
        origins=origin(63, "Timeout"),
    )


def delegated() -> ObjectChange:
    api = "networking.istio.io/v1"
    return ObjectChange(
        ObjectRef(api, "VirtualService", "shop", "checkout"),
        Action.UPDATE,
        fields=(FieldChange(("spec", "http", "name=rest", "timeout"), "5s", "10s"),),
        live=body("VirtualService", "checkout", "shop", api),
        ours=body("VirtualService", "checkout", "shop", api),
        owner="Argo Rollouts rollout/checkout",
        delegated=3,
        origins=origin(71, "Timeout"),
    )


def partial() -> ObjectChange:
    return ObjectChange(
        ObjectRef("v1", "Namespace", "", "prod"),
        Action.UPDATE,
        fields=(FieldChange(("metadata", "labels", "istio-injection"), ABSENT, "enabled"),),
        live={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}},
        ours={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}},
        partial=True,
        origins=origin(12, "Proxy"),
    )


def rich() -> DiffReport:
    """A comparison with something of everything."""
    return DiffReport(
        "prod-eu",
        "context kind-prod",
        objects=(partial(), created_policy(), changed_route(), conflict(), deleted_rule(), delegated()),
        policy=(
            PolicyChange("prod/api", "canary of prod/api: v2 10 % → 25 %", origin(41)),
            PolicyChange("prod/api", "retries of prod/api: 3 attempts → off for POST", origin(52, "Retry")),
            PolicyChange("shop/reviews", "breaker removed from shop/reviews"),
        ),
        access=(
            AccessChange(
                "prod/api", True, ("prod/web",), (8080,), ("DELETE",), ("/v1/*",), "prod/web may now also DELETE /v1/*"
            ),
            AccessChange(
                "shop/payments", False, ("anyone in the mesh",), (), (), (), "nobody may call shop/payments any more"
            ),
        ),
        risks=(
            RiskFinding(
                Risk.WIDENED_ACCESS, "prod/api", "prod/web may now also DELETE /v1/* of prod/api", origin(27, "Allow")
            ),
            RiskFinding(Risk.REMOVED_BREAKER, "shop/reviews", "shop/reviews loses its breaker"),
            RiskFinding(
                Risk.DROPPED_FIELD, "prod/api", "this cluster's HTTPRoute has no retry: it would be dropped", origin(52)
            ),
        ),
        unknown=(Unknown(Scope(HTTP_ROUTE, "dev"), "forbidden: user ci may not list httproutes in dev", "forbidden"),),
        compared=48,
        policy_note="shop/checkout could not be read back; see its fields",
        aside=(replace(delegated(), ref=ObjectRef(GATEWAY, "HTTPRoute", "shop", "search"), fields=()),),
        access_note="a regular expression of shop/search could not be decided",
    )


def empty() -> DiffReport:
    return DiffReport("dev", "context kind-dev", compared=48)
