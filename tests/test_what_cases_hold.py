"""The cases leave nothing out: each argument, each refusal and each profile field is in one, and the table names all."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

import meshdsl
from meshdsl import codes
from meshdsl.diagnostics import MeshdslError
from meshdsl.model.base import Declared, Policy
from meshdsl.model.inventory import Port, Probe, Workload
from meshdsl.plan.features import Feature
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.base import Level, Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.linkerd import Linkerd
from tests import case_table, golden

MESHES: dict[str, type[Target]] = {"istio": Istio, "ambient": Ambient, "linkerd": Linkerd}
PUBLIC = [getattr(meshdsl, name) for name in meshdsl.__all__]
DECLARED = [one for one in PUBLIC if isinstance(one, type) and issubclass(one, Declared) and one is not Policy]

NO_OUTPUT: dict[tuple[type[Target], str], str] = {
    (Istio, "default_retries"): "sidecars are told of each route how it is retried",
    (Istio, "gateway_api"): "no object of the Gateway API is written",
    (Istio, "gateway_api_channel"): "no object of the Gateway API is written",
    (Linkerd, "gateway_api_channel"): "no field of the experimental channel is written",
}
"""Profile fields that change nothing on a mesh."""


def _shown() -> set[str]:
    files = [path for name in ("errors", "warnings") for path in golden.FOLDER.glob(f"*/*.{name}")]
    return {code for path in files for code in re.findall(r" (MESH\d+): ", path.read_text(encoding="utf-8"))}


def test_each_refusal_of_the_plan_the_checks_and_the_meshes_is_in_a_case() -> None:
    everywhere = {f.code for f in Feature if all(m.support[f].level is Level.EXACT for m in MESHES.values())}
    ours = {code for code in codes.PAGES if code[4] in "346"} | {feature.code for feature in Feature}
    assert sorted(ours - everywhere - _shown()) == []


def test_each_argument_of_each_kind_is_in_a_case() -> None:
    given: dict[str, set[str]] = {kind.__name__: set() for kind in DECLARED}
    for case in golden.cases():
        policies = golden.loaded(case)
        for one in () if isinstance(policies, MeshdslError) else policies.objects:
            _note(one, given)
    shared = set(Policy.model_fields)  # only and accept, which are the same for all kinds
    missing = {kind.__name__: sorted(set(kind.model_fields) - shared - given[kind.__name__]) for kind in DECLARED}
    assert {kind: names for kind, names in missing.items() if names} == {}


def _note(one: object, given: dict[str, set[str]]) -> None:
    """Note the arguments that were given to an object and to those inside it."""
    if isinstance(one, (tuple, list)):
        for part in one:
            _note(part, given)
    elif isinstance(one, Declared):
        given.setdefault(type(one).__name__, set()).update(one.model_fields_set)
        for name in one.model_fields_set:
            _note(getattr(one, name), given)


@pytest.mark.parametrize("name", MESHES)
def test_each_field_of_a_profile_is_in_a_case(name: str) -> None:
    set_ = {key for case in golden.cases() for key in case.settings.get(name, {})}
    set_ |= {key for case in golden.cases() for key in case.settings.get(f"{name}-smi", {})}
    of_the_mesh = MESHES[name]
    known = {field.name for field in fields(of_the_mesh) if (of_the_mesh, field.name) not in NO_OUTPUT}
    # linkerd-smi is Linkerd with the one field that its name says
    assert sorted(known - set_ - {"split_api"}) == []


def test_the_table_names_each_case_and_its_policies() -> None:
    text = case_table.README.read_text(encoding="utf-8")
    assert text == case_table.current(text), "rewrite with: python -m tests.rewrite"


def test_the_inventory_is_declared() -> None:
    assert {Port, Probe, Workload} <= set(DECLARED)
