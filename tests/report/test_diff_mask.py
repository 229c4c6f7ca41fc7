"""Credentials are in no format, wherever they stand (fault 51)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from meshdsl.compare.report import ABSENT, Action, FieldChange, ObjectChange, PolicyChange
from meshdsl.manifest import ObjectRef
from meshdsl.report.diff_mask import masked
from meshdsl.report.diff_report import diff_report
from meshdsl.report.diff_words import MASK, DiffDocument, DiffFormat
from meshdsl.values import Json
from tests.report.samples import TOKEN, body, empty, rich

ISTIO = "networking.istio.io/v1"


def change(
    path: tuple[str | int, ...], value: Json, *, kind: str = "VirtualService", live: Json = None
) -> ObjectChange:
    """A field that goes away, in an object of which no more is known unless it is given."""
    ref = ObjectRef(ISTIO, kind, "prod", "api")
    return ObjectChange(ref, Action.UPDATE, (FieldChange(path, value, ABSENT),), live=live)


SET_HEADERS = ("spec", "http", 0, "headers", "request", "set")
FILTER = ("spec", "rules", 0, "filters", 0, "requestHeaderModifier", "set")
JWKS = '{"keys":[{"kty":"oct","k":"canary-jwks-key"}]}'
CONDITION = {"key": "request.headers[authorization]", "values": [TOKEN]}

PLACES: dict[str, ObjectChange] = {
    "a header that is set, whole map": change(SET_HEADERS, {"authorization": TOKEN, "x-team": "shop"}),
    "a header that is set, one field": change((*SET_HEADERS, "x-api-key"), TOKEN),
    "a header that is matched": change(("spec", "http", 0, "match", 0, "headers", "cookie"), {"exact": TOKEN}),
    "a filter's item": change((*FILTER, "name=Authorization", "value"), TOKEN),
    "a filter's item by number": change(
        (*FILTER, 0, "value"),
        TOKEN,
        kind="HTTPRoute",
        live={
            "spec": {
                "rules": [{"filters": [{"requestHeaderModifier": {"set": [{"name": "x-auth-token", "value": TOKEN}]}}]}]
            }
        },
    ),
    "a filter as a whole": change(("spec", "filters"), [{"set": [{"name": "proxy-authorization", "value": TOKEN}]}]),
    "inline keys": change(("spec", "jwtRules", 0, "jwks"), JWKS, kind="RequestAuthentication"),
    "a condition": change(("spec", "rules", 0, "when"), [CONDITION], kind="AuthorizationPolicy"),
    "a condition's item": change(
        ("spec", "rules", 0, "when", "key=request.headers[authorization]", "values", 0), TOKEN
    ),
    "the data of a Secret": change(("data", "tls.key"), TOKEN, kind="Secret"),
    "an object that goes": ObjectChange(
        ObjectRef(ISTIO, "VirtualService", "prod", "api"),
        Action.DELETE,
        live=body(
            "VirtualService", "api", spec={"http": [{"headers": {"request": {"add": {"authorization": TOKEN}}}}]}
        ),
    ),
}


@pytest.mark.parametrize("format", get_args(DiffFormat))
@pytest.mark.parametrize("place", PLACES)
def test_a_credential_is_in_no_format(place: str, format: Any) -> None:
    report = replace(empty(), objects=(PLACES[place],))
    text = diff_report(format, DiffDocument((report,), show_foreign=True))
    assert "canary-" not in text
    if format in ("text", "json", "html"):
        assert MASK in text


def test_a_copy_of_a_credential_is_masked_in_sentences_notes_and_annotations() -> None:
    first = PLACES["a header that is set, whole map"]
    copy = body("VirtualService", "old", spec={"note": f'{{"authorization": "{TOKEN}"}}'})
    other = ObjectChange(ObjectRef(ISTIO, "VirtualService", "prod", "old"), Action.DELETE, live=copy, notes=(TOKEN,))
    sentence = PolicyChange("prod/api", "prod/api matches authorization = canary-0123456789abcdef no more")
    report = masked(replace(empty(), objects=(first, other), policy=(sentence,), aside=(other,)))
    assert "canary-" not in repr(report)
    assert report.policy[0].sentence == f"prod/api matches authorization = {MASK} no more"


def test_a_changed_credential_is_still_a_change() -> None:
    field = FieldChange((*SET_HEADERS, "authorization"), TOKEN, "Bearer canary-other-000000")
    given = ObjectChange(ObjectRef(ISTIO, "VirtualService", "prod", "api"), Action.UPDATE, (field,))
    (shown,) = masked(replace(empty(), objects=(given,))).objects[0].fields
    assert (shown.live, shown.ours) == (MASK, MASK)


def test_a_changed_credential_among_others_is_still_shown_as_changed() -> None:
    before: Json = {"authorization": TOKEN, "x-team": "shop"}
    field = FieldChange(SET_HEADERS, before, {"authorization": "Bearer canary-other-000000", "x-team": "shop"})
    given = ObjectChange(ObjectRef(ISTIO, "VirtualService", "prod", "api"), Action.UPDATE, (field,))
    text = diff_report("text", DiffDocument((replace(empty(), objects=(given,)),)))
    assert f'  -   authorization: "{MASK}"\n' in text
    assert f'  +   authorization: "{MASK}"\n' in text


def test_what_is_no_credential_stays() -> None:
    report = rich()
    assert masked(report) == report
    kept = change(SET_HEADERS, {"x-team": "shop", "x-request-class": "batch"})
    assert masked(replace(empty(), objects=(kept,))).objects == (kept,)
