"""Objects that nobody of us wrote: whatever stands in them, a reading answers, and says what it does not know.

The emitted objects of the cases are damaged, one place after the other: a field gets another name, a value becomes one
of another type, or goes away.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

import meshdsl
from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.readings import reading_of
from meshdsl.simulate.words import OUTSIDE, Caller, Request, Verdict
from meshdsl.targets.base import Target

ACCEPT = ("MESH402", "MESH404", "MESH512", "MESH513", "MESH514", "MESH515", "MESH517", "MESH520", "MESH521", "MESH538",
          "MESH550", "MESH552", "MESH557")  # fmt: skip
TARGETS: tuple[Target, ...] = (
    meshdsl.Istio(accept=ACCEPT),
    meshdsl.Ambient(gateway_api_channel="experimental", default_retries="off", accept=ACCEPT),
)
OTHER_VALUES: tuple[Any, ...] = (None, "", "*", 0, -1, "nonsense", [], {}, [None], ["x"], [{}], {"x": "y"}, True)


def policies() -> meshdsl.PolicySet:
    """One of each kind that a waypoint can hold."""
    prod = meshdsl.Namespace("prod")
    web, shadow = meshdsl.Service("web", prod, port=80), meshdsl.Service("shadow", prod, port=80)
    api = meshdsl.Service("api", prod, port=80, versions=("v1", "v2"), replicas=6)
    moved, items = api.route("moved", path="/moved"), api.route("items", methods=("GET",), path="/items/*")
    return meshdsl.PolicySet(
        (
            prod, web, api, shadow,
            meshdsl.MutualTls(prod, mode="strict"),
            meshdsl.Canary(api, stable="v1", canary="v2", percent=10, when=meshdsl.Header("x-canary", "true")),
            meshdsl.Timeout(api, "5s"),
            meshdsl.Retry(items, attempts=3, per_try_timeout="1s", retry_on=("5xx",)),
            meshdsl.Mirror(items, to=shadow, percent=5),
            meshdsl.Headers(items, request_set={"x-team": "pay"}),
            meshdsl.Redirect(moved, status=301, path="/items"),
            meshdsl.Breaker(api, max_connections=10, consecutive_5xx=5, max_ejection_percent=50),
            meshdsl.Allow(api, callers=(web,), methods=("GET", "POST")),
            meshdsl.Deny(api, callers=(shadow,)),
        )
    )  # fmt: skip


REQUESTS = [
    Request(caller, "prod/api", 80, method, path, headers, by_name=by_name)
    for caller in (Caller("prod", "web"), Caller("prod", "shadow"), OUTSIDE)
    for method, path in (("GET", "/"), ("POST", "/items/1"), ("GET", "/moved"), ("", ""))
    for headers in ({}, {"x-canary": "true"})
    for by_name in (True, False)
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in list(pairs):
        yield value, key
        yield from places(below)


def damaged(objects: list[Any], choice: random.Random) -> list[Any]:
    """The objects with one place changed."""
    found = copy.deepcopy(objects)
    spots = [one for body in found for part in ("spec", "metadata") for one in places(body.get(part))]
    holder, key = choice.choice(spots)
    if isinstance(holder, dict) and choice.random() < 0.3:
        holder[f"{key}x"] = holder.pop(key)
    elif choice.random() < 0.3:
        del holder[key]
    else:
        holder[key] = choice.choice(OTHER_VALUES)
    return found


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_a_reading_answers_whatever_stands_in_the_objects(target: Target) -> None:
    bundle = meshdsl.build(policies(), target)
    objects, inventory = [one.body for one in bundle.manifests], Inventory.of_plan(bundle.plan)
    choice = random.Random(5)
    unknown = 0
    for _ in range(400):
        reading = reading_of(target, damaged(objects, choice), inventory)
        for request in REQUESTS:
            answer = reading.answer(request)
            assert (answer.verdict is Verdict.UNKNOWN) is bool(answer.unknown)
            assert reading.answer(request, explain=True) == answer
            unknown += bool(answer.unknown)
    assert unknown > 400
