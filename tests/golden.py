"""Cases: a folder with policies, and beside them what comes out on each mesh, in full.

A case is ``tests/cases/<case>/policies.py`` (or a folder ``policies/``) with one file for each target: ``<target>.yaml``,
the objects in the order to apply them, or ``<target>.errors``, the diagnostics as they are shown. A target without a
file is a failure: silence is not an answer. ``<target>.warnings`` stands beside the objects where the compiler warns.
``linkerd-smi`` is Linkerd with the legacy split API; a case has it only where it makes a difference.

``case.toml`` is optional. It has a table for each target whose profile is not the default, and one for what
``policies(env)`` receives::

    [ambient]
    gateway_api_channel = "experimental"

    [environment]
    replicas = 3

``python -m tests.rewrite [CASE ...]`` writes the files anew; a changed file is a change to review.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from meshdsl import compiler, render
from meshdsl.diagnostics import Diagnostic, MeshdslError
from meshdsl.loading.load import load
from meshdsl.model.environment import Environment
from meshdsl.model.policy_set import PolicySet
from meshdsl.report import report
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.base import Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.linkerd import Linkerd

FOLDER = Path(__file__).parent / "cases"
OPTIONAL = "linkerd-smi"
_TARGETS: dict[str, tuple[type[Target], dict[str, Any]]] = {
    "istio": (Istio, {}),
    "ambient": (Ambient, {}),
    "linkerd": (Linkerd, {}),
    OPTIONAL: (Linkerd, {"split_api": "smi"}),
}
TARGETS = tuple(_TARGETS)
KINDS = ("yaml", "errors")
WARNINGS = "warnings"


@dataclass(frozen=True)
class Case:
    """A folder of ``tests/cases``."""

    folder: Path

    def __str__(self) -> str:
        return self.folder.name

    @property
    def policies(self) -> Path:
        """The file or folder that is loaded."""
        whole = self.folder / "policies"
        return whole if whole.is_dir() else self.folder / "policies.py"

    @property
    def settings(self) -> dict[str, Any]:
        """``case.toml``."""
        path = self.folder / "case.toml"
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def target(self, name: str) -> Target:
        """The target of that name, with this case's profile."""
        kind, profile = _TARGETS[name]
        return kind(**{**profile, **self.settings.get(name, {})})

    def file(self, name: str, kind: str) -> Path:
        """The file that holds what is expected of a target."""
        return self.folder / f"{name}.{kind}"

    def targets(self) -> tuple[str, ...]:
        """The targets that this case is about."""
        has_optional = any(self.file(OPTIONAL, kind).exists() for kind in KINDS) or OPTIONAL in self.settings
        return TARGETS if has_optional else tuple(name for name in TARGETS if name != OPTIONAL)


@dataclass(frozen=True)
class Outcome:
    """What came out: ``kind`` is a file's extension, ``text`` its content; beside objects there may be ``warnings``."""

    kind: str
    text: str
    manifests: tuple[Any, ...] = ()
    warnings: str = ""

    @property
    def files(self) -> dict[str, str]:
        """What a case has for a target: extension → content."""
        return {self.kind: self.text, **({WARNINGS: self.warnings} if self.warnings else {})}


def cases() -> tuple[Case, ...]:
    """All cases, by name."""
    return tuple(Case(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir())


@cache
def loaded(case: Case) -> PolicySet | MeshdslError:
    """The policies, or the error: loaded once for all targets."""
    try:
        return load(case.policies, environment=Environment(**case.settings.get("environment", {})), name=str(case))
    except MeshdslError as error:
        return error


@cache
def outcome(case: Case, name: str) -> Outcome:
    """What a case gives on a target."""
    policies = loaded(case)
    if isinstance(policies, MeshdslError):
        return _errors(case, policies)
    try:
        bundle = compiler.build(policies, case.target(name))
        manifests = tuple(bundle.manifests)
        return Outcome("yaml", render.stream(manifests), manifests, _shown(case, bundle.warnings))
    except MeshdslError as error:
        return _errors(case, error)


def _errors(case: Case, error: MeshdslError) -> Outcome:
    return Outcome("errors", _shown(case, error.diagnostics))


def _shown(case: Case, found: Sequence[Diagnostic]) -> str:
    # The file is the target's: to name it on each finding again would be noise.
    plain = [replace(one, target="") for one in found]
    return report("text", plain, base=str(case.folder), command="build") if plain else ""


def expected(case: Case, name: str) -> dict[str, str]:
    """What the files of a target say: extension → content."""
    paths = {kind: case.file(name, kind) for kind in (*KINDS, WARNINGS)}
    return {kind: path.read_text(encoding="utf-8") for kind, path in paths.items() if path.exists()}


def rewrite(case: Case) -> Iterator[tuple[str, Path]]:
    """Write the files of a case anew; what was done to each that changed, and where."""
    for name in case.targets():
        now, before = outcome(case, name).files, expected(case, name)
        for kind in sorted(before.keys() - now.keys()):
            case.file(name, kind).unlink()
            yield "removed", case.file(name, kind)
        for kind, text in now.items():
            if before.get(kind) != text:
                case.file(name, kind).write_text(text, encoding="utf-8")
                yield "written", case.file(name, kind)
