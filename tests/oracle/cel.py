"""The CEL rules of a schema (``x-kubernetes-validations``), asked of an object.

``self`` is the value at the level of the rule, converted as Kubernetes does it: property names that are not CEL
identifiers are escaped, a ``number`` is a double even if it is written as an integer. A rule that ends in an error
refuses the object, as on a server. The functions of Kubernetes' CEL library that these CRDs call and CEL does not have
(``url``, ``isURL``, ``getScheme``, ``isIP``) are supplied here. Rules on ``oldSelf`` do not apply to a create.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    # Go's url.ParseRequestURI, which Kubernetes calls: absolute, or a path from the root.
    return not re.search(r"[\x00-\x20\x7f]", text) and (bool(parts.scheme) or text.startswith("/"))


def _url(text: str) -> str:
    if not _is_url(text):
        raise ValueError(f"not a URL: {text}")
    return text


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _function(name: str, result: cel.Type, implementation: Any, *, member: bool = False) -> cel.FunctionDecl:
    overload = cel.Overload(
        id=f"meshdsl_{name}", return_type=result, parameters=[cel.Type.DYN], is_member=member, impl=implementation
    )
    return cel.FunctionDecl(name, [overload])


_ENVIRONMENT = cel.NewEnv(
    variables={"self": cel.Type.DYN},
    extensions=[
        ext_strings.ExtStrings(),
        cel.CelExtension(
            "kubernetes",
            [
                _function("isURL", cel.Type.BOOL, _is_url),
                _function("url", cel.Type.STRING, _url),
                _function("getScheme", cel.Type.STRING, lambda text: urlsplit(text).scheme, member=True),
                _function("isIP", cel.Type.BOOL, _is_ip),
            ],
        ),
    ],
)


@cache
def compiled(rule: str) -> cel.Expression:
    """A rule, compiled once. Raises if CEL cannot read it: a rule is never skipped for that."""
    return _ENVIRONMENT.compile(rule)


def is_transition(rule: str) -> bool:
    """Whether a rule compares with the object as it was, and so has nothing to say of a new one."""
    return "oldSelf" in rule


def rules(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every rule in a schema, at all levels."""
    for validation in schema.get("x-kubernetes-validations", ()):
        yield validation["rule"]
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in inner:
        if isinstance(part, dict):
            yield from rules(part)


def check(schema: Mapping[str, Any], value: Any) -> list[str]:
    """The messages of the rules that refuse a value, each with the path of its level."""
    problems: list[str] = []
    _visit(schema, value, "", problems)
    return problems


def _visit(schema: Mapping[str, Any], value: Any, path: str, problems: list[str]) -> Any:
    """Check what is inside, then this level; return the value as CEL sees it."""
    seen = value
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        seen = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else key
            if key in properties:
                seen[_escaped(key)] = _visit(properties[key], item, where, problems)
            else:
                seen[key] = _visit(others if isinstance(others, dict) else {}, item, where, problems)
    elif isinstance(value, list):
        items = schema.get("items", {})
        seen = [_visit(items, item, f"{path}[{i}]", problems) for i, item in enumerate(value)]
    elif schema.get("type") == "number":
        seen = float(value)
    for validation in schema.get("x-kubernetes-validations", ()):
        rule = validation["rule"]
        if not is_transition(rule):
            problem = _refusal(rule, seen)
            if problem:
                problems.append(f"{path or 'object'}: {validation.get('message', rule)}{problem}")
    return seen


def _refusal(rule: str, value: Any) -> str:
    """Empty if the rule holds, else a remark for its message."""
    answer = compiled(rule).eval(data={"self": value})
    if answer.type() == cel.Type.ERROR:
        return f" (error: {answer.value()})"
    return "" if answer.value() is True else " (CEL)"


@cache
def _escaped(name: str) -> str:
    """A property name as CEL names it (``k8s.io/apiserver/pkg/cel/escaping.go``)."""
    if name in _RESERVED:
        return f"__{name}__"
    escapes = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
    return re.sub(r"__|[./-]", lambda found: escapes[found.group()], name)
