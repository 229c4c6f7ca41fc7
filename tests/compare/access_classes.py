"""One request of one caller, looked up in the classes of a comparison by what each condition says of it.

That every request has a class which all conditions treat alike is what makes the comparison exact, so a request without
one is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from meshdsl.compare.access.callers import PLAIN
from meshdsl.compare.access.decide import Decision
from meshdsl.compare.access.difference import Comparison
from meshdsl.compare.access.model import PRESENT, Where, holds


def identity_bit(compared: Comparison, identity: str, patterns: Iterable[str]) -> int:
    """The bit of a caller; empty for one without an identity."""
    if not identity:
        return PLAIN
    wanted = [holds(pattern, identity) for pattern in patterns]
    for index, known in enumerate(compared.callers.identities):
        if [holds(pattern, known) for pattern in patterns] == wanted:
            return 2 << index
    raise AssertionError(f"no class of callers for {identity}: {compared.callers.identities}")


def path_bit(compared: Comparison, path: str) -> int:
    """The bit of a path."""
    paths = compared.space.paths
    tests = paths.tests
    wanted = [_path_holds(*test, path) for test in tests]
    for index in range(len(paths.atoms)):
        if [bool(paths.mask([test]) >> index & 1) for test in tests] == wanted:
            return 1 << index
    raise AssertionError(f"no class of paths for {path}: {paths.atoms}")


def _path_holds(kind: str, value: str, path: str) -> bool:
    if kind == "regex":
        return re.fullmatch(value, path) is not None
    return path == value if kind == "exact" else path.startswith(value)


def where_holds(test: Where, headers: Mapping[str, str]) -> bool:
    """Whether a condition on a header holds."""
    actual = headers.get(test.name)
    found = actual is not None and any(
        one == PRESENT or (re.fullmatch(one[1], actual) is not None if one[0] == "regex" else actual == one[1])
        for one in test.values
    )
    return found is not test.negated


def state_of(compared: Comparison, headers: Mapping[str, str]) -> int:
    """The index of a combination of headers."""
    tests = list(compared.space.tests)
    wanted = [where_holds(test, headers) for test in tests]
    for index in range(len(compared.space.headers.states)):
        if [bool(compared.space.headers.mask(test) >> index & 1) for test in tests] == wanted:
            return index
    raise AssertionError(f"no class of headers for {headers}: {compared.space.headers.states}")


def cell(compared: Comparison, method: str, path: str, headers: Mapping[str, str]) -> int:
    """The class of a request, as the set of it alone."""
    space = compared.space
    name = method if method in space.methods else space.methods[-1]
    place = state_of(compared, headers) * space.layer + space.methods.index(name) * space.width
    return path_bit(compared, path) << place


def is_in(decision: Decision, caller: int, request: int) -> bool:
    """Whether a caller may make a request."""
    found = [who for who, cells in decision.items() if cells & request]
    assert len(found) == 1, "every request is in one entry"
    return bool(found[0] & caller)
