"""Faults in the lowering are found: a part of them here, every one by ``make proof``."""

from __future__ import annotations

import pytest

from tests.simulate.mutations import Fault, every, outcome

SLICE = 7
"""One of so many is tried in the ordinary run."""


@pytest.mark.parametrize("fault", every()[::SLICE], ids=str)
def test_a_fault_in_the_lowering_is_found_unless_no_request_can_tell(fault: Fault) -> None:
    result = outcome(fault)
    assert result.found != bool(fault.equivalent), result.by or "no request tells it"


def test_there_are_200_faults_on_every_mesh_and_each_has_a_name_of_its_own() -> None:
    faults = every()
    names = [str(fault) for fault in faults]
    assert len(set(names)) == len(names) >= 200
    assert {fault.mesh.partition("-")[0] for fault in faults} == {"istio", "ambient", "linkerd"}
