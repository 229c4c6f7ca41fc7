"""Schemas of the built-in kinds that meshdsl emits. They have no CRD, so these few are written by hand.

Strict on purpose: only the fields that meshdsl has a reason to write are there (``core/v1`` and ``apps/v1`` of the
Kubernetes API reference), with the defaults that the server adds to them (``pkg/apis/core/v1/defaults.go``).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.oracle.crds import Kind

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _root(spec: dict[str, Any] | None, *, spec_is_required: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}}
    if spec is not None:
        properties["spec"] = spec
    return _object(properties, *(["spec"] if spec is not None and spec_is_required else []))


_SERVICE_PORT = _object(
    {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "port": _PORT,
        "protocol": {"type": "string", "enum": ["TCP", "UDP", "SCTP"], "default": "TCP"},
        "targetPort": {"x-kubernetes-int-or-string": True},
        "appProtocol": {"type": "string", "minLength": 1},
    },
    "port",
    "targetPort",  # defaults to the port, which a schema cannot say: so it must be written
)
_SERVICE = _object(
    {
        "type": {"type": "string", "enum": ["ClusterIP"], "default": "ClusterIP"},
        "selector": {**_TEXTS, "minProperties": 1},
        "sessionAffinity": {"type": "string", "enum": ["None"], "default": "None"},
        "internalTrafficPolicy": {"type": "string", "enum": ["Cluster"], "default": "Cluster"},
        "ports": {
            "type": "array",
            "minItems": 1,
            "items": _SERVICE_PORT,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "x-kubernetes-validations": [
                {"rule": "self.size() == 1 || self.all(p, has(p.name))", "message": "several ports need names"},
                {
                    "rule": "self.all(p, !has(p.name) || self.exists_one(q, has(q.name) && q.name == p.name))",
                    "message": "a port name is used twice",
                },
            ],
        },
    },
    "selector",
    "ports",
)
_TEMPLATE_METADATA = _object({"labels": _TEXTS, "annotations": _TEXTS})
_WORKLOAD = _object({"template": _object({"metadata": _TEMPLATE_METADATA}, "metadata")}, "template")


@cache
def kind(api_version: str, name: str, *, partial: bool) -> Kind | None:
    """A built-in kind; None if meshdsl has no business with it, or none with it whole."""
    if (api_version, name) == ("v1", "Namespace"):
        schema = _root(None, spec_is_required=False)
        return Kind(
            api_version, name, namespaced=False, schema=schema, name_pattern=_LABEL.replace("[a-z]", "[a-z0-9]")
        )
    if (api_version, name) == ("v1", "Service"):
        return Kind(api_version, name, True, _root(_SERVICE, spec_is_required=not partial), _LABEL)
    if partial and (api_version, name) in {
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
    }:
        return Kind(api_version, name, True, _root(_WORKLOAD, spec_is_required=True))
    return None
