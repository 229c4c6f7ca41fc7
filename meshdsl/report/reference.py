"""The reference of the language: every kind that users write, from the kinds themselves.

``docs/reference.md`` and ``meshdsl explain Canary`` are this module's output. What an argument means stands in the
docstring of its kind, its type, bounds and default on its field: a page that is written beside the code would tell
something else sooner or later. Only the examples are written by hand (:mod:`meshdsl.report.examples`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import fill, indent
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from meshdsl.model import inventory, match, operation, security, traffic, types
from meshdsl.model.base import AcceptedCode, Declared, Policy
from meshdsl.report.docstrings import Docstring, docstring, markdown_cell
from meshdsl.report.examples import BEFORE, EXAMPLES

Kind = type[Declared]
Function = Callable[..., Any]

SECTIONS: tuple[tuple[str, str, tuple[Kind | Function, ...]], ...] = (
    (
        "Inventory",
        (
            "What there is. Policies are attached to a `Mesh`, `Namespace`, `Service` or `Route`, and the nearest one"
            " of a kind wins whole."
        ),
        (
            inventory.Mesh,
            inventory.Namespace,
            inventory.Service,
            inventory.Route,
            inventory.Port,
            inventory.Probe,
            inventory.Workload,
        ),
    ),
    (
        "Conditions",
        "On a request: in `Canary(when=…)`, in the `headers` and `query` of a route, in `Allow` and `Deny`.",
        (match.Header, match.Cookie, match.Query, match.Regex, match.all_of, match.any_of),
    ),
    (
        "Traffic",
        "Where requests go, how long they may take, and what happens when they fail.",
        (
            traffic.Canary,
            traffic.Split,
            traffic.Timeout,
            traffic.Retry,
            traffic.Breaker,
            traffic.Fault,
            traffic.Abort,
            traffic.Delay,
            traffic.Mirror,
            traffic.Headers,
            traffic.Rewrite,
            traffic.Redirect,
        ),
    ),
    (
        "Access",
        "Who may call whom, and whether plain text is taken.",
        (
            security.Allow,
            security.Deny,
            security.DefaultDeny,
            security.MutualTls,
            security.Anyone,
            security.ServiceAccount,
        ),
    ),
    ("Operation", "How workloads are in the mesh.", (operation.Proxy,)),
)
"""Everything that policy files are made of, in the order of the page."""

MAKERS: Mapping[Kind, tuple[Function, ...]] = {
    inventory.Service: (inventory.Service.route,),
    traffic.Retry: (traffic.Retry.never,),
    security.Anyone: (security.Anyone.in_mesh, security.Anyone.at_all),
}
"""Methods that make something, beside the kind itself."""

_WORDS: tuple[tuple[object, str], ...] = (
    (types.DurationLike, "duration"),
    (types.PercentLike, "percentage"),
    (types.Method, "HTTP method"),
    (types.RetryOn, "retry condition"),
    (types.DnsLabel, "DNS label"),
    (types.ServiceName, "DNS label"),
    (types.HostName, "host name"),
    (types.HeaderName, "header name"),
    (types.HeaderMap, "header name → value"),
    (types.LabelMap, "label → value"),
    (types.LabelValue, "label value"),
    (types.LabelKey, "label key"),
    (types.PathText, "plain path"),
    (types.Quantity, "quantity"),
    (AcceptedCode, "code"),
    (match.PathLike, "path"),
    (match.ConditionLike, "condition"),
    (match.ValueLike, "text or `Regex`"),
    (inventory.TargetPort, "port number or name"),
    (inventory.NamespaceLike, "`Namespace` or its name"),
    (security.Callers, "callers"),
)
"""Types that the page explains once."""

LEGEND: tuple[tuple[str, str], ...] = (
    ("duration", '`"250ms"`, `"5s"`, `"1m30s"` or a `timedelta`; never a bare number'),
    ("percentage", "a number from 0 to 100, with at most four decimals"),
    (
        "path",
        '`"/a/b"` (exactly that), `"/a/*"` (this segment and all below, never `/ab`) or `Regex("…")` (the whole path)',
    ),
    ("plain path", '`"/a/b"`, without a wildcard'),
    ("HTTP method", ", ".join(get_args(types.Method))),
    ("retry condition", ", ".join(f'`"{one}"`' for one in get_args(types.RetryOn))),
    ("condition", "a `Header`, `Cookie` or `Query`, or `all_of(…)` or `any_of(…)` of them"),
    (
        "callers",
        (
            'a tuple of `Service`, `ServiceAccount`, `Namespace` or `"namespace/service"`; or `Anyone.in_mesh()`,'
            " `Anyone.at_all()`"
        ),
    ),
    ('"namespace/service"', "a service by name, where two files need each other; resolved once everything is loaded"),
    ("DNS label", "small letters, digits and `-`, at most 63 characters, as Kubernetes names things"),
    ("quantity", 'of Kubernetes, such as `"100m"` or `"128Mi"`'),
)
"""What the words of the column of types mean."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a kind: its type with bounds, its default as it is written, and what it means."""

    name: str
    type: str
    default: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind or a function.

    Attributes:
        name: as it is written, ``Retry.never``.
        call: its signature.
        text: what it means.
        arguments: in their order, without those that every policy has.
        example: Python.
        is_policy: whether ``only`` and ``accept`` go with it.
    """

    name: str
    call: str
    text: str
    arguments: tuple[Argument, ...]
    example: str
    is_policy: bool = False


def entries() -> Iterator[Entry]:
    """All of the reference, in the order of the page."""
    for _, _, subjects in SECTIONS:
        yield from _entries(subjects)


def shared() -> tuple[Argument, ...]:
    """The arguments that every policy has."""
    return tuple(_argument(Policy, name, docstring(Policy)) for name in Policy.model_fields)


def found(name: str) -> list[Entry]:
    """The entries of a name: a kind with the functions that make it; none if there is no such kind."""
    wanted = name.lower()
    return [one for one in entries() if wanted in (one.name.lower(), one.name.lower().partition(".")[0])]


def nearest_kind(name: str) -> str:
    """The kind that was probably meant, or nothing."""
    names = {one.name.lower(): one.name for one in entries()}
    return next((names[close] for close in get_close_matches(name.lower(), names, 1, 0.7)), "")


def _entries(subjects: Iterable[Kind | Function]) -> Iterator[Entry]:
    for subject in subjects:
        if isinstance(subject, type):
            yield _kind(subject)
            yield from (_function(maker) for maker in MAKERS.get(subject, ()))
        else:
            yield _function(subject)


def _kind(kind: Kind) -> Entry:
    is_policy = issubclass(kind, Policy)
    said = docstring(kind)
    names = [name for name in kind.model_fields if not (is_policy and name in Policy.model_fields)]
    if kind is security.Anyone:
        return Entry("Anyone", "Anyone.in_mesh(), Anyone.at_all()", said.text, (), EXAMPLES["Anyone"])
    arguments = tuple(_argument(kind, name, said) for name in names)
    positional = [name for name in names if kind.model_fields[name].kw_only is False]
    by_name = [f"{one.name}=…" for one in arguments if one.name not in positional and one.default == "required"]
    rest = ["…"] if len(positional) + len(by_name) < len(names) else []
    call = f"{kind.__name__}({', '.join([*positional, *by_name, *rest])})"
    return Entry(kind.__name__, call, said.text, arguments, EXAMPLES[kind.__name__], is_policy)


def _argument(kind: Kind, name: str, said: Docstring) -> Argument:
    info = kind.model_fields[name]
    hint = get_type_hints(kind, include_extras=True)[name]
    text = said.arguments.get(name, "")
    if not text or text.startswith("see "):
        text = info.description or ""
    return Argument(name, _type(hint, info.metadata), _default(info.default, required=info.is_required()), text)


def _function(function: Function) -> Entry:
    name = function.__qualname__
    said = docstring(function)
    hints = get_type_hints(inspect.unwrap(getattr(function, "__func__", function)), include_extras=True)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    arguments = tuple(
        Argument(
            parameter.name,
            _type(hints[parameter.name]) + (", several" if parameter.kind is parameter.VAR_POSITIONAL else ""),
            _default(parameter.default, required=parameter.default is parameter.empty),
            said.arguments.get(parameter.name, "one or more of them"),
        )
        for parameter in parameters
        if parameter.name not in Policy.model_fields
    )
    shown = [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in parameters if p.default is p.empty]
    rest = ["…"] if len(shown) < len(parameters) else []
    return Entry(name, f"{name}({', '.join([*shown, *rest])})", said.text, arguments, EXAMPLES[name])


def _default(value: object, *, required: bool) -> str:
    if required:
        return "required"
    if value is None:
        return "none"
    if value in ((), {}):
        return "empty"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value!r}`"


def _type(hint: Any, extra: Iterable[object] = ()) -> str:
    """A type in words, with bounds."""
    for alias, words in _WORDS:
        if hint == alias:
            return words
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        narrower = next((words for alias, words in _WORDS if _is_within(hint, alias)), None)
        if narrower is not None:
            return narrower
        return _type(arguments[0], (*arguments[1:], *extra))
    if origin in (Union, UnionType) and match.AllOf in arguments:
        return "condition"
    if origin in (Union, UnionType):
        parts = [_type(one, extra) for one in arguments if one is not NoneType]
        if any(isinstance(one, type) and issubclass(one, Declared) for one in arguments):
            parts = ['"namespace/service"' if part == "text" else part for part in parts]
        return " or ".join(dict.fromkeys(parts))
    if origin is Literal:
        return " or ".join(f'`"{one}"`' if isinstance(one, str) else str(one) for one in arguments)
    if origin is tuple:
        return f"tuple of {_type(arguments[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"{_type(arguments[0])} → {_type(arguments[1])}"
    return _plain(hint) + _bounds(extra)


def _is_within(hint: Any, alias: Any) -> bool:
    """Whether a type is another one with more conditions."""
    return get_origin(alias) is Annotated and all(one in hint.__metadata__ for one in alias.__metadata__)


def _plain(hint: type) -> str:
    known = {str: "text", int: "whole number", bool: "`True` or `False`", float: "number"}
    return known.get(hint) or f"`{hint.__name__}`"


def _bounds(extra: Iterable[object]) -> str:
    """The bounds among a field's metadata, which may be nested in a ``Field(…)``."""
    flat = [one for item in extra for one in (item, *getattr(item, "metadata", ()))]
    least = next((one.ge for one in flat if hasattr(one, "ge")), None)
    most = next((one.le for one in flat if hasattr(one, "le")), None)
    if least is None and most is None:
        return ""
    return f", {least:,} to {most:,}" if most is not None and most < 2**31 - 1 else f", {least} or more"


# ---------------------------------------------------------------------------------------------------------------- pages


def kind_text(name: str) -> str:
    """A kind for people at a terminal; empty if there is none of that name."""
    blocks = [
        _terminal(one) + ("\nEvery policy also takes only=(…) and accept=(…).\n" if one.is_policy else "")
        for one in found(name)
    ]
    return "\n".join(blocks)


def _terminal(one: Entry) -> str:
    lines = [one.call, "", fill(_unmarked(one.text), 96)]
    for argument in one.arguments:
        default = argument.default if argument.default == "required" else f"default {argument.default}"
        lines += ["", f"  {argument.name}: {_unmarked(argument.type)}; {_unmarked(default)}"]
        lines.append(indent(fill(_unmarked(argument.text), 88), "      "))
    lines += ["", "Example:", indent(one.example, "  ")]
    return "\n".join(lines) + "\n"


def _unmarked(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"\1", text)


def kind_list() -> str:
    """Every kind with its first sentence."""
    return "".join(f"{one.name:<16}  {_unmarked(one.text.split(chr(10))[0])}\n" for one in entries())


def reference_markdown() -> str:
    """The whole reference, ``docs/reference.md``."""
    parts = [
        "# The language",
        (
            "Made by `meshdsl explain --kinds --format markdown`; do not edit. `meshdsl explain Canary` shows one of"
            " these at the terminal. What each policy means for a request is specified in [semantics.md](semantics.md)."
        ),
        (
            "Everything is importable from `meshdsl`. Arguments in a call like `Timeout(subject, request)` may be given"
            " by position, all others by name. The examples speak of:"
        ),
        f"```python\n{BEFORE}\n```",
        "## Words",
        "| | |\n|---|---|\n" + "\n".join(f"| {word} | {markdown_cell(text)} |" for word, text in LEGEND),
        "Every policy (a kind of the sections *Traffic*, *Access* and *Operation* that has a `subject`) also takes:",
        _table(shared()),
    ]
    for title, text, subjects in SECTIONS:
        parts += [f"## {title}", text]
        for one in _entries(subjects):
            parts += [f"### {one.name}", f"`{one.call}`", one.text]
            parts += [_table(one.arguments)] if one.arguments else []
            parts += [f"```python\n{one.example}\n```"]
    return "\n\n".join(parts) + "\n"


def _table(arguments: Iterable[Argument]) -> str:
    rows = (
        f"| `{one.name}` | {markdown_cell(one.type)} | {one.default} | {markdown_cell(one.text)} |" for one in arguments
    )
    return "| argument | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
