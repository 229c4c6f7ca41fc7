"""Deliberate faults in the lowering, each of which ``agree`` must find.

A fault is made in what comes out (``faults_in_objects``: a field dropped, two rules swapped, a prefix widened) or in
the functions that make it (``faults_in_lowering``), and the policies of one subject are compiled with it. Found means:
some derived request is treated otherwise by the manifests than by the plan, or the reading of the mesh says that it
does not know what they mean. A fault that changes nothing for any request says why in ``equivalent``.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import meshdsl
from meshdsl.simulate.agree import agree
from tests.simulate.subjects import TARGETS, policies

Objects = MutableSequence[Any]
"""The bodies of the manifests, in their order."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        mesh: key of ``subjects.TARGETS``.
        subject: key of ``subjects.SUBJECTS``.
        name: what is wrong.
        objects: changes what was emitted.
        where: ``"module:attribute"`` of the function that is replaced.
        instead: gives the replacement, given the function.
        equivalent: why no request can tell, if none can.
    """

    mesh: str
    subject: str
    name: str
    objects: Callable[[Objects], None] | None = None
    where: str = ""
    instead: Callable[[Any], Any] | None = None
    equivalent: str = ""

    def __str__(self) -> str:
        function = f" in {self.where.rpartition(':')[2]}" if self.where else ""
        return f"{self.mesh}, {self.subject}: {self.name}{function}"


@dataclass(frozen=True)
class Outcome:
    """Whether a fault was found, and by what."""

    fault: Fault
    found: bool
    by: str


def outcome(fault: Fault) -> Outcome:
    """Compile the subject with the fault, and ask."""
    with _patched(fault):
        bundle = meshdsl.build(policies(fault.subject), TARGETS[fault.mesh])
    objects: Objects = [copy.deepcopy(dict(one.body)) for one in bundle.manifests]
    before = copy.deepcopy(objects)
    if fault.objects is not None:
        fault.objects(objects)
    else:
        sound = meshdsl.build(policies(fault.subject), TARGETS[fault.mesh])
        before = [one.body for one in sound.manifests]
    assert objects != before, f"{fault}: nothing was changed"
    result = agree(bundle, objects=objects)
    first = str(result.disagreements[0]) if result.disagreements else ""
    return Outcome(fault, not result.holds, first.replace("\n", ":"))


@contextmanager
def _patched(fault: Fault) -> Iterator[None]:
    if fault.instead is None:
        yield
        return
    module, _, attribute = fault.where.partition(":")
    place: Any = importlib.import_module(module)
    *outer, last = attribute.split(".")
    for one in outer:
        place = getattr(place, one)
    with patch.object(place, last, fault.instead(getattr(place, last))):
        yield


# ---------------------------------------------------------------------------------------------- changes of objects


def find(objects: Objects, what: str) -> Any:
    """The object of a kind and name, ``"VirtualService api"`` or ``"PeerAuthentication prod/default"``."""
    kind, _, name = what.partition(" ")
    namespace, _, short = name.rpartition("/")
    for one in objects:
        meta = one["metadata"]
        if one["kind"] == kind and meta["name"] == short and namespace in ("", meta.get("namespace", "")):
            return one
    raise AssertionError(f"there is no {what}: {[(o['kind'], o['metadata']['name']) for o in objects]}")


def _step(value: Any, key: str) -> Any:
    """The key of a mapping, the index of a list, or the index of its item of that name."""
    if not isinstance(value, list):
        return key
    return int(key) if key.lstrip("-").isdigit() else next(i for i, one in enumerate(value) if one["name"] == key)


def _place(objects: Objects, what: str, path: str) -> tuple[Any, Any]:
    *outer, last = path.split(">")
    value = find(objects, what)
    for key in outer:
        value = value[_step(value, key)]
    return value, _step(value, last)


def drop(what: str, path: str) -> Callable[[Objects], None]:
    """Without a field or an item."""

    def change(objects: Objects) -> None:
        value, key = _place(objects, what, path)
        del value[key]

    return change


def put(what: str, path: str, new: Any) -> Callable[[Objects], None]:
    """Another value; a function is given the old one."""

    def change(objects: Objects) -> None:
        value, key = _place(objects, what, path)
        value[key] = new(value[key]) if callable(new) else new

    return change


def swap(what: str, path: str, one: str, two: str) -> Callable[[Objects], None]:
    """Two items of a list in each other's place."""

    def change(objects: Objects) -> None:
        value, key = _place(objects, what, path)
        items = value[key]
        a, b = _step(items, one), _step(items, two)
        items[a], items[b] = items[b], items[a]

    return change


def gone(what: str) -> Callable[[Objects], None]:
    """Without an object."""

    def change(objects: Objects) -> None:
        objects.remove(find(objects, what))

    return change


def moved(what: str, namespace: str) -> Callable[[Objects], None]:
    """An object in another namespace."""
    return put(what, "metadata>namespace", namespace)


def fault(subject: str, name: str, objects: Callable[[Objects], None], equivalent: str = "") -> Callable[[str], Fault]:
    """A fault in what comes out, still without its mesh."""
    return lambda mesh: Fault(mesh, subject, name, objects, equivalent=equivalent)


def lowering(
    subject: str, name: str, where: str, instead: Callable[[Any], Any], equivalent: str = ""
) -> Callable[[str], Fault]:
    """A fault in a function of ``meshdsl.targets``, still without its mesh."""
    return lambda mesh: Fault(mesh, subject, name, None, f"meshdsl.targets.{where}", instead, equivalent)


def every() -> list[Fault]:
    """All faults."""
    from tests.simulate import faults_in_lowering, faults_in_objects

    return [*faults_in_objects.FAULTS, *faults_in_lowering.FAULTS]
