"""From PATH, ``--cluster`` and ``--target`` to what is to be compiled: the policies, and a target for each cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import click

from meshdsl.config import find_config, read_config
from meshdsl.diagnostics import ConfigError, Diagnostic, Origin
from meshdsl.model.environment import Environment
from meshdsl.permissions import Permission
from meshdsl.targets.base import Target


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user asked for.

    Attributes:
        path: where the configuration is, or with a target the policies; None for the working directory.
        clusters: names; empty for all.
        target: ``"istio"``, ``"ambient"`` or ``"linkerd"``: no configuration is read.
    """

    path: str | None = None
    clusters: tuple[str, ...] = ()
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One cluster to compile for; ``name`` is the folder that its manifests go to.

    ``context`` is where it is reached, ``uid`` what its ``kube-system`` must have, if that is configured.
    """

    name: str
    target: Target
    environment: Environment
    context: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """What is compiled.

    Attributes:
        root: folder that everything is relative to.
        name: of the policy set.
        policies: a folder or a file.
        out: folder of all clusters' folders.
        permit: what policy files may do beyond computing.
        jobs: the clusters that were asked for, in the order of the configuration.
        complete: the jobs are all clusters of a configuration, so what else is in ``out`` is stale.
    """

    root: Path
    name: str
    policies: Path
    out: Path
    permit: tuple[Permission, ...]
    jobs: tuple[Job, ...]
    complete: bool
    config: Origin | None = None


def project(choice: Choice) -> Project:
    """What the choice stands for.

    Raises:
        click.UsageError: ``--cluster`` and ``--target`` together.
        ConfigError: there is no configuration, it is wrong, it has no such cluster, or the policies are not there.
    """
    if choice.target is not None:
        if choice.clusters:
            raise click.UsageError("--cluster and --target exclude each other: a cluster has its target")
        root = Path.cwd()
        if choice.path is None and not _is_there(root / "policies"):
            raise ConfigError(
                [
                    Diagnostic(
                        "MESH101", "there is no folder 'policies' here", help="name the folder or file of the policies"
                    )
                ]
            )
        job = Job(
            choice.target, default_target(choice.target), Environment(cluster=choice.target, target=choice.target)
        )
        return Project(root, "meshdsl", root / (choice.path or "policies"), root / "out", (), (job,), complete=False)
    config = read_config(find_config(Path(choice.path or ".")))
    names = tuple(dict.fromkeys(choice.clusters)) or tuple(config.clusters)
    unknown = [name for name in names if name not in config.clusters]
    if unknown:
        raise ConfigError(_unknown(name, config.clusters) for name in unknown)
    if not _is_there(config.policies):
        shown = os.path.relpath(config.policies, config.root)
        raise ConfigError(
            [
                Diagnostic(
                    "MESH101",
                    f"there is no file or folder {shown!r}",
                    config.policies_at,
                    "policies",
                    reason="it is where the policies are",
                    help='make it, or say where they are: policies = "…"',
                )
            ]
        )
    return Project(
        config.root,
        config.name,
        config.policies,
        config.out,
        config.permit,
        tuple(
            Job(c.name, c.target, c.environment, c.context, c.uid) for c in config.clusters.values() if c.name in names
        ),
        # A folder outside of the repository may be shared with other repositories.
        complete=not choice.clusters and config.out.is_relative_to(config.root),
        config=config.policies_at,
    )


def _is_there(path: Path) -> bool:
    """Whether there is anything; where that cannot be told, who reads it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def default_target(name: str) -> Target:
    """A mesh of the newest supported version with the default profile."""
    from meshdsl.report.support import TARGETS

    return next(target for target in TARGETS if target.name == name)()


def _unknown(name: str, known: Iterable[str]) -> Diagnostic:
    close = get_close_matches(name, known, 1, 0.5)
    listed = f"the configuration has {', '.join(sorted(known))}"
    return Diagnostic(
        "MESH051",
        f"there is no cluster {name!r}",
        help=f"did you mean {close[0]!r}? {listed}" if close else listed,
    )
