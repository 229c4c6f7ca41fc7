"""A cluster holds things that are not ours, on our objects and beside them: views of meaning tell the truth of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest

import meshdsl
from meshdsl.compare.access import gaps
from meshdsl.compare.applying import after_apply
from meshdsl.compare.diff import diff
from meshdsl.compare.documents import kind_of
from meshdsl.compare.live import Scope, Unknown
from meshdsl.compare.report import ABSENT, DiffReport, Risk
from meshdsl.compiler import Bundle
from tests.compare.live import MESHES, bundle, snapshot, stored

Body = dict[str, Any]
Edit = Callable[[list[Body]], Iterable[Body] | None]

SECURITY = "security.istio.io/v1"
LINKERD = "policy.linkerd.io/v1alpha1"
EVERYONE: Body = {"rules": [{"from": [{"source": {"principals": ["*"]}}]}]}


def objects(of: Bundle) -> list[Body]:
    """The objects of a bundle after our own apply."""
    return [stored(one.body, manager="meshdsl") for one in of.manifests]


def report(edit: Edit, of: Bundle, *, base: Bundle | None = None, **options: Any) -> DiffReport:
    """The difference to a cluster in which somebody did something after our apply."""
    there = objects(base or of)
    more = edit(there) or ()
    return diff(of, snapshot([*there, *more]), **options)


def one_of(there: list[Body], kind: str, name: str = "") -> Body:
    return next(one for one in there if one["kind"] == kind and name in ("", one["metadata"]["name"]))


def set_by(live: Body, who: str, value: Any, *path: str) -> None:
    """Somebody else sets a field, and the server takes its ownership from us."""
    at = live
    for step in path[:-1]:
        at = at.setdefault(step, {})
    at[path[-1]] = value
    for entry in live["metadata"]["managedFields"]:
        tree = entry["fieldsV1"]
        for step in path[:-1]:
            tree = tree.get(f"f:{step}", {})
        tree.pop(f"f:{path[-1]}", None)
    theirs: Body = {}
    inner = theirs
    for step in path:
        inner = inner.setdefault(f"f:{step}", {})
    live["metadata"]["managedFields"].append({"manager": who, "operation": "Update", "fieldsV1": theirs})


def foreign(api_version: str, kind: str, name: str, spec: Any, namespace: str = "prod") -> Body:
    metadata = {"name": name, "namespace": namespace, "uid": "7", "creationTimestamp": "2025-01-01T00:00:00Z"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def said(found: DiffReport) -> list[str]:
    return [
        *(one.sentence for one in found.risks if one.risk is not Risk.OPENED_BY_OTHERS),
        *(one.sentence for one in found.policy),
        *(one.sentence for one in found.access),
    ]


# ---------------------------------------------------------------------------------------------- fields on our objects

FIELDS: list[tuple[str, str, Any, tuple[str, ...], str]] = [
    ("istio", "PeerAuthentication", {"matchLabels": {"app": "api"}}, ("spec", "selector"), "selector"),
    ("istio", "PeerAuthentication", {"matchLabels": {"app": "none"}}, ("spec", "selector"), "selector"),
    ("istio", "PeerAuthentication", {"8080": {"mode": "PERMISSIVE"}}, ("spec", "portLevelMtls"), "portLevelMtls"),
    ("istio", "VirtualService", ["istio-system/gw"], ("spec", "gateways"), "gateways"),
    ("istio", "DestinationRule", {"mode": "DISABLE"}, ("spec", "trafficPolicy", "tls"), "trafficPolicy.tls"),
    ("istio", "AuthorizationPolicy", "v2", ("spec", "selector", "matchLabels", "v"), "selector.matchLabels.v"),
    ("ambient", "HTTPRoute", ["x.example"], ("spec", "hostnames"), "hostnames"),
    ("linkerd", "HTTPRoute", ["x.example"], ("spec", "hostnames"), "hostnames"),
    ("linkerd", "Server", "v2", ("spec", "podSelector", "matchLabels", "v"), "podSelector.matchLabels.v"),
    ("linkerd", "HTTPRoute", "1s", ("metadata", "annotations", "timeout.linkerd.io/idle"), "timeout.linkerd.io/idle"),
]


@pytest.mark.parametrize(("mesh", "kind", "value", "path", "name"), FIELDS)
def test_a_field_of_somebody_else_that_stays_is_on_both_sides_and_is_named(
    mesh: str, kind: str, value: Any, path: tuple[str, ...], name: str
) -> None:
    found = report(lambda there: set_by(one_of(there, kind), "kubectl-edit", value, *path), bundle(mesh))
    assert said(found) == []
    notes = f"{found.policy_note}; {found.access_note}"
    assert f"{name}, set by kubectl-edit, stays" in notes
    assert f"{kind} prod/" in notes


def closed(*more: Any) -> Bundle:
    """A namespace with a default deny, and one service that another may call."""
    prod = meshdsl.Namespace("prod")
    api, web = meshdsl.Service("api", prod, port=80), meshdsl.Service("web", prod, port=80)
    policies = (api, web, meshdsl.DefaultDeny(prod), meshdsl.Allow(api, callers=(web,)), *more)
    return meshdsl.build(meshdsl.PolicySet(policies, name="shop"), meshdsl.Istio())


OPENING: list[tuple[tuple[str, ...], Any, str]] = [
    (("spec", "selector"), {"matchLabels": {"app": "api"}}, "lets everyone call anything else in prod"),
    (("metadata", "annotations", "istio.io/dry-run"), "true", "lets everyone call anything else in prod"),
]


@pytest.mark.parametrize(("path", "value", "opens"), OPENING)
def test_what_a_field_of_somebody_else_opens_is_said(path: tuple[str, ...], value: Any, opens: str) -> None:
    def edit(there: list[Body]) -> None:
        set_by(one_of(there, "AuthorizationPolicy", "default-deny"), "kubectl-edit", value, *path)
        one_of(there, "AuthorizationPolicy", "default-deny")["metadata"]["managedFields"][0]["fieldsV1"] |= {
            "f:spec": {}  # as a server writes a spec that has nothing in it
        }

    found = report(edit, closed())
    assert said(found) == []
    assert found.is_empty, "an apply would not take it away"
    assert f"what others set on ours {opens}" in found.access_note
    (risk,) = found.risks
    assert (risk.risk, risk.subject) == (Risk.OPENED_BY_OTHERS, "namespace prod")
    assert f"what others set on ours {opens}" in risk.sentence
    assert "AuthorizationPolicy prod/default-deny: " in found.access_note


def test_what_somebody_puts_into_an_empty_list_of_ours_is_taken_out() -> None:
    def edit(there: list[Body]) -> None:
        set_by(one_of(there, "AuthorizationPolicy", "default-deny"), "kubectl-edit", [{}], "spec", "rules")

    found = report(edit, closed())
    (change,) = found.objects
    assert [(field.path, field.live, field.ours) for field in change.fields] == [(("spec", "rules", 0), {}, ABSENT)]
    assert said(found)[0] == "nobody may call anything else in prod any more"


def test_what_is_left_of_ours_and_not_taken_away_is_named() -> None:
    def edit(there: list[Body]) -> list[Body]:
        old = copy.deepcopy(one_of(there, "AuthorizationPolicy", "api"))
        old["metadata"] |= {"name": "old", "ownerReferences": [{"kind": "X", "name": "y"}]}
        old["spec"]["rules"] = [{}]
        return [old]

    found = report(edit, closed())
    assert "AuthorizationPolicy prod/old is made no more and stays and lets everyone call prod/api too" in (
        found.access_note
    )


@pytest.mark.parametrize("views", [("policy",), ("access",), ("policy", "access")])
def test_a_field_of_somebody_else_is_named_once_whatever_view_is_asked_for(views: tuple[str, ...]) -> None:
    def edit(there: list[Body]) -> None:
        set_by(one_of(there, "PeerAuthentication"), "x", {"matchLabels": {"app": "api"}}, "spec", "selector")

    found = report(edit, bundle("istio"), views=views)
    assert f"{found.policy_note}; {found.access_note}".count("selector, set by x, stays") == 1


def test_a_change_of_ours_on_an_object_with_a_field_of_somebody_else_is_still_told() -> None:
    def edit(there: list[Body]) -> None:
        policy = one_of(there, "PeerAuthentication")
        set_by(policy, "kubectl-edit", {"matchLabels": {"app": "api"}}, "spec", "selector")
        policy["spec"]["mtls"]["mode"] = "PERMISSIVE"

    found = report(edit, bundle("istio"))
    assert [one.sentence for one in found.policy] == ["mTLS of prod/api: permissive → strict"]


def test_what_ours_had_set_and_sets_no_longer_goes() -> None:
    def edit(there: list[Body]) -> None:
        policy = one_of(there, "PeerAuthentication")
        policy["spec"]["selector"] = {"matchLabels": {"app": "api"}}
        policy["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:selector"] = {}

    found = report(edit, bundle("istio"))
    assert "mTLS of namespace prod: not set → strict" in [one.sentence for one in found.policy]
    assert "stays" not in f"{found.policy_note}{found.access_note}"


def test_a_list_without_keys_is_replaced_as_a_whole() -> None:
    def edit(there: list[Body]) -> None:
        policy = one_of(there, "AuthorizationPolicy")
        rules = copy.deepcopy(policy["spec"]["rules"])
        rules[0]["when"] = [{"key": "request.headers[x-a]", "values": ["1"]}]
        set_by(policy, "kubectl-edit", rules, "spec", "rules")

    found = report(edit, bundle("istio"))
    assert [one.sentence for one in found.policy] == [
        "allow of prod/api: prod/web may make requests with x-a = 1 → may call it"
    ]
    assert [one.sentence for one in found.access] == ["prod/web may now make every request to prod/api"]


def test_of_what_cannot_be_read_back_nothing_is_promised() -> None:
    def edit(there: list[Body]) -> None:
        policy = one_of(there, "AuthorizationPolicy")
        rules = copy.deepcopy(policy["spec"]["rules"])
        rules[0]["when"] = [{"key": "request.auth.claims[x]", "values": ["1"]}]
        set_by(policy, "kubectl-edit", rules, "spec", "rules")

    found = report(edit, bundle("istio"))
    assert found.policy == ()
    assert "request.auth.claims[x] of AuthorizationPolicy prod/api cannot be read back" in found.policy_note
    assert [one.widened for one in found.access] == [True]


def test_a_dump_that_does_not_say_who_set_a_field_is_doubted_aloud() -> None:
    def edit(there: list[Body]) -> None:
        for one in there:
            one["metadata"].pop("managedFields")
        one_of(there, "PeerAuthentication")["spec"]["selector"] = {"matchLabels": {"app": "api"}}

    found = report(edit, bundle("istio"))
    assert "PeerAuthentication prod/default: nothing says who set selector" in found.access_note


@pytest.mark.parametrize("mesh", MESHES)
def test_applying_what_is_applied_changes_nothing(mesh: str) -> None:
    there = objects(bundle(mesh))
    outcome = after_apply(there, bundle(mesh).manifests)
    assert outcome.beside == []
    assert [{**one, "status": None} for one in outcome.objects] == [{**one, "status": None} for one in there]


# ------------------------------------------------------------------------------------------------ objects beside ours


def authorization(name: str, spec: Any, namespace: str = "prod") -> Body:
    return foreign(SECURITY, "AuthorizationPolicy", name, spec, namespace)


BESIDE: list[tuple[str, list[Body], str]] = [
    (
        "istio",
        [authorization("evil", EVERYONE)],
        "AuthorizationPolicy prod/evil is not ours and lets everyone in the mesh except prod/web call prod/api too",
    ),
    (
        "istio",
        [authorization("a", EVERYONE), authorization("b", EVERYONE)],
        "AuthorizationPolicy prod/b is not ours and lets everyone in the mesh except prod/web call prod/api too",
    ),
    (
        "istio",
        [authorization("evil", EVERYONE, "istio-system")],
        "AuthorizationPolicy istio-system/evil is not ours and lets",
    ),
    (
        "istio",
        [authorization("no", {"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["prod"]}}]}]})],
        "AuthorizationPolicy prod/no is not ours and",
    ),
    (
        "istio",
        [authorization("ext", {"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]})],
        "AuthorizationPolicy prod/ext asks an external provider (CUSTOM)",
    ),
    (
        "istio",
        [foreign(SECURITY, "RequestAuthentication", "jwt", {"selector": {"matchLabels": {"app": "api"}}})],
        "RequestAuthentication prod/jwt refuses requests whose token is not valid",
    ),
    (
        "istio",
        [foreign(SECURITY, "PeerAuthentication", "legacy", {"mtls": {"mode": "PERMISSIVE"}})],
        "PeerAuthentication prod/legacy is not ours and lets",
    ),
    ("ambient", [authorization("evil", EVERYONE)], "AuthorizationPolicy prod/evil is not ours and lets everyone in"),
    (
        "ambient",
        [authorization("evil", {**EVERYONE, "targetRefs": [{"kind": "Gateway", "name": "waypoint"}]})],
        "AuthorizationPolicy prod/evil is not ours and lets everyone in the mesh except prod/web call prod/api too",
    ),
    (
        "linkerd",
        [
            foreign(
                LINKERD,
                "AuthorizationPolicy",
                "evil",
                {"targetRef": {"kind": "Namespace", "name": "prod"}, "requiredAuthenticationRefs": []},
            )
        ],
        "AuthorizationPolicy prod/evil is not ours and lets everyone call prod/api too",
    ),
    (
        "linkerd",
        [
            foreign(
                "policy.linkerd.io/v1beta3",
                "Server",
                "aa",
                {"podSelector": {"matchLabels": {"app": "api"}}, "port": 8080, "accessPolicy": "all-unauthenticated"},
            )
        ],
        "Server prod/aa is not ours and lets everyone call prod/api too",
    ),
    (
        "linkerd",
        [
            foreign(
                "gateway.networking.k8s.io/v1",
                "GRPCRoute",
                "g",
                {"parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": "api-8080"}]},
            )
        ],
        "GRPCRoute prod/g hangs on a Server and is not read",
    ),
]


@pytest.mark.parametrize(("mesh", "others", "note"), BESIDE)
def test_an_object_of_somebody_else_that_decides_is_no_difference_and_is_named(
    mesh: str, others: list[Body], note: str
) -> None:
    found = report(lambda _: others, bundle(mesh))
    assert said(found) == []
    assert note in found.access_note
    assert found.is_empty
    opened = [one for one in found.risks if one.risk is Risk.OPENED_BY_OTHERS]
    assert bool(opened) == ("is not ours and lets " in found.access_note)
    assert all(one.sentence in found.access_note for one in opened)


def test_what_one_object_does_to_many_services_is_one_sentence() -> None:
    prod = meshdsl.Namespace("prod")
    services = [meshdsl.Service(f"s{number}", prod, port=80) for number in range(9)]
    allows = [meshdsl.Allow(one, callers=(other,)) for one, other in pairwise(services)]
    of = meshdsl.build(meshdsl.PolicySet((*services, *allows), name="shop"), meshdsl.Istio())
    found = report(lambda _: [authorization("evil", EVERYONE, "istio-system")], of)
    evil = "AuthorizationPolicy istio-system/evil is not ours and"
    assert (
        f"{evil} lets callers in to prod/s0, prod/s1, prod/s2 and 5 more that ours do not let in" in found.access_note
    )
    assert found.access_note.count(evil) == 2  # the other is of the service that was open to all


def test_objects_of_others_that_decide_nothing_of_ours_are_not_named() -> None:
    elsewhere = authorization("x", EVERYONE, "other")
    stricter = foreign(SECURITY, "PeerAuthentication", "default", {"mtls": {"mode": "STRICT"}}, "istio-system")
    found = report(lambda _: [elsewhere, stricter], bundle("istio"))
    assert found.access_note == ""


def test_the_name_of_an_object_does_not_become_a_service() -> None:
    def edit(there: list[Body]) -> list[Body]:
        evil = copy.deepcopy(one_of(there, "AuthorizationPolicy"))
        evil["metadata"]["name"] = "evil"
        evil["spec"] = {"selector": {"matchLabels": {"app": "evil"}}, "rules": [{}]}
        services = [service(name) for name in ("api", "web")]
        return [evil, *services]

    found = report(edit, bundle("istio"))
    assert [str(one.ref) for one in found.objects] == ["AuthorizationPolicy prod/evil"]
    assert found.policy == ()
    assert "AuthorizationPolicy prod/evil cannot be read back" in found.policy_note


# ------------------------------------------------------------------------------------------------- objects in the way


def test_what_is_in_the_way_is_not_spoken_of_as_if_it_were_applied() -> None:
    def edit(there: list[Body]) -> list[Body]:
        there.remove(one_of(there, "AuthorizationPolicy"))
        return [authorization("api", {"rules": [{}]})]

    found = report(edit, bundle("istio"))
    assert [one.sentence for one in found.policy] == [
        "would be, with --adopt: allow added to prod/api: prod/web may call it"
    ]
    assert found.access == ()
    assert "AuthorizationPolicy prod/api is there and not ours" in found.policy_note
    assert "what is in the way of ours lets everyone in the mesh except prod/web call prod/api" in found.access_note
    adopted = report(edit, bundle("istio"), adopt=True)
    assert "allow added to prod/api: prod/web may call it" in [one.sentence for one in adopted.policy]
    assert [one.widened for one in adopted.access] == [False]


@pytest.mark.parametrize("mesh", MESHES)
def test_a_policy_set_that_was_renamed_is_one_sentence(mesh: str) -> None:
    found = report(lambda _: None, bundle(mesh), base=bundle(mesh, name="old"))
    (risk,) = found.risks  # of one owner, however many objects
    assert (risk.risk.value, "no conflict stops it" in risk.sentence) == ("overwritten-object", True)
    assert said(found) == [risk.sentence]
    assert "belong to policy set old, and this one is shop: if the set was renamed, --adopt" in found.policy_note
    assert "is not ours" not in found.access_note
    changed = report(lambda _: None, bundle(mesh, percent=25), base=bundle(mesh, name="old"))
    assert "would be, with --adopt: canary of prod/api: v2 10 % → 25 %" in said(changed)


# --------------------------------------------------------------------------------------------------- what is not seen


def service(name: str, *, port: int = 80, target: int = 0, selector: str = "", number: int = 0) -> Body:
    port = 8080 if name == "api" and not number else number or port
    ports = [{"port": port, "targetPort": target or port}]
    return foreign("v1", "Service", name, {"selector": {"app": selector or name}, "ports": ports})


def namespace(**labels: str) -> Body:
    names = {name.replace("_", "."): value for name, value in labels.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": names}}


def pod(name: str, **labels: str) -> Body:
    metadata = {"name": name, "namespace": "prod", "labels": {"app": "api", **labels}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


SIDECAR = {"security.istio.io/tlsMode": "istio"}
UNSEEN: list[tuple[str, list[Body], str]] = [
    ("istio", [namespace()], "namespace prod is not enrolled (the label istio-injection or istio.io/rev"),
    ("ambient", [namespace()], "namespace prod is not enrolled (the label istio.io/dataplane-mode"),
    ("istio", [namespace(), pod("a", **SIDECAR), pod("b")], "1 of 2 pods of prod/api are not in the mesh"),
    (
        "ambient",
        [namespace(**{"istio_io/dataplane-mode": "ambient"}), pod("a", **{"istio.io/dataplane-mode": "none"})],
        "1 of 1 pods of prod/api are not in the mesh",
    ),
    ("istio", [service("api", number=80), service("web")], "Service prod/api has no port 8080 (80)"),
    ("istio", [service("api", number=80), service("web")], "port 80 of Service prod/api is not declared"),
    ("istio", [service("api", target=9090), service("web")], "port 8080 of Service prod/api leads to 9090"),
    ("istio", [service("api", selector="x"), service("web")], "Service prod/api selects pods by app=x"),
    ("istio", [service("api")], "Service prod/web is not there"),
]


@pytest.mark.parametrize(("mesh", "more", "note"), UNSEEN)
def test_where_rules_hold_for_less_than_they_seem_to_a_note_says_so(mesh: str, more: list[Body], note: str) -> None:
    found = report(lambda _: more, bundle(mesh))
    assert said(found) == []
    assert note in found.access_note


@pytest.mark.parametrize(
    "more",
    [
        [service("api"), service("web")],
        [namespace(**{"istio-injection": "enabled"})],
        [namespace(**{"istio_io/rev": "canary"}), pod("a", **SIDECAR)],
    ],
)
def test_where_everything_is_in_its_place_nothing_is_said(more: list[Body]) -> None:
    assert report(lambda _: more, bundle("istio")).access_note == ""


@pytest.mark.parametrize("mesh", MESHES)
def test_where_namespaces_are_not_known_nothing_is_promised(mesh: str) -> None:
    lost = Unknown(Scope(kind_of(namespace())), "forbidden", "forbidden")
    for there in ([], objects(bundle(mesh))):
        found = diff(bundle(mesh, percent=25), snapshot(there, unknown=(lost,), scopes=frozenset()))
        assert [one.sentence for one in found.policy if one.sentence.startswith("canary of prod/api: ")]
        assert not [one.sentence for one in found.policy if "enrol" in one.sentence or "sidecars" in one.sentence]
        assert "enrolment" in found.policy_note
        assert found.access == ()
        assert "Namespace could not be read" in found.policy_note
        assert "Namespace could not be read" in found.access_note


def test_a_risk_is_not_promised_of_what_could_not_be_read() -> None:
    made = bundle("istio")
    there = [one for one in objects(made) if one["kind"] != "VirtualService"]
    kind = kind_of(next(one.body for one in made.manifests if one.ref.kind == "VirtualService"))
    lost = Unknown(Scope(kind, "prod"), "forbidden", "forbidden")
    found = diff(made, snapshot(there, unknown=(lost,), scopes=frozenset()))
    assert [one.risk for one in found.risks if one.risk is not Risk.BREAKING_ORDER] == []


def test_a_service_that_is_damaged_in_a_dump_makes_nothing_fail() -> None:
    damaged: list[Any] = ["x", [{}], [{"port": [1]}, None]]
    made = bundle("istio")
    for ports in damaged:
        one = foreign("v1", "Service", "api", {"selector": {"app": "api"}, "ports": ports})
        (note, *_) = gaps([one], made.target, made.plan, all_services=False)
        assert note == "Service prod/api has no port 8080 (none): what the policies say of it holds nowhere"
