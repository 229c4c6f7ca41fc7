"""The oracle takes what is valid and refuses what is not, each for the reason that is stated here."""

from __future__ import annotations

from typing import Any

import pytest

from meshdsl.manifest import Manifest, ObjectRef, Phase
from tests.oracle import available, builtin, cel, check, crds, defaulted, problems_of, samples, structural
from tests.oracle.samples import REMOVED, changed

pytestmark = pytest.mark.skipif(not available(), reason=f"the CRDs are not at {crds.FOLDER}")

ROUTE, GRPC, GATEWAY = samples.HTTP_ROUTE, samples.GRPC_ROUTE, samples.GATEWAY
VS, DR, AP, PA = samples.VIRTUAL_SERVICE, samples.DESTINATION_RULE, samples.ISTIO_POLICY, samples.PEER_AUTHENTICATION
SERVER, TLS, SERVICE = samples.SERVER, samples.MESH_TLS, samples.SERVICE
RULE = "spec__rules__0__"
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"statusCode": 302, "scheme": "https"}}
SET = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "1"}]}}

INVALID: dict[str, tuple[dict[str, Any], str]] = {
    # names and metadata
    "kind nobody serves": (changed(ROUTE, apiVersion="gateway.networking.k8s.io/v1alpha2"), "no such kind"),
    "version of the kind not served": (changed(PA, apiVersion="security.istio.io/v1alpha1"), "no such kind"),
    "kind only in the other channel": (
        changed(ROUTE, apiVersion="gateway.networking.x-k8s.io/v1alpha1"),
        "no such kind",
    ),
    "name with a capital": (changed(ROUTE, metadata__name="Api"), "metadata.name"),
    "name too long": (changed(ROUTE, metadata__name="a" * 254), "metadata.name"),
    "no namespace": (changed(ROUTE, metadata__namespace=REMOVED), '"namespace" is a required property'),
    "label value too long": (changed(ROUTE, metadata__labels={"a": "b" * 64}), "metadata.labels.a"),
    "label key with a space": (changed(ROUTE, metadata__labels={"a b": "c"}), "metadata.labels"),
    "annotation that is a number": (changed(ROUTE, metadata__annotations={"a": 1}), "metadata.annotations.a"),
    "annotations too large": (changed(ROUTE, metadata__annotations={"a": "b" * 262_144}), "larger than 262144"),
    "unknown metadata": (changed(ROUTE, metadata__phase=1), "'phase' was unexpected"),
    "status": (changed(ROUTE, status={"parents": []}), "'status' was unexpected"),
    # structure
    "unknown field": (changed(ROUTE, **{RULE + "priority": 1}), "'priority' was unexpected"),
    "unknown field of Istio": (changed(VS, spec__http__0__retry={}), "'retry' was unexpected"),
    "experimental field in the standard channel": (samples.HTTP_ROUTE_RETRY, "'retry' was unexpected"),
    "wrong enum": (changed(ROUTE, **{RULE + "matches__0__path__type": "Prefix"}), "spec.rules[0].matches[0].path.type"),
    "wrong enum of Istio": (changed(AP, spec__action="PERMIT"), "spec.action"),
    "required field missing": (changed(SERVER, spec__podSelector=REMOVED), "spec"),
    "required name missing": (changed(ROUTE, spec__parentRefs__0__name=REMOVED), '"name" is a required property'),
    "wrong type": (changed(VS, spec__http__0__timeout=5), "spec.http[0].timeout"),
    "null": (changed(DR, spec__host=None), "spec.host"),
    "more than 16 rules": (
        changed(ROUTE, spec__rules=[{"backendRefs": ROUTE["spec"]["rules"][0]["backendRefs"]}] * 17),
        "spec.rules",
    ),
    "weight out of range": (changed(ROUTE, **{RULE + "backendRefs__0__weight": 1_000_001}), "weight"),
    "port out of range": (changed(ROUTE, **{RULE + "backendRefs__0__port": 65536}), "port"),
    "integer beyond int32": (changed(VS, spec__http__0__retries__attempts=2**31), "attempts"),
    "duration not of Gateway API": (changed(ROUTE, **{RULE + "timeouts__request": "1.5s"}), "timeouts.request"),
    "duration not of Go": (
        changed(ROUTE, apiVersion="policy.linkerd.io/v1beta3", spec__rules=[{"timeouts": {"request": "5 seconds"}}]),
        "timeouts.request",
    ),
    "two of a oneof": (changed(VS, spec__http__0__match__0__uri={"exact": "/a", "prefix": "/a"}), "uri"),
    "two identities of one caller": (changed(TLS, spec__identities=["*"]), "spec"),
    "no identity at all": (changed(TLS, spec={}), "spec"),
    "header of a match twice": (
        changed(ROUTE, **{RULE + "matches__0__headers": [{"name": "a", "type": "Exact", "value": "1"}] * 2}),
        "duplicate key",
    ),
    "listener twice": (changed(GATEWAY, spec__listeners=GATEWAY["spec"]["listeners"] * 2), "duplicate key"),
    "header removed twice": (
        changed(
            ROUTE,
            **{RULE + "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a", "a"]}}]},
        ),
        "duplicate item",
    ),
    # CEL
    "redirect and backends": (
        changed(ROUTE, **{RULE + "filters": [REDIRECT]}),
        "must not be used together with backendRefs",
    ),
    "percent and fraction": (
        changed(ROUTE, **{RULE + "filters__0__requestMirror__fraction": {"numerator": 1, "denominator": 10}}),
        "Only one of percent or fraction",
    ),
    "no port for a Service": (
        changed(ROUTE, **{RULE + "backendRefs__0__port": REMOVED}),
        "Must have port for Service reference",
    ),
    "path with //": (changed(ROUTE, **{RULE + "matches__0__path__value": "/a//b"}), "must not contain"),
    "path with an encoded slash": (changed(ROUTE, **{RULE + "matches__0__path__value": "/a%2fb"}), "must not contain"),
    "relative path": (changed(ROUTE, **{RULE + "matches__0__path__value": "a"}), "start with '/'"),
    "back-end timeout beyond the request's": (
        changed(ROUTE, **{RULE + "timeouts__backendRequest": "6s"}),
        "backendRequest timeout cannot be longer",
    ),
    "filter without its block": (changed(ROUTE, **{RULE + "filters": [{"type": "RequestMirror"}]}), "requestMirror"),
    "filter twice": (changed(ROUTE, **{RULE + "filters": [SET, SET]}), "cannot be repeated"),
    "parent twice": (changed(ROUTE, spec__parentRefs=ROUTE["spec"]["parentRefs"] * 2), "sectionName must be unique"),
    "gRPC method without a name": (
        changed(GRPC, **{RULE + "matches__0__method": {"type": "Exact"}}),
        "must be specified",
    ),
    "negative duration of Istio": (
        changed(VS, spec__http__0__timeout="-5s"),
        "must be a valid duration greater than 1ms",
    ),
    "zero duration of Istio": (changed(DR, spec__trafficPolicy__outlierDetection__interval="0s"), "greater than 1ms"),
    "duration that is none": (changed(VS, spec__http__0__timeout="soon"), "spec.http[0].timeout"),
    "selector and targetRefs": (
        changed(AP, spec__targetRefs=[{"group": "", "kind": "Service", "name": "api"}]),
        "only one of targetRefs or selector",
    ),
    "wildcard in a selector": (changed(AP, spec__selector__matchLabels={"app": "*"}), "wildcard"),
    "mTLS of a port without a selector": (
        changed(PA, spec__portLevelMtls={"8080": {"mode": "STRICT"}}),
        "portLevelMtls requires selector",
    ),
    "namespaces and principals in serviceAccounts": (
        changed(AP, **{RULE + "from": [{"source": {"serviceAccounts": ["a/b"], "namespaces": ["a"]}}]}),
        "Cannot set serviceAccounts with namespaces or principals",
    ),
    "issuer that is no URL": (
        {
            **changed(PA, kind="RequestAuthentication"),
            "spec": {"jwtRules": [{"issuer": "a", "jwksUri": "not a url"}]},
        },
        "url must have scheme",
    ),
    # built-in kinds
    "service name that starts with a digit": (changed(SERVICE, metadata__name="1api"), "metadata.name"),
    "service port without a target": (changed(SERVICE, spec__ports__0__targetPort=REMOVED), "targetPort"),
    "two unnamed service ports": (
        changed(SERVICE, spec__ports=[{"port": p, "targetPort": p, "protocol": "TCP"} for p in (80, 81)]),
        "several ports need names",
    ),
    "service port twice": (changed(SERVICE, spec__ports=SERVICE["spec"]["ports"] * 2), "duplicate key"),
    "a workload that is not a patch": ({**changed(SERVICE, apiVersion="apps/v1", kind="Deployment")}, "no such kind"),
    "a cluster-scoped object in a namespace": (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "namespace": "prod"}},
        "'namespace' was unexpected",
    ),
}
EXPERIMENTAL: dict[str, tuple[dict[str, Any], str]] = {
    "retry with no attempt": (changed(samples.HTTP_ROUTE_RETRY, **{RULE + "retry__attempts": 0}), "attempts"),
    "retry on a status that is none": (changed(samples.HTTP_ROUTE_RETRY, **{RULE + "retry__codes": [200]}), "codes"),
    "retry on a status twice": (
        changed(samples.HTTP_ROUTE_RETRY, **{RULE + "retry__codes": [500, 500]}),
        "duplicate item",
    ),
    "rule name twice": (changed(ROUTE, spec__rules=ROUTE["spec"]["rules"] * 2), "Rule name must be unique"),
}


@pytest.mark.parametrize("name", samples.VALID)
def test_a_valid_object_is_taken_as_it_is(name: str) -> None:
    body = samples.VALID[name]
    channel = "experimental" if name == "HTTP_ROUTE_RETRY" else "standard"
    assert check(body, gateway_api_channel=channel) == []
    full = defaulted(body, gateway_api_channel=channel)
    assert list(structural.added(body, full)) == []


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_object_is_refused_for_its_reason(name: str) -> None:
    body, reason = INVALID[name]
    problems = check(body)
    assert any(reason in problem for problem in problems), problems


@pytest.mark.parametrize("name", EXPERIMENTAL)
def test_the_experimental_channel_has_bounds_too(name: str) -> None:
    body, reason = EXPERIMENTAL[name]
    problems = check(body, gateway_api_channel="experimental")
    assert any(reason in problem for problem in problems), problems


def test_a_control_fails_for_one_reason() -> None:
    """A control that breaks two rules would not show that either of them is asked."""
    several = {name: found for name, (body, _) in INVALID.items() if len(found := check(body)) > 1}
    assert not several


def test_every_rule_of_every_crd_is_evaluated() -> None:
    """Only rules on the object as it was are set aside: they do not apply to a new one."""
    rules = {rule for name in crds.FOLDERS for kind in crds.folder(name).values() for rule in cel.rules(kind.schema)}
    assert {rule for rule in rules if cel.is_transition(rule)} == {"self == oldSelf"}
    for rule in rules - {"self == oldSelf"}:
        cel.compiled(rule)
    assert len(rules) > 100


def test_every_schema_can_be_asked() -> None:
    kinds = [kind for name in crds.FOLDERS for kind in crds.folder(name).values()]
    for kind in kinds:
        assert structural.check(kind, {}), f"{kind.api_version} {kind.kind} takes an empty object"
    assert len(kinds) > 60


def test_defaults_that_are_left_to_the_server_are_found() -> None:
    body = changed(ROUTE, **{RULE + "backendRefs__0__weight": REMOVED, "spec__parentRefs__0__group": REMOVED})
    assert sorted(structural.added(body, defaulted(body))) == [
        'spec.parentRefs[0].group="gateway.networking.k8s.io"',
        "spec.rules[0].backendRefs[0].weight=1",
    ]


def test_a_patch_of_a_service_needs_no_spec() -> None:
    patch = changed(SERVICE, spec=REMOVED, metadata__annotations={"a": "b"})
    assert check(patch, partial=True) == []
    assert check(patch) != []


def test_a_patch_of_a_workload_holds_its_template_annotations_only() -> None:
    body = {
        **changed(SERVICE, apiVersion="apps/v1", kind="Deployment"),
        "spec": {"template": {"metadata": {"annotations": {"sidecar.istio.io/proxyCPU": "100m"}}}},
    }
    assert check(body, partial=True) == []
    assert check(changed(body, spec__replicas=2), partial=True) == ["spec: " + _unexpected("replicas")]


def test_the_reference_of_a_manifest_is_that_of_its_body() -> None:
    class Standard:
        gateway_api_channel = "standard"

    right = Manifest(ObjectRef("v1", "Service", "prod", "api"), Phase.DESTINATION, SERVICE)
    wrong = Manifest(ObjectRef("v1", "Service", "prod", "app"), Phase.DESTINATION, SERVICE)
    assert problems_of([right], Standard) == []
    assert problems_of([right, right], Standard) == ["Service prod/api: emitted twice"]
    assert problems_of([wrong], Standard) == ["Service prod/app: the reference says v1 Service prod/app"]


def _unexpected(field: str) -> str:
    return f"Additional properties are not allowed ('{field}' was unexpected)"


def test_a_built_in_kind_that_is_not_emitted_is_unknown() -> None:
    assert builtin.kind("v1", "Secret", partial=False) is None
