"""Schemas to compare under: those that the cluster has, else what is known of the kinds.

A schema of the cluster is closed: a field that it does not have would be dropped by the server, in silence. What is
known of a kind is open: it says what to do with some fields, and nothing about others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshdsl.compare.known import SAME_VERSIONS, SCHEMAS, Schema, is_istio
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import list_of, mapping_of, text_of


@dataclass(frozen=True, slots=True)
class Found:
    """The schema of a kind.

    Attributes:
        schema: structural; empty if nothing is known.
        closed: it is the cluster's, so fields that it does not have would be dropped.
    """

    schema: Schema
    closed: bool = False


class Schemas:
    """The schemas of one snapshot."""

    def __init__(self, crds: Iterable[LiveObject] | None) -> None:
        self._crds: dict[tuple[str, str], dict[str, Schema]] = {}
        for crd in crds or ():
            spec = mapping_of(crd.get("spec"))
            name = (text_of(spec.get("group")), text_of(mapping_of(spec.get("names")).get("kind")))
            self._crds[name] = {
                text_of(version.get("name")): mapping_of(mapping_of(version.get("schema")).get("openAPIV3Schema"))
                for version in list_of(spec.get("versions"))
                if isinstance(version, Mapping) and version.get("served", True)
            }

    def of(self, group: str, kind: str, version: str) -> Found:
        """The schema of a kind in a version."""
        versions = self._crds.get((group, kind))
        if versions is None or not versions.get(version):
            return Found(SCHEMAS.get((group, kind), {}))
        return Found(versions[version], closed=True)

    def mean_the_same(self, group: str, kind: str, one: str, other: str) -> bool:
        """Whether the same fields mean the same in two versions of a kind."""
        if one == other or is_istio(group) or {one, other} <= SAME_VERSIONS.get((group, kind), frozenset()):
            return True
        versions = self._crds.get((group, kind), {})
        first, second = (
            mapping_of(versions.get(version)).get("properties", {}).get("spec") for version in (one, other)
        )
        return first is not None and first == second


def default_of(schema: Schema) -> Any:
    """The default of a field; None if it has none."""
    return schema.get("default")


def field_of(schema: Schema, name: str) -> Schema | None:
    """The schema of a field; None if the schema does not have it. Empty if the schema says nothing about it."""
    properties = schema.get("properties")
    if properties is not None and name in properties:
        return mapping_of(properties[name])
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        return others
    says_nothing = properties is None or others is True or schema.get("x-kubernetes-preserve-unknown-fields")
    return {} if says_nothing else None


def filled(schema: Schema, value: Any) -> Any:
    """A value with the defaults of its schema, as the server would store it."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict | Mapping):
        properties = mapping_of(schema.get("properties"))
        whole = {name: item for name, item in value.items() if item is not None}
        for name, part in properties.items():
            if name not in whole and default_of(part) is not None:
                whole[name] = part["default"]
        return {name: filled(field_of(schema, name) or {}, item) for name, item in whole.items()}
    if isinstance(value, list | tuple):
        items = mapping_of(schema.get("items"))
        return [filled(items, item) for item in value]
    return value
