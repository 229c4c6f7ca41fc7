"""A structural schema of Kubernetes, asked of an object: validation, list topology, defaults.

The schema is turned into JSON Schema once for each kind: unknown fields are errors (as with
``fieldValidation=Strict``), ``nullable`` and ``x-kubernetes-int-or-string`` become types, number formats become bounds,
and the formats that Kubernetes means otherwise than JSON Schema does (``duration`` is Go's) are supplied. Object
metadata is not in a CRD's schema; the server checks it by itself, and so does this module.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from tests.oracle.crds import Kind

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS = rf"^{_LABEL}(\.{_LABEL})*$"
_KEY = r"^(([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_STRINGS = {"type": "object", "propertyNames": {"pattern": _KEY}}
_METADATA_FIELDS = {
    "name": {"type": "string", "pattern": _DNS, "maxLength": 253},
    "labels": {
        **_STRINGS,
        "additionalProperties": {"type": "string", "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"},
    },
    "annotations": {**_STRINGS, "additionalProperties": {"type": "string"}},
}
_NAMESPACE = {"type": "string", "pattern": rf"^{_LABEL}$", "maxLength": 63}

# Bounds of the number formats (``k8s.io/kube-openapi/pkg/validation/validate/values.go``).
_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_KEPT = frozenset(
    [
        "required",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    ]
)
_GO_DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)", re.ASCII)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


_FORMATS = {"duration": lambda text: _GO_DURATION.fullmatch(text) is not None, "byte": _is_base64}


def json_schema(schema: Mapping[str, Any], *, closed: bool = True) -> dict[str, Any]:
    """A structural schema as JSON Schema.

    Args:
        schema: the part to turn.
        closed: unknown fields are errors. Not below ``allOf``, ``anyOf``, ``oneOf`` and ``not``: structural schemas
            say there which of the fields go together, not which there are.
    """
    out: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        kind = ["integer", "string"]
    if kind:
        kinds = [kind] if isinstance(kind, str) else kind
        out["type"] = [*kinds, "null"] if schema.get("nullable") else kinds
        if schema.get("nullable") and "enum" in out:
            out["enum"] = [*out["enum"], None]
    form = schema.get("format")
    if form in _BOUNDS and kind == "integer":
        low, high = _BOUNDS[form]
        out["minimum"], out["maximum"] = max(low, out.get("minimum", low)), min(high, out.get("maximum", high))
    elif form:
        out["format"] = form
    if "properties" in schema:
        out["properties"] = {k: json_schema(v, closed=closed) for k, v in schema["properties"].items()}
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        out["additionalProperties"] = json_schema(others, closed=closed)
    elif closed and others is None and kind == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        out["additionalProperties"] = False
        out.setdefault("properties", {})
    if "items" in schema:
        out["items"] = json_schema(schema["items"], closed=closed)
    for word in ("allOf", "anyOf", "oneOf"):
        if word in schema:
            out[word] = [json_schema(part, closed=False) for part in schema[word]]
    if "not" in schema:
        out["not"] = json_schema(schema["not"], closed=False)
    return out


_validators: dict[tuple[str, str, int], jsonschema_rs.Validator] = {}


def _validator(kind: Kind) -> jsonschema_rs.Validator:
    """The compiled schema of a kind, made once for each schema that goes by that name."""
    key = (kind.api_version, kind.kind, id(kind.schema))
    if key not in _validators:
        _validators[key] = jsonschema_rs.Draft202012Validator(
            _root(kind),
            formats=_FORMATS,
            validate_formats=True,
            pattern_options=jsonschema_rs.RegexOptions(),  # linear, as Go's: no look-around, no back-reference
        )
    return _validators[key]


def _root(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of a whole object: what the CRD says, and what the server says of metadata."""
    root = json_schema(kind.schema)
    properties: dict[str, Any] = {**_METADATA_FIELDS}
    if kind.namespaced:
        properties["namespace"] = _NAMESPACE
    if kind.name_pattern:
        properties["name"] = {"type": "string", "pattern": kind.name_pattern, "maxLength": 63}
    root["properties"] = {
        **root["properties"],
        "apiVersion": {"const": kind.api_version},
        "kind": {"const": kind.kind},
        "metadata": {
            "type": "object",
            "required": ["name", "namespace"] if kind.namespaced else ["name"],
            "additionalProperties": False,
            "properties": properties,
        },
    }
    root["properties"].pop("status", None)  # a subresource: nobody's to apply
    root["required"] = sorted({*root.get("required", ()), "apiVersion", "kind", "metadata"} - {"status"})
    return root


def check(kind: Kind, body: Mapping[str, Any]) -> list[str]:
    """What the schema refuses in an object, each with the path of the field."""
    validator = _validator(kind)
    problems = [f"{_path(error.instance_path)}: {error.message}" for error in validator.iter_errors(dict(body))]
    return problems + list(_duplicates(kind.schema, body, ""))


def _path(parts: list[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "object"


def _duplicates(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    """Items that a set or a map of the schema has twice."""
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from _duplicates(part, value[name], f"{path}.{name}" if path else name)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            for name, item in value.items():
                yield from _duplicates(others, item, f"{path}.{name}")
    elif isinstance(value, list):
        topology = schema.get("x-kubernetes-list-type")
        if topology in ("set", "map"):
            keys = schema.get("x-kubernetes-list-map-keys", ())
            seen: set[str] = set()
            for i, item in enumerate(value):
                key = json.dumps([item.get(k) for k in keys] if topology == "map" else item, sort_keys=True)
                if key in seen:
                    yield f"{path}[{i}]: duplicate {'key' if topology == 'map' else 'item'} {key}"
                seen.add(key)
        for i, item in enumerate(value):
            yield from _duplicates(schema.get("items", {}), item, f"{path}[{i}]")


def defaulted(schema: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """An object with the defaults of its schema filled in, as the server does before it validates.

    The status is left out: it is a subresource, whose defaults are not ours to write.
    """
    full: dict[str, Any] = _defaulted(schema, body)
    if "status" not in body:
        full.pop("status", None)
    return full


def _defaulted(schema: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, Mapping):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        full = dict(value)
        for name, part in properties.items():
            if name not in full and "default" in part:
                full[name] = copy.deepcopy(part["default"])
        return {
            name: _defaulted(properties.get(name) or (others if isinstance(others, dict) else {}), item)
            for name, item in full.items()
        }
    if isinstance(value, list | tuple):
        return [_defaulted(schema.get("items", {}), item) for item in value]
    return value


def added(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The paths, with the value, of what defaulting added."""
    if isinstance(after, dict) and isinstance(before, dict):
        for name, item in after.items():
            where = f"{path}.{name}" if path else name
            if name not in before:
                yield f"{where}={json.dumps(item)}"
            else:
                yield from added(before[name], item, where)
    elif isinstance(after, list):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from added(old, new, f"{path}[{i}]")
