"""When a request is tried: against the formulas that the meshes document, and the deadline."""

from __future__ import annotations

import pytest

from meshdsl.simulate.attempts import Try, any_backoff, envoy_backoff, linkerd_backoff, time_line, tries
from meshdsl.simulate.words import MESH, Redirected, Retries, Traffic


def retried(
    attempts: int, *, timeout: int | None = None, per_try: int | None = None, backoff: int | None = None
) -> Traffic:
    return Traffic(timeout=timeout, retry=Retries(attempts, frozenset({"5xx"}), frozenset(), per_try, backoff))


def test_a_request_is_sent_once_and_once_for_each_retry() -> None:
    assert tries(Traffic()) == 1
    assert tries(retried(3)) == 4
    assert tries(Traffic(retry=MESH)) is None


@pytest.mark.parametrize(("retry", "longest"), [(1, 25), (2, 75), (3, 175), (4, 250), (9, 250)])
def test_envoy_waits_at_random_up_to_what_it_documents(retry: int, longest: int) -> None:
    assert envoy_backoff(retry, 25) == (0, longest)
    assert envoy_backoff(retry, 100) == (0, 4 * longest)


@pytest.mark.parametrize(("retry", "measured"), list(enumerate([40, 79, 145, 221, 250, 250], start=1)))
def test_linkerd_waits_as_was_measured(retry: int, measured: int) -> None:
    shortest, longest = linkerd_backoff(retry, 25)
    assert shortest <= measured <= longest
    assert linkerd_backoff(retry, 100) == (shortest, longest)


def test_without_a_mesh_the_pause_is_that_of_any() -> None:
    assert any_backoff(1, 25) == (0, 50)
    assert any_backoff(1, 100) == (0, 100)


def test_the_line_of_tries_is_bound_by_each_try_and_the_longest_pauses() -> None:
    assert time_line(retried(2, per_try=1000), envoy_backoff) == (
        Try(1, 0, 0, 1000),
        Try(2, 0, 1025, 2025, (0, 25)),
        Try(3, 0, 2100, 3100, (0, 75)),
    )


def test_no_try_is_begun_after_the_deadline_or_outlives_it() -> None:
    line = time_line(retried(3, per_try=2000, timeout=5000), envoy_backoff)
    assert [(one.latest, one.ends) for one in line] == [(0, 2000), (2025, 4025), (4100, 5000), (5000, 5000)]


def test_a_try_for_which_there_is_certainly_no_time_is_not_there() -> None:
    line = time_line(retried(9, timeout=100), linkerd_backoff)
    assert [one.earliest for one in line] == [0, 25, 75]


def test_without_a_bound_of_each_try_the_next_may_begin_until_the_deadline() -> None:
    assert [one.latest for one in time_line(retried(1, timeout=5000))] == [0, 5000]
    assert [(one.latest, one.ends) for one in time_line(retried(1))] == [(0, None), (None, None)]


def test_what_is_left_to_the_mesh_has_one_try_and_a_redirect_none() -> None:
    assert time_line(Traffic(retry=MESH, timeout=10)) == (Try(1, 0, 0, 10),)
    assert time_line(Traffic(redirect=Redirected(301, "http", None, 80, "/"))) == ()
