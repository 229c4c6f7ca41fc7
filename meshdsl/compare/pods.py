"""How many pods an object is about, where the snapshot has pods: a selector that matches none protects nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from meshdsl.compare.live import Kind, Scope, Snapshot
from meshdsl.compare.normalise import key_of, labels_of, mapping_of, metadata_of, text_of
from meshdsl.values import Json

POD: Final = Kind("", "v1", "Pod", "pods")


def of_pods(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """What to ask for to know the pods that the objects of some scopes select: those of the same namespaces."""
    return tuple(Scope(POD, namespace) for namespace in sorted({one.namespace for one in scopes} - {""}))


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
        count = self._count(body)
        return () if count is None else (f"its selector matches {count or 'no'} pod{'' if count == 1 else 's'}",)

    def selects_none(self, body: Mapping[str, Json]) -> bool:
        """Whether an object selects pods and there are none: it is worth a word even if nothing differs."""
        return self._count(body) == 0

    def _count(self, body: Mapping[str, Json]) -> int | None:
        if not self._read:
            return None
        namespace = text_of(metadata_of(body).get("namespace"))
        wanted = _selector(mapping_of(body.get("spec")))
        if not wanted or self._read.isdisjoint({namespace, ""}):
            return None
        return sum(wanted.items() <= labels.items() for labels in self._labels.get(namespace, ()))


def _selector(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The labels that an object selects pods by, alone: expressions are not ours."""
    for name in ("selector", "podSelector", "workloadSelector"):
        selector = mapping_of(spec.get(name))
        inner = selector.get("matchLabels", selector)
        if inner and all(isinstance(value, str) for value in mapping_of(inner).values()):
            return mapping_of(inner)
    return {}
