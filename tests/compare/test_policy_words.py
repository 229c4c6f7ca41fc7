"""How durations and access rules are worded, and which rules are one rule that changed."""

from __future__ import annotations

from typing import Any

import pytest

from meshdsl.compare.policy_access import paired, rule_changes
from meshdsl.compare.policy_words import duration
from meshdsl.plan.requests import Path, PathKind
from meshdsl.plan.rights import Account, Allow, Anyone, Callers, Deny
from meshdsl.values import milliseconds


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (18_000_000, "5h"),
        (90_000, "1m30s"),
        (3_661_000, "1h1m1s"),
        (60_000, "1m"),
        (1500, "1500ms"),
        (250, "250ms"),
        (0, "0s"),
    ],
)
def test_durations_are_written_as_in_a_policy(ms: int, text: str) -> None:
    assert duration(ms) == text
    assert ms == 0 or milliseconds(text) == ms


def access(*rules: Any) -> list[str]:
    """The sentences about rules that are all new, from none."""
    return [change.sentence for change in rule_changes("prod/api", (), rules)]


def names(*callers: str) -> Callers:
    return Callers(tuple(Account("prod", one) for one in callers))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (names("a"), names("a", "b"), "prod/b added to those who may call it"),
        (names("a", "b"), names("b"), "prod/a removed from those who may call it"),
        (names("a", "b"), names("b", "c"), "prod/c added to, and prod/a removed from those who may call it"),
        (names("a"), names("b"), "prod/a → prod/b may call it"),
        (names("a"), Callers(anyone=Anyone.AT_ALL), "prod/a → anyone at all may call it"),
    ],
)
def test_a_rule_with_other_callers_is_one_rule_that_changed(was: Callers, now: Callers, said: str) -> None:
    assert [one.sentence for one in rule_changes("prod/api", (Allow(was),), (Allow(now),))] == [
        f"allow of prod/api: {said}"
    ]
    found = paired((Allow(was), Allow(was, ports=(1,))), (Allow(now), Allow(was, ports=(1,))))
    assert (len(found.changed), found.new, found.gone) == (1, (), ())


def test_of_many_rules_of_the_same_callers_each_is_the_one_that_changed() -> None:
    def rules(method: str) -> tuple[Allow, ...]:
        return tuple(Allow(names("a"), methods=(method,), paths=(Path(PathKind.EXACT, path),)) for path in ("/x", "/y"))

    assert [one.sentence for one in rule_changes("prod/api", rules("GET"), rules("PUT"))] == [
        f"allow of prod/api: prod/a may make GET requests to {path} → may make PUT requests to {path}"
        for path in ("/x", "/y")
    ]


def test_a_deny_is_said_as_one_on_both_sides() -> None:
    was, now = (Deny(names("a"), methods=(method,)) for method in ("GET", "PUT"))
    assert [one.sentence for one in rule_changes("prod/api", (was,), (now,))] == [
        "deny of prod/api: prod/a may not make GET requests → may not make PUT requests"
    ]


def test_a_deny_of_everyone_says_nobody() -> None:
    mesh, everyone = (Deny(Callers(anyone=one), methods=("GET",)) for one in (Anyone.IN_MESH, Anyone.AT_ALL))
    named = Deny(names("a"), methods=("GET",))
    assert access(mesh) == ["deny added to prod/api: nobody in the mesh may make GET requests"]
    for was, now, said in (
        (mesh, everyone, "nobody in the mesh may make GET requests → nobody may make GET requests"),
        (everyone, named, "nobody may make GET requests → prod/a may not make GET requests"),
        (everyone, Deny(everyone.callers), "nobody may make GET requests → nobody may call it"),
    ):
        assert [one.sentence for one in rule_changes("prod/api", (was,), (now,))] == [f"deny of prod/api: {said}"]


def test_a_rule_about_a_port_names_the_port_and_no_requests() -> None:
    assert access(Allow(names("a"), ports=(5432,))) == ["allow added to prod/api: prod/a may call it on port 5432"]
