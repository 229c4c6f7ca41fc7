"""Reads the configuration: ``[tool.meshdsl]`` of a ``pyproject.toml``, or a ``meshdsl.toml`` that is that table.

A wrong key is an error with its line: a setting that is misspelt and ignored would change what a cluster gets without
a word. Everything that is wrong is raised at once, as one :class:`ConfigError`.

Values are checked by hand rather than with pydantic: commands that read a configuration should start quickly, and
the errors name TOML's words and lines. Targets are imported only when a cluster names one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, get_type_hints

from meshdsl.config_file import FILES, OVERLAP_REASON, find_config, is_configuration, overlap, parse, table_of
from meshdsl.diagnostics import ConfigError, Diagnostic, Origin
from meshdsl.model.environment import Environment
from meshdsl.permissions import PERMISSIONS, Permission
from meshdsl.toml_lines import Path as KeyPath
from meshdsl.toml_lines import key_lines
from meshdsl.values import dns_label, label_value

if TYPE_CHECKING:
    from meshdsl.targets.base import Target

__all__ = ["Cluster", "Config", "find_config", "read_config"]

TARGETS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "istio": ("meshdsl.targets.istio", "Istio"),
        "ambient": ("meshdsl.targets.ambient", "Ambient"),
        "linkerd": ("meshdsl.targets.linkerd", "Linkerd"),
    }
)
"""The module and class of each target."""

_TOP = ("name", "policies", "out", "permit", "clusters")
_CLUSTER = ("target", "context", "uid", "environment")
_RESERVED = ("cluster", "target")


@dataclass(frozen=True)
class Cluster:
    """A cluster to compile for.

    Attributes:
        name: a DNS label; the folder below ``out`` that its manifests go to.
        target: the mesh with its profile.
        context: of the kubeconfig, for ``meshdsl diff``; empty for the current one.
        uid: of the namespace ``kube-system``, which no other cluster has; a context that leads to another cluster is
            then refused. Empty for no check.
        environment: what ``policies(env)`` receives: its table, with ``cluster`` and ``target``.
    """

    name: str
    target: Target
    context: str
    uid: str
    environment: Environment


@dataclass(frozen=True)
class Config:
    """A configuration.

    Attributes:
        root: folder of the file; ``policies`` and ``out`` are absolute, below it unless the file says otherwise.
        name: of the policy set, a label value. Default: the project's name in ``pyproject.toml``. Never the name of
            a folder: it is written on every object, and another clone would be another set.
        policies: folder of the policy files, or one file; default ``policies``. It need not be there.
        policies_at: the line that says so, or that of the table.
        out: folder of the output; default ``out``.
        permit: what policy files may do beyond computing; default nothing.
        clusters: by name, in the order of the file.
    """

    root: Path
    name: str
    policies: Path
    policies_at: Origin
    out: Path
    permit: tuple[Permission, ...]
    clusters: Mapping[str, Cluster]


def read_config(path: Path | None) -> Config:
    """Read a configuration.

    Args:
        path: of a ``meshdsl.toml`` or ``pyproject.toml``; None, as :func:`find_config` may return, is an error.

    Raises:
        ConfigError: there is none, or with everything that is wrong in it.
    """
    if path is None:
        raise ConfigError(
            [
                Diagnostic(
                    "MESH001",
                    "there is no configuration here or in any folder above",
                    help="run meshdsl init, add [tool.meshdsl] to pyproject.toml, or choose a mesh with --target",
                )
            ]
        )
    path = Path(os.path.abspath(path))  # noqa: PTH100
    reader = _Reader(path)
    config = reader.config()
    if reader.found:
        raise ConfigError(reader.found)
    return config


class _Reader:
    """One file, and what is wrong with it.

    Attributes:
        found: diagnostics so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[Diagnostic] = []
        self._document, text = parse(path)
        self._lines = key_lines(text)
        self._prefix: KeyPath = () if path.name == "meshdsl.toml" else ("tool", "meshdsl")

    def config(self) -> Config:
        """The configuration. It is not to be used if anything was found wrong."""
        table: Any = self._document
        for key in self._prefix:
            table = table_of(table, cast("str", key))
        root = self.path.parent
        if not table:
            self._wrong("MESH001", "this file does not configure meshdsl", (), help="add a table [tool.meshdsl]")
            return self._nothing()
        if not self._prefix and "meshdsl" in table_of(table, "tool"):
            self._wrong(
                "MESH004",
                "meshdsl.toml has no table header [tool.meshdsl]: the whole file is that table",
                ("tool", "meshdsl"),
                help="leave the header out, and write [clusters.NAME] for [tool.meshdsl.clusters.NAME]",
            )
            return self._nothing()
        self._one_file_only()
        self._known(table, _TOP, ())
        policies = root / self._text(table, "policies", (), "policies")
        out = root / self._text(table, "out", (), "out")
        self._apart(root, policies, out)
        at = self._origin(("policies",))
        return Config(root, self._name(table), policies, at, out, self._permit(table), self._clusters(table))

    def _nothing(self) -> Config:
        root = self.path.parent
        return Config(root, "", root, self._origin(()), root, (), {})

    # -------------------------------------------------------------------------------------------------------- top level

    def _one_file_only(self) -> None:
        other = self.path.parent / FILES[self.path.name == FILES[0]]
        if self.path.name in FILES and is_configuration(other):
            self._wrong(
                "MESH003",
                f"{self.path.name} and {other.name} both configure meshdsl",
                (),
                reason="settings in the other file would be ignored",
                help="keep one of them",
            )

    def _name(self, table: Mapping[str, Any]) -> str:
        if "name" in table:
            name = self._text(table, "name", (), "")
            try:
                return label_value(name) or self._empty("name")
            except ValueError as error:
                self._wrong("MESH005", f"name: {error}", ("name",))
                return name
        project = table_of(self._document, "project").get("name")
        if isinstance(project, str) and self._prefix and (name := _as_label(project)):
            return name
        self._wrong(
            "MESH011",
            "the policy set has no name",
            (),
            reason="it is written on every object, and what is no longer made is found by it: two repositories that"
            " apply to one cluster need two names",
            help=f'add name = "{_as_label(self.path.parent.name) or "mesh"}", or another that no other repository has',
        )
        return ""

    def _empty(self, key: str) -> str:
        self._wrong("MESH005", f"{key} is empty", (key,), help='give it one, such as "shop"')
        return ""

    def _permit(self, table: Mapping[str, Any]) -> tuple[Permission, ...]:
        permit = self._texts(table, "permit", ())
        for index, one in enumerate(permit):
            if one not in PERMISSIONS:
                self._wrong(
                    "MESH005",
                    f"permit: there is no permission {one!r}",
                    ("permit", index),
                    help=_meant(one, PERMISSIONS),
                )
        return cast("tuple[Permission, ...]", permit)

    def _apart(self, root: Path, policies: Path, out: Path) -> None:
        relation = overlap(root, policies, out)
        if relation:
            self._wrong(
                "MESH006",
                f"out {relation}",
                ("out",) if self._line(("out",)) else ("policies",),
                reason=OVERLAP_REASON,
                help='give it a folder of its own, such as out = "out"',
            )

    # --------------------------------------------------------------------------------------------------------- clusters

    def _clusters(self, table: Mapping[str, Any]) -> dict[str, Cluster]:
        clusters = table.get("clusters", {})
        if not isinstance(clusters, dict):
            self._type("clusters", "a table", clusters, ("clusters",))
            return {}
        if not clusters:
            self._wrong(
                "MESH008",
                "no cluster is configured",
                ("clusters",) if "clusters" in table else (),
                help='add a table: [tool.meshdsl.clusters.NAME] with target = "istio"',
            )
        made = {name: self._cluster(name, settings) for name, settings in clusters.items()}
        return {name: cluster for name, cluster in made.items() if cluster is not None}

    def _cluster(self, name: str, settings: object) -> Cluster | None:
        at: KeyPath = ("clusters", name)
        try:
            dns_label(name, "the name of a cluster")
        except ValueError as error:
            self._wrong("MESH007", str(error), at, reason="it is the name of a folder of the output")
        if not isinstance(settings, dict):
            self._type(name, "a table", settings, at)
            return None
        target = settings.get("target")
        if not isinstance(target, str) or target not in TARGETS:
            self._no_target(name, target, at, given="target" in settings)
            return None
        context, uid = (self._text(settings, key, at, "") for key in ("context", "uid"))
        environment = self._environment(settings, at)
        profile = self._profile(target, settings, at)
        if profile is None:
            return None
        return Cluster(name, profile, context, uid, Environment(cluster=name, target=target, **environment))

    def _no_target(self, name: str, target: object, at: KeyPath, *, given: bool) -> None:
        known = ", ".join(TARGETS)
        if not given:
            self._wrong("MESH009", f"cluster {name!r} has no target", at, help=f"add target = one of {known}")
        elif not isinstance(target, str):
            self._type("target", "a string", target, (*at, "target"))
        else:
            self._wrong("MESH009", f"there is no target {target!r}", (*at, "target"), help=_meant(target, TARGETS))

    def _environment(self, settings: Mapping[str, Any], at: KeyPath) -> dict[str, Any]:
        environment = settings.get("environment", {})
        if not isinstance(environment, dict):
            self._type("environment", "a table", environment, (*at, "environment"))
            return {}
        for key in _RESERVED:
            if key in environment:
                self._wrong(
                    "MESH005",
                    f"environment: {key!r} is given by meshdsl",
                    (*at, "environment", key),
                    help="choose another name",
                )
        return {key: value for key, value in environment.items() if key not in _RESERVED}

    def _profile(self, target: str, settings: Mapping[str, Any], at: KeyPath) -> Target | None:
        """The target with its fields from the settings; None if any is wrong."""
        before = len(self.found)
        module, name = TARGETS[target]
        kind: type[Target] = getattr(import_module(module), name)
        known = tuple(field.name for field in fields(kind))
        self._known(settings, (*_CLUSTER, *known), at, others=_of_other_targets(target))
        hints = get_type_hints(kind)
        given: dict[str, Any] = {}
        for field in known:
            if field in settings:
                given[field] = self._typed(field, settings[field], hints[field], (*at, field))
        self._accepted(given.get("accept"), at)
        if len(self.found) > before:
            return None
        try:
            return kind(**given)
        except ValueError as error:
            culprit = next((field for field, value in given.items() if _refuses(kind, field, value)), None)
            minor = re.match(r"v?(\d+\.\d+)", given["version"]) if culprit == "version" else None
            nearest = minor[1] if minor and not _refuses(kind, "version", minor[1]) else ""
            way_out = f'write "{nearest}": patch versions do not differ' if nearest else ""
            self._wrong("MESH010", str(error), (*at, culprit) if culprit else at, help=way_out)
            return None

    def _typed(self, name: str, value: object, hint: Any, at: KeyPath) -> object:
        if get_origin(hint) is Literal:
            choices = get_args(hint)
            if value not in choices:
                said = f"{name} is {' or '.join(map(_quoted, choices))}, not {_shown(value)}"
                self._wrong("MESH005", said, at, help=_meant(str(value), choices))
        elif hint is str and not isinstance(value, str):
            self._type(name, "a string", value, at)
        elif hint is bool and not isinstance(value, bool):
            self._type(name, "true or false", value, at)
        elif get_origin(hint) is tuple:
            return self._texts({name: value}, name, at[:-1])
        return value

    def _accepted(self, codes: object, at: KeyPath) -> None:
        if not isinstance(codes, tuple):
            return
        from meshdsl.codes import PAGES  # noqa: PLC0415
        from meshdsl.plan.features import Feature  # noqa: PLC0415

        known = {feature.code for feature in Feature} | set(PAGES)
        for index, code in enumerate(codes):
            if code not in known:
                self._wrong(
                    "MESH005", f"accept: there is no code {code!r}", (*at, "accept", index), help=_meant(code, known)
                )

    # ----------------------------------------------------------------------------------------------------------- values

    def _known(
        self, table: Mapping[str, Any], known: Iterable[str], at: KeyPath, others: Mapping[str, str] | None = None
    ) -> None:
        known = tuple(known)
        for key in table:
            if key in known:
                continue
            where = f"cluster {at[-1]!r}" if at else "the configuration"
            of_other = f"it is a setting of {others[key]}" if others and key in others else ""
            self._wrong(
                "MESH004", f"{where} has no setting {key!r}", (*at, key), reason=of_other, help=_meant(key, known)
            )

    def _text(self, table: Mapping[str, Any], key: str, at: KeyPath, default: str) -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            self._type(key, "a string", value, (*at, key))
            return default
        if "\0" in value or (not value and default):
            self._wrong("MESH005", f"{key} is {'no path' if value else 'empty'}", (*at, key))
            return default
        return value

    def _texts(self, table: Mapping[str, Any], key: str, at: KeyPath) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._type(key, "a list of strings", value, (*at, key))
            return ()
        return tuple(value)

    def _type(self, key: str, expected: str, value: object, at: KeyPath) -> None:
        way_out = f'write {key} = "{value}"' if expected == "a string" and isinstance(value, (int, float)) else ""
        if key == "version" and isinstance(value, float):
            way_out = "put it in quotes: as a number, 1.30 is 1.3"
        self._wrong("MESH005", f"{key} is {expected}, not {_shown(value)}", at, help=way_out)

    def _line(self, at: KeyPath) -> int | None:
        return self._lines.get((*self._prefix, *at))

    def _origin(self, at: KeyPath) -> Origin:
        """The line of a key, or of the nearest table around it."""
        lines = (self._lines.get((*self._prefix, *at)[:end]) for end in range(len(self._prefix) + len(at), 0, -1))
        return Origin(str(self.path), next((line for line in lines if line is not None), 1))

    def _wrong(self, code: str, message: str, at: KeyPath, *, reason: str = "", help: str = "") -> None:
        field = ".".join(map(str, at))
        self.found.append(Diagnostic(code, message, self._origin(at), field, reason=reason, help=help))


def _as_label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:63].strip("-_.")


def _refuses(kind: type[Target], field: str, value: object) -> bool:
    """Whether a target does not take this field, all others as they are by default."""
    try:
        kind(**{field: value})  # type: ignore[arg-type]
    except ValueError:
        return True
    return False


def _of_other_targets(target: str) -> dict[str, str]:
    """The settings that only other targets have, and whose they are; only of targets that are imported anyway."""
    import sys  # noqa: PLC0415

    others: dict[str, str] = {}
    for name, (module, kind) in TARGETS.items():
        if name != target and module in sys.modules:
            others |= {field.name: name for field in fields(getattr(sys.modules[module], kind))}
    return others


def _meant(word: str, known: Iterable[str]) -> str:
    listed = list(known)
    close = get_close_matches(word, listed, 1, 0.5)
    there = f"there is {', '.join(listed)}" if len(listed) <= 20 else ""
    return " ".join(part for part in (f"did you mean {close[0]!r}?" if close else "", there) if part)


def _quoted(value: object) -> str:
    return f'"{value}"'


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    return _quoted(value) if isinstance(value, str) else f"{value}"
