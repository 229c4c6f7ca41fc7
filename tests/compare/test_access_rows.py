"""Rows cover exactly what differs, and what cannot be decided is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meshdsl
from meshdsl import Allow, DefaultDeny, Namespace, Service, compiler
from meshdsl.compare import access
from meshdsl.compare.access.callers import ANOTHER, Callers
from meshdsl.compare.access.model import Requests, Where, holds, named
from meshdsl.compare.access.requests import Space
from meshdsl.compare.access.rows import Block, rows
from meshdsl.compare.applying import after_apply

SPACE = Space(
    [
        Requests(frozenset({"GET", "PUT"}), frozenset({("exact", "/a"), ("starts", "/a/")})),
        Requests(None, frozenset({("exact", "/b")}), (Where("x", frozenset({("exact", "1")})),)),
    ]
)
CELLS = st.lists(st.integers(0, SPACE.all.bit_length() - 1), min_size=1, max_size=8).map(
    lambda bits: sum(1 << bit for bit in set(bits))
)


@given(st.lists(st.tuples(st.integers(1, 31), CELLS), min_size=1, max_size=5))
def test_rows_cover_exactly_the_blocks(drawn: list[tuple[int, int]]) -> None:
    blocks, seen = [], 0
    for callers, cells in drawn:
        blocks.append(Block(callers, cells & ~seen))
        seen |= cells
    wanted = {(bit, cell) for who, cells in blocks for bit in _bits(who) for cell in _bits(cells)}
    found = set()
    for row in rows(SPACE, blocks):
        for state in _bits(row.states):
            for method in _bits(row.methods):
                cells = row.paths << state * SPACE.layer + method * SPACE.width
                found |= {(bit, cell) for bit in _bits(row.callers) for cell in _bits(cells)}
    assert found == wanted


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


prod = Namespace("prod")
INVENTORY = (prod, Service("api", prod, port=80, target_port=8080), Service("web", prod, port=80))
PLAN = compiler.meaning(meshdsl.PolicySet(INVENTORY), "test")


def policy(name: str, spec: dict[str, Any], kind: str = "AuthorizationPolicy") -> dict[str, Any]:
    """An object of Istio that somebody else wrote."""
    metadata = {"name": name, "namespace": "prod"}
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


NAMES = st.sampled_from(["web", "webby", "my-web", "x"])
IDENTITIES = st.builds(
    lambda domain, namespace, name: f"{domain}/ns/{namespace}/sa/{name}",
    st.sampled_from(["", "other.org", "third"]),
    st.sampled_from(["prod", "products", "test"]),
    NAMES,
)
PATTERNS = st.one_of(
    IDENTITIES,
    st.sampled_from(
        ["*", "/*", "/ns/prod/*", "/ns/prod/sa/*", "/ns/prod*", "/ns/prod/sa/web*", "~/ns/prod/*", "~/ns/prod/sa/web"]
    ),
    st.sampled_from(["*/sa/web", "*web", "*-web", "*/ns/prod/sa/web", "other.org/*", "other.org/ns/prod/*", "*d/sa/x"]),
)


@given(st.lists(PATTERNS, max_size=6), IDENTITIES)
def test_every_identity_is_stood_for(patterns: list[str], identity: str) -> None:
    callers = Callers(patterns)
    wanted = [holds(pattern, identity) for pattern in patterns]
    assert any([holds(pattern, known) for pattern in patterns] == wanted for known in callers.identities)
    assert ANOTHER not in "".join(callers.words(callers.everyone))


def test_a_namespace_of_other_trust_domains_is_named_as_one_of_the_mesh_is() -> None:
    callers = Callers(["~/ns/prod/*", "/ns/prod/sa/web"])
    whole = callers.mask(named("~/ns/prod/*"))
    assert callers.words(whole) == ("every account of prod", "every account of prod of other trust domains")
    rest = whole & ~callers.mask(named("/ns/prod/sa/web"))
    assert callers.words(rest) == ("every account of prod of other trust domains", "every other account of prod")


TEXTS = st.text("/nsa*~w.{}\n", max_size=12)


@given(st.lists(st.one_of(TEXTS, st.sampled_from(["/ns/", "*/ns/", "~*", "/ns/a/sa/", "x/ns//sa/*"])), max_size=6))
def test_any_text_can_be_a_pattern(texts: list[str]) -> None:
    values = {
        name: [text for text in texts if text] or ["x"] for name in ("principals", "namespaces", "serviceAccounts")
    }
    operation = {"paths": texts or ["*"], "notPaths": texts[:1], "methods": texts[1:], "ports": texts[2:]}
    rule = {"from": [{"source": {name: value}} for name, value in values.items()], "to": [{"operation": operation}]}
    objects = [policy("p", {"rules": [rule, {"from": [{"source": {"notPrincipals": texts}}]}]})]
    empty, plan = access.of_objects([], meshdsl.Istio(), PLAN), access.of_objects(objects, meshdsl.Istio(), PLAN)
    for change in (*access.changes(empty, plan), *access.changes(plan, empty)):
        assert change.sentence


# ------------------------------------------------------------------------------------------- what cannot be decided


def built(*policies: Any, target: Any = None) -> meshdsl.Bundle:
    """A bundle of some policies."""
    return meshdsl.build(meshdsl.PolicySet((*INVENTORY, *policies)), target or meshdsl.Istio())


def compared(*objects: dict[str, Any], bundle: meshdsl.Bundle) -> tuple[list[str], tuple[str, ...]]:
    """What changes if these objects are put beside those of a bundle, and the notes."""
    mine = [one.body for one in bundle.manifests]
    before = access.of_objects(mine, bundle.target, bundle.plan)
    after = access.of_objects([*mine, *objects], bundle.target, bundle.plan)
    return [change.sentence for change in access.changes(before, after)], after.notes


SELECTS: dict[str, Any] = {"selector": {"matchLabels": {"app": "api"}}}
GET_BY_WEB = Allow(INVENTORY[1], callers=(INVENTORY[2],), methods=("GET",))


@pytest.mark.parametrize(
    ("spec", "said", "noted"),
    [
        (
            {**SELECTS, "action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]},
            [],
            "AuthorizationPolicy prod/p asks an external provider (CUSTOM): it is taken to say yes",
        ),
        (
            {**SELECTS, "rules": [{"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}]},
            [
                "everyone else may now GET any path of prod/api, where ipBlocks is 10.0.0.0/8",
                "everyone may now call prod/api with any method except GET, where ipBlocks is 10.0.0.0/8",
            ],
            "AuthorizationPolicy prod/p: ipBlocks cannot be decided: the rows name it",
        ),
        (
            {"selector": {"matchLabels": {"app": "api", "version": "v2"}}, "rules": [{}]},
            ["everyone may now call prod/api"],
            "AuthorizationPolicy prod/p selects only some of the pods of prod/api: what holds for either kind is shown",
        ),
        (
            {**SELECTS, "rules": [{"when": [{"key": "request.auth.claims[iss]", "values": ["me"]}]}]},
            [
                "everyone else may now GET any path of prod/api, where request.auth.claims[iss] is me",
                "everyone may now call prod/api with any method except GET, where request.auth.claims[iss] is me",
            ],
            "AuthorizationPolicy prod/p: request.auth.claims[iss] cannot be decided: the rows name it",
        ),
    ],
    ids=["an external provider", "addresses", "some of the pods", "claims"],
)
def test_what_cannot_be_decided_is_named(spec: dict[str, Any], said: list[str], noted: str) -> None:
    found, notes = compared(policy("p", spec), bundle=built(GET_BY_WEB))
    assert noted in notes
    assert sorted(found) == said


def test_a_deny_by_method_at_ztunnel_is_known_to_do_nothing() -> None:
    spec = {**SELECTS, "action": "DENY", "rules": [{"to": [{"operation": {"methods": ["DELETE"]}}]}]}
    found, notes = compared(policy("p", spec), bundle=built(target=meshdsl.Ambient()))
    assert found == []
    assert any("does nothing at ztunnel" in note for note in notes)


def test_without_its_fence_a_service_is_open_past_the_waypoint() -> None:
    bundle = built(GET_BY_WEB, target=meshdsl.Ambient())
    mine = [one.body for one in bundle.manifests]
    fenceless = [one for one in mine if not str(one["metadata"]["name"]).endswith(".fence")]  # type: ignore[index,call-overload]
    before = access.of_objects(mine, bundle.target, bundle.plan)
    after = access.of_objects(fenceless, bundle.target, bundle.plan)
    assert [change.sentence for change in access.changes(before, after)] == ["everyone may now call prod/api"]
    assert after.notes == ("nothing keeps callers of prod/api from going past its waypoint to the pods",)


def test_what_others_wrote_is_still_there_after_an_apply() -> None:
    bundle = built(DefaultDeny(prod))
    theirs = policy("theirs", {**SELECTS, "rules": [{}]})
    live = after_apply([theirs], bundle.manifests).objects
    before = access.of_objects([theirs], bundle.target, bundle.plan)
    after = access.of_objects(live, bundle.target, bundle.plan)
    assert [change.sentence for change in access.changes(before, after)] == [
        "nobody may call anything else in prod any more",
        "nobody may call prod/web any more",
    ]
    gone = after_apply(live, (), [one.ref for one in bundle.manifests]).objects
    assert access.changes(before, access.of_objects(gone, bundle.target, bundle.plan)) == ()


def test_a_live_service_says_its_own_ports_and_pods() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api", "namespace": "prod"},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    found, _ = compared(service, bundle=built(GET_BY_WEB))
    assert found == ["everyone may now call prod/api"]
