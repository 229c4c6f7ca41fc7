"""An approximation is held to its note: each row of ``SUPPORT`` that differs has its function, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

import meshdsl
from meshdsl.plan.features import Feature
from meshdsl.simulate.allowances import ALWAYS, TRAFFIC, VERDICTS, expected
from meshdsl.simulate.words import Breaker, Redirected, Retries, Traffic
from meshdsl.targets.base import Level, Target

ISTIO, AMBIENT, LINKERD = meshdsl.Istio(), meshdsl.Ambient(), meshdsl.Linkerd()
TOLD_BY_NO_ANSWER = {
    ("istio", Feature.DENY_PATHS): "other spellings of a path, which are not asked for",
    ("ambient", Feature.DENY_PATHS): "other spellings of a path, which are not asked for",
    ("linkerd", Feature.RETRY_PER_TRY_TIMEOUT): "what of a try is bound, and not by how much",
    ("linkerd", Feature.REDIRECT): "the query, which is no part of an answer",
    ("linkerd", Feature.DEFAULT_DENY_MESH): "namespaces that nobody declares",
    ("linkerd", Feature.MTLS_MESH): "namespaces that nobody declares",
}
"""Approximate rows whose difference no answer shows."""


@pytest.mark.parametrize("target", [ISTIO, AMBIENT, LINKERD], ids=lambda one: one.name)
def test_each_approximate_row_has_a_function_or_says_why_it_needs_none(target: Target) -> None:
    approximate = {feature for feature in Feature if target.level_of(feature).level is Level.APPROXIMATE}
    held = TRAFFIC[target.name].keys() | VERDICTS[target.name].keys()
    unseen = {feature for name, feature in TOLD_BY_NO_ANSWER if name == target.name}
    assert approximate - held == unseen
    assert all(target.level_of(feature).note for feature in held)


def retried(*conditions: str, statuses: tuple[int, ...] = ()) -> Traffic:
    return Traffic(timeout=1, retry=Retries(2, frozenset(conditions), frozenset(statuses), 500, 50))


def of(traffic: Traffic) -> tuple[frozenset[str], frozenset[int]]:
    assert isinstance(traffic.retry, Retries)
    return traffic.retry.conditions, traffic.retry.statuses


def test_istio_is_exact() -> None:
    everything = retried("5xx", "reset", statuses=(429,))
    assert expected(everything, ISTIO.name) is everything


def test_ambient_writes_conditions_as_statuses_and_always_retries_some() -> None:
    assert of(expected(retried("gateway-error", "reset"), AMBIENT.name)) == (ALWAYS, {502, 503, 504})
    assert of(expected(retried("5xx", statuses=(429,)), AMBIENT.name)) == (ALWAYS, {429, *range(500, 600)})
    assert of(expected(retried("retriable-4xx"), AMBIENT.name)) == (ALWAYS, {409})


def test_linkerd_retries_resets_where_502_is_and_streams_that_are_refused() -> None:
    broken = {"refused-stream", "reset", "connect-failure"}
    assert of(expected(retried("5xx"), LINKERD.name)) == ({"5xx", *broken}, frozenset())
    assert of(expected(retried(statuses=(502,)), LINKERD.name)) == (broken, {502})
    assert of(expected(retried(statuses=(503,)), LINKERD.name)) == ({"refused-stream"}, {503})
    assert of(expected(retried("retriable-4xx"), LINKERD.name)) == ({"refused-stream"}, {409})


@pytest.mark.parametrize("target", [ISTIO, AMBIENT, LINKERD], ids=lambda one: one.name)
def test_an_approximation_changes_nothing_beside_its_own(target: Target) -> None:
    whole = replace(
        retried("5xx"), path="/a", host="h", redirect=Redirected(301, "http", None, 80, "/"), breaker=Breaker(1, 2, 3, 4, 5, 6, 7, 8, 9)
    )  # fmt: skip
    found = expected(whole, target.name)
    assert replace(found, retry=whole.retry, breaker=whole.breaker) == whole
    assert isinstance(found.retry, Retries)
    assert (found.retry.attempts, found.retry.per_try, found.retry.backoff) == (2, 500, 50)
    assert found.breaker is not None
    kept = replace(found.breaker, interval=7, max_ejection_percent=9)
    assert kept == whole.breaker


def test_nothing_is_allowed_of_what_was_not_asked_for() -> None:
    for target in (ISTIO, AMBIENT, LINKERD):
        assert expected(Traffic(timeout=3), target.name) == Traffic(timeout=3)
