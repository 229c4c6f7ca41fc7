"""The settings of a configuration: every key of ``[tool.meshdsl]`` and of each mesh's profile, from the code itself.

``docs/configuration.md`` is this module's output. A profile's settings are the fields of its target, with the text of
its docstring and the default of the field; so are the others, of :class:`meshdsl.config.Config` and its ``Cluster``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from meshdsl.config import Cluster, Config
from meshdsl.permissions import PERMISSIONS, Permission
from meshdsl.report.docstrings import docstring, markdown_cell
from meshdsl.report.support import TARGETS
from meshdsl.targets.base import Target

TOP_DEFAULTS: Mapping[str, str] = {
    "name": "the project's name; needed in a meshdsl.toml",
    "policies": '`"policies"`',
    "out": '`"out"`',
    "permit": "`[]`",
    "clusters": "required",
}
"""Of ``[tool.meshdsl]``, which has its defaults in the reader."""

CLUSTER_DEFAULTS: Mapping[str, str] = {
    "target": "required",
    "context": '`""`',
    "uid": '`""`',
    "environment": "`{}`",
}
"""Of a cluster, beside its profile."""

_TYPES: Mapping[str, str] = {
    "permit": "list of " + ", ".join(f'`"{one}"`' for one in PERMISSIONS),
    "clusters": "table of tables",
    "target": " or ".join(f'`"{target.name}"`' for target in TARGETS),
    "environment": "table",
}

_PERMITTED: Mapping[Permission, str] = {
    "read": "files outside the policies folder",
    "write": "any file",
    "network": "sockets",
    "subprocess": "other programs, threads and ctypes",
}

EXAMPLE = """\
[tool.meshdsl]
name = "shop"                   # written on every object, as the label meshdsl.dev/set
policies = "policies"
out = "out"

[tool.meshdsl.clusters.istio]
target = "istio"
version = "1.30"
trust_domain = "prod.example"
accept = ["MESH550"]
environment = { region = "eu", replicas = 6 }"""
"""A configuration, which tests read."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A key: the type of its value, its default as it is written, and what it means."""

    name: str
    type: str
    default: str
    text: str


def sections() -> tuple[tuple[str, str, tuple[Setting, ...]], ...]:
    """Every key: the heading it stands under, what there is to say of all of them, and the keys."""
    shared = {field.name for field in fields(Target)}
    return (
        ("`[tool.meshdsl]`", "Paths are relative to the folder of the file.", _of(Config, TOP_DEFAULTS)),
        (
            "`[tool.meshdsl.clusters.NAME]`",
            "`NAME` is a DNS label, and the folder below `out` that the manifests go to.",
            (*_of(Cluster, CLUSTER_DEFAULTS), *(_profile(Target, field) for field in fields(Target))),
        ),
        *(
            (
                f'With `target = "{target.name}"`',
                f"Versions {target.versions[0]} to {target.versions[-1]}; the newest is the default.",
                tuple(_profile(target, field) for field in fields(target) if field.name not in shared),
            )
            for target in TARGETS
        ),
    )


def _of(kind: type, defaults: Mapping[str, str]) -> tuple[Setting, ...]:
    said = docstring(kind).arguments
    hints = get_type_hints(kind, localns={"Target": Target})
    return tuple(
        Setting(name, _TYPES.get(name) or _type(hints[name]), default, _sentence(said[name], name))
        for name, default in defaults.items()
    )


def _profile(kind: type, field: Field[Any]) -> Setting:
    assert field.default is not MISSING
    return Setting(
        field.name,
        _type(get_type_hints(kind)[field.name]),
        _default(field.default),
        _sentence(docstring(kind).arguments[field.name], field.name),
    )


def _sentence(text: str, name: str) -> str:
    """The text of a docstring, with what it leaves to other places of the code."""
    if name == "name":
        return (
            "of the policy set, a label value. It is written on every object, as the label `meshdsl.dev/set`, and"
            " `meshdsl diff` knows by it which objects of a cluster are this set's."
        )
    if name == "permit":
        may = "; ".join(f"`{one}`: {what}" for one, what in _PERMITTED.items())
        return f"{text} {may}"
    if name == "gateway_api":
        return f"{text} {Target.gateway_api_versions[0]} to {Target.gateway_api_versions[-1]}."
    return text


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _type(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{one}"`' for one in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_type(get_args(hint)[0])}"
    return {str: "text", Path: "path"}[hint]


# ---------------------------------------------------------------------------------------------------------------- pages


def settings_list() -> str:
    """Every key for a terminal."""
    lines: list[str] = []
    for title, _, settings in sections():
        lines += [*([""] if lines else []), title.replace("`", "")]
        lines += [f"  {one.name:<24} {one.default.replace('`', '')}" for one in settings]
    return "\n".join(lines) + "\n"


def settings_markdown() -> str:
    """The whole page, ``docs/configuration.md``."""
    parts = [
        "# The configuration",
        "Made by `meshdsl explain --settings --format markdown`; do not edit.",
        (
            "`[tool.meshdsl]` in `pyproject.toml`, or a `meshdsl.toml` that is that table (`[clusters.NAME]` there)."
            " The nearest one upwards from where meshdsl runs counts. A key that does not exist is an error with its"
            " line, and so is a value that cannot be. In the library the profile is the arguments of"
            " `meshdsl.Istio(…)`, `meshdsl.Ambient(…)` and `meshdsl.Linkerd(…)`, with the same names."
        ),
        f"```toml\n{EXAMPLE}\n```",
    ]
    for title, text, settings in sections():
        parts += [f"## {title}", text, _table(settings)]
    return "\n\n".join(parts) + "\n"


def _table(settings: Iterable[Setting]) -> str:
    rows = (f"| `{one.name}` | {one.type} | {one.default} | {markdown_cell(one.text)} |" for one in settings)
    return "| key | value | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
