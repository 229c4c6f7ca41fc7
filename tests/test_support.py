"""The support tables, checked both ways: what is granted changes the output, what is not is refused by its code.

Three profiles of each mesh are asked: one that grants and accepts all it can, the one that nobody configured, and the
oldest version. What should happen is read off the table alone; what does happen comes from a build.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

import meshdsl
from meshdsl import compiler
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import CompileError
from meshdsl.model.base import Policy
from meshdsl.model.policy_set import PolicySet
from meshdsl.plan.features import Feature
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.base import Level, Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.linkerd import Linkerd
from tests import oracle
from tests.features import INVENTORY, PAIRS

ALL = tuple(feature.code for feature in Feature)
PROFILES: dict[str, Target] = {
    "istio-generous": Istio(accept=ALL, default_retries="off"),
    "istio-bare": Istio(),
    "istio-oldest": Istio(version=Istio.versions[0]),
    "ambient-generous": Ambient(accept=ALL, default_retries="off", gateway_api_channel="experimental"),
    "ambient-bare": Ambient(),
    "ambient-oldest": Ambient(version=Ambient.versions[0], gateway_api="1.2"),
    "linkerd-generous": Linkerd(accept=ALL, gateway_api_channel="experimental"),
    "linkerd-bare": Linkerd(),
    "linkerd-oldest": Linkerd(version=Linkerd.versions[0], gateway_api="1.2"),
}
TARGETS = (Istio, Ambient, Linkerd)

IMPLIED = {
    # A callee's proxy answers a reset of its application with 502, which 5xx covers (linkerd-measured.txt).
    (Linkerd, Feature.RETRY_RESET),
    # An HTTPRoute has no word for reset; connect-failure and refused-stream come along with every retry.
    (Ambient, Feature.RETRY_RESET),
    # A revision is written on the waypoint, and nothing in this pair needs one.
    (Ambient, Feature.REVISION),
}
"""What is granted although the output stays as it is, because the rest of the policy already says it."""


def _granted(target: Target, feature: Feature) -> bool:
    """What the table promises for a profile."""
    row = target.support[feature]
    condition = row.granted is None or row.granted(target)
    return {
        Level.EXACT: True,
        Level.CONDITIONAL: condition,
        Level.APPROXIMATE: condition and feature.code in target.accept,
        Level.NOT_YET: False,
        Level.NEVER: False,
    }[row.level]


@cache
def _build(feature: Feature, half: int, profile: str) -> Bundle | frozenset[str]:
    """What half of a pair gives: a bundle, or the codes of what was refused."""
    policies = PolicySet((*INVENTORY, *PAIRS[feature][half]), name="pairs")
    try:
        return compiler.build(policies, PROFILES[profile])
    except CompileError as error:
        return frozenset(d.code for d in error.diagnostics)


def _refused(feature: Feature, half: int, profile: str) -> frozenset[str]:
    built = _build(feature, half, profile)
    return frozenset() if isinstance(built, Bundle) else built


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_every_feature_has_a_row(target: type[Target]) -> None:
    assert set(target.support) == set(Feature)


def test_every_feature_has_a_pair() -> None:
    assert set(PAIRS) == set(Feature)


def test_every_kind_of_policy_is_in_a_pair() -> None:
    public = {getattr(meshdsl, name) for name in meshdsl.__all__}
    kinds = {one for one in public if isinstance(one, type) and issubclass(one, Policy) and one is not Policy}
    assert {type(policy) for pair in PAIRS.values() for policy in pair[1]} >= kinds


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_a_row_says_what_its_level_owes(target: type[Target]) -> None:
    for feature, row in target.support.items():
        if row.level is not Level.EXACT:
            assert row.note, f"{feature.code} is {row.level} and does not say why"
        if row.level in (Level.CONDITIONAL, Level.NOT_YET, Level.NEVER):
            assert row.help, f"{feature.code} is {row.level} and offers no way out"
        assert (row.granted is not None) >= (row.level is Level.CONDITIONAL), f"{feature.code} has no condition"


@pytest.mark.parametrize("profile", [name for name in PROFILES if name.endswith("bare")])
@pytest.mark.parametrize("feature", Feature, ids=lambda f: f.code)
def test_a_refusal_offers_the_meshes_that_have_a_way_and_points_at_an_argument(profile: str, feature: Feature) -> None:
    try:
        compiler.build(PolicySet((*INVENTORY, *PAIRS[feature][1]), name="pairs"), PROFILES[profile])
    except CompileError as error:
        refusals = [found for found in error.diagnostics if found.code == feature.code]
    else:
        return
    for found in refusals:
        assert found.help.count("only=") == 1
        able = {t.name for t in TARGETS if t.support[feature].level not in (Level.NEVER, Level.NOT_YET)}
        offered = re.search(r"only=\((.*?)\)", found.help)
        assert offered is not None
        assert {name.strip('" ') for name in offered[1].split(",")} - {""} == able - {PROFILES[profile].name}
        assert found.origin is not None
        kind: type[Policy] = getattr(meshdsl, found.origin.object)
        assert found.field in ("", *kind.model_fields)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_a_condition_can_hold_and_can_fail(target: type[Target]) -> None:
    own = [profile for profile in PROFILES.values() if type(profile) is target]
    for feature, row in target.support.items():
        if row.level is Level.CONDITIONAL:
            assert {_granted(profile, feature) for profile in own} == {True, False}, feature.code


@pytest.mark.parametrize("feature", Feature, ids=lambda f: f.name)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_feature_is_refused_by_its_code_exactly_where_the_table_says_so(profile: str, feature: Feature) -> None:
    assert feature.code not in _refused(feature, 0, profile), "the first of the pair asks for the feature as well"
    assert (feature.code in _refused(feature, 1, profile)) is not _granted(PROFILES[profile], feature)


@pytest.mark.parametrize("feature", Feature, ids=lambda f: f.name)
@pytest.mark.parametrize("profile", [name for name in PROFILES if name.endswith("generous")])
def test_a_feature_that_is_granted_changes_the_output(profile: str, feature: Feature) -> None:
    target = PROFILES[profile]
    if not _granted(target, feature):
        return  # refused, as the test above has it
    before, after = (_build(feature, half, profile) for half in (0, 1))
    assert isinstance(before, Bundle), before
    assert isinstance(after, Bundle), after
    assert (before.files() == after.files()) is ((type(target), feature) in IMPLIED)


@pytest.mark.skipif(not oracle.available(), reason=f"the CRDs are not at {oracle.FOLDER}")
@pytest.mark.parametrize("feature", Feature, ids=lambda f: f.name)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_pair_emits_is_what_an_api_server_takes(profile: str, feature: Feature) -> None:
    for half in (0, 1):
        built = _build(feature, half, profile)
        if isinstance(built, Bundle):
            oracle.assert_valid(built.manifests, built.target)
