"""The schemas of the meshes' CRDs, by API version and kind.

They are read from ``../shared/crds`` beside the repository, or from the folder that ``MESHDSL_CRDS`` names. A folder is
parsed when one of its kinds is first asked for: 0.1 s for Istio's, less for the others, so nothing is cached on disk.
Only the served versions are kept.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(os.environ.get("MESHDSL_CRDS") or Path(__file__).resolve().parents[3] / "shared" / "crds")

ISTIO, LINKERD, SMI = "istio-1.30", "linkerd-2.20", "smi"
GATEWAY_API = {"standard": "gateway-api-1.5-standard", "experimental": "gateway-api-1.5-experimental"}
FOLDERS = (ISTIO, LINKERD, SMI, *GATEWAY_API.values())

# What a group's name ends with, and the folder of its CRDs.
_GROUPS = ((".istio.io", ISTIO), ("linkerd.io", LINKERD), ("split.smi-spec.io", SMI))


@dataclass(frozen=True)
class Kind:
    """A served version of a kind.

    Attributes:
        api_version: ``group/version``.
        kind: its name.
        namespaced: its objects live in a namespace.
        schema: the structural schema, ``metadata`` not included.
        name_pattern: of the object's name, where it is stricter than a DNS name.
    """

    api_version: str
    kind: str
    namespaced: bool
    schema: dict[str, Any]
    name_pattern: str = ""


def available() -> bool:
    """Whether the CRDs are there."""
    return all((FOLDER / name).is_dir() for name in FOLDERS)


@cache
def folder(name: str) -> dict[tuple[str, str], Kind]:
    """The kinds that the CRDs of one folder define."""
    found: dict[tuple[str, str], Kind] = {}
    for path in sorted((FOLDER / name).glob("*.yaml")):
        with path.open(encoding="utf-8") as stream:
            for document in yaml.load_all(stream, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if document and document.get("kind") == "CustomResourceDefinition":
                    found |= {(k.api_version, k.kind): _tightened(k) for k in _served(document["spec"])}
    return found


def _tightened(kind: Kind) -> Kind:
    """The schema with what Gateway API 1.6 added to it, so that what passes holds for every supported version.

    1.6 takes a retry of at least one attempt, and a status only once (its changelog; ``HTTPRouteRetry``).
    """
    spec = kind.schema["properties"].get("spec", {}).get("properties", {})
    retry = spec.get("rules", {}).get("items", {}).get("properties", {}).get("retry")
    if retry and kind.api_version.startswith("gateway.networking."):
        retry["properties"]["attempts"]["minimum"] = 1
        retry["properties"]["codes"]["x-kubernetes-list-type"] = "set"
    return kind


def _served(spec: dict[str, Any]) -> list[Kind]:
    return [
        Kind(
            f"{spec['group']}/{version['name']}",
            spec["names"]["kind"],
            spec["scope"] == "Namespaced",
            version["schema"]["openAPIV3Schema"],
        )
        for version in spec["versions"]
        if version["served"]
    ]


def kind(api_version: str, name: str, channel: str) -> Kind | None:
    """A kind by name; None if no CRD serves it."""
    group = api_version.partition("/")[0]
    if group.startswith("gateway.networking."):
        where = GATEWAY_API[channel]
    else:
        where = next((f for suffix, f in _GROUPS if group.endswith(suffix)), "")
    return folder(where).get((api_version, name)) if where else None
