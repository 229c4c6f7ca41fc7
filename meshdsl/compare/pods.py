"""How many pods an object is about, where the snapshot has pods: a selector that matches none protects nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshdsl.compare.live import Kind, Snapshot
from meshdsl.compare.normalise import key_of, labels_of, mapping_of, metadata_of, text_of
from meshdsl.values import Json

POD: Final = Kind("", "v1", "Pod", "pods")


class Pods:
    """The pods of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._read = {
            scope.namespace for scope in snapshot.scopes if (scope.kind.group, scope.kind.kind) == ("", POD.kind)
        }
        self._labels: dict[str, list[Mapping[str, Any]]] = {}
        if self._read:
            for one in snapshot.objects:
                group, kind, namespace, _ = key_of(one)
                if (group, kind) == ("", POD.kind):
                    self._labels.setdefault(namespace, []).append(labels_of(one))

    def notes(self, body: Mapping[str, Json]) -> tuple[str, ...]:
        """How many pods the selector of an object matches; nothing where there is none, or pods were not read."""
        namespace = text_of(metadata_of(body).get("namespace"))
        wanted = _selector(mapping_of(body.get("spec")))
        if not wanted or self._read.isdisjoint({namespace, ""}):
            return ()
        count = sum(wanted.items() <= labels.items() for labels in self._labels.get(namespace, ()))
        return (f"its selector matches {count or 'no'} pod{'' if count == 1 else 's'}",)


def _selector(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The labels that an object selects pods by, alone: expressions are not ours."""
    for name in ("selector", "podSelector", "workloadSelector"):
        selector = mapping_of(spec.get(name))
        inner = selector.get("matchLabels", selector)
        if inner and all(isinstance(value, str) for value in mapping_of(inner).values()):
            return mapping_of(inner)
    return {}
