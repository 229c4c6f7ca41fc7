"""``meshdsl explain``: what applies to a service and why, or what a code or a kind means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from meshdsl.cli.console import Console
from meshdsl.cli.project import Choice, Job, project
from meshdsl.compiler import build as compile_for
from meshdsl.compiler import meaning, meant_for
from meshdsl.diagnostics import ConfigError, Diagnostic, MeshdslError
from meshdsl.loading.load import read
from meshdsl.model.policy_set import PolicySet
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.source import Source
from meshdsl.plan.uses import Use, uses
from meshdsl.report import pages, reference, settings
from meshdsl.report.escape import visible
from meshdsl.report.finding import shown
from meshdsl.report.words import Line, service_lines
from meshdsl.targets.base import Level, Target
from meshdsl.values import meant_services

_WIDEST = 80
"""Characters of words before the column of places gives way."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What the policies mean for one cluster."""

    job: Job
    policies: PolicySet
    plan: Plan


def explain(console: Console, subject: str | None, choice: Choice) -> int:
    """Run the command.

    Args:
        console: where it speaks.
        subject: ``"NAMESPACE/SERVICE"``, a code, or a kind such as ``"Canary"``.
        choice: what to compile for.

    Returns:
        The exit code.

    Raises:
        MeshdslError: there is no such service, code or kind, or the policies are wrong.
    """
    if subject is None:
        raise click.UsageError(
            "name a service, as in meshdsl explain prod/api, a code, as in meshdsl explain MESH512, or a kind, as in"
            " meshdsl explain Canary"
        )
    if "/" not in subject:
        console.write(_page(subject, choice))
    else:
        meant = _meant(choice)
        texts = list(_meanings(meant, subject))
        if choice.clusters or choice.target:
            texts += [_on_mesh(one, _service(one.plan, subject)) for one in meant]
        console.write(visible("\n".join(texts)))
    return 0


def listing(console: Console, what: str, *, markdown: bool) -> int:
    """List all ``"codes"``, ``"kinds"`` or ``"settings"`` instead, or write the whole page of them."""
    if what == "codes":
        console.write(pages.pages_markdown() if markdown else pages.code_list())
    elif what == "kinds":
        console.write(reference.reference_markdown() if markdown else reference.kind_list())
    else:
        console.write(settings.settings_markdown() if markdown else settings.settings_list())
    return 0


def _page(name: str, choice: Choice) -> str:
    """The page of a code or a kind; a service of that name is pointed at."""
    found = pages.page(name.upper())
    if found is not None:
        return pages.page_text(found)
    text = reference.kind_text(name)
    if text:
        return text
    services = _services_of_name(name, choice)
    if services:
        meant = " or ".join(repr(service) for service in services[:5])
        message = f"{name!r} is a service's name without its namespace"
        raise ConfigError([Diagnostic("MESH071", message, help=f"did you mean {meant}?")])
    close = pages.nearest(name.upper()) or reference.nearest_kind(name)
    meant = f"did you mean {close}? " if close else ""
    way_out = f"{meant}meshdsl explain --codes and --kinds list them all; a service is NAMESPACE/SERVICE"
    raise ConfigError([Diagnostic("MESH072", f"there is no code or kind {name!r}", help=way_out)])


def _services_of_name(name: str, choice: Choice) -> list[str]:
    """The services of a name in any namespace; none where the policies cannot be read, as they were not asked for."""
    try:
        plans = [one.plan for one in _meant(choice)]
    except (MeshdslError, click.UsageError):
        return []
    return sorted({str(service) for plan in plans for service in plan.services if service.name == name})


def _meant(choice: Choice) -> list[Meant]:
    found = project(choice)
    files = read(found.policies, permit=found.permit)
    meant = []
    for job in found.jobs:
        policies = files.policy_set(job.environment, found.name)
        meant.append(Meant(job, policies, meaning(meant_for(policies, job.target), job.name)))
    return meant


def _service(plan: Plan, subject: str) -> Service:
    namespace, _, name = subject.partition("/")
    try:
        return plan.service(namespace, name)
    except KeyError:
        known = [str(service) for service in plan.services]
        close = meant_services(subject, known)
        there = f"there are {', '.join(known[:10])}" if known else ""
        nearest = f"did you mean {close[0]!r}?" if close else there
        raise ConfigError([Diagnostic("MESH071", f"there is no service {subject!r}", help=nearest)]) from None


def _meanings(meant: list[Meant], subject: str) -> Iterator[str]:
    """The service in words; once for clusters in which it means the same."""
    blocks: dict[str, list[str]] = {}
    for one in meant:
        words = "".join(_columns(service_lines(_service(one.plan, subject), one.plan, _place)))
        blocks.setdefault(words, []).append(one.job.name)
    for words, names in blocks.items():
        title = f"On {', '.join(names)}:\n" if len(blocks) > 1 else ""
        yield title + words


def _columns(lines: Iterable[Line]) -> Iterator[str]:
    """The words, and the places in a column beside them."""
    texts = [("  " * depth + words, where) for depth, words, where in lines]
    width = min(_WIDEST, max((len(text) for text, where in texts if where), default=0))
    for text, where in texts:
        yield f"{text.ljust(width)}  {where}".rstrip() + "\n"


def _place(source: Source | None) -> str:
    origin = source.origin if source else None
    if origin is None:
        return ""
    kind = f" {origin.object}" if origin.object else ""
    return f"{shown(origin.file, str(Path.cwd()))}:{origin.line}{kind}"


def _on_mesh(one: Meant, service: Service) -> str:
    """How far a mesh can do what the service asks for, and by which objects."""
    target = one.job.target
    lines: list[Line] = [(0, f"On {one.job.name} ({target.title} {target.version}):", "")]
    namespace = one.plan.namespace(service.namespace)
    asked: dict[str, Use] = {}
    for use in (*uses(service), *uses(namespace), *uses(one.plan.mesh)):
        asked.setdefault(use.feature.code, use)
    levels = {code: _level(target, use) for code, use in sorted(asked.items())}
    width = max((len(level) for level, _ in levels.values()), default=0)
    for code, (level, note) in levels.items():
        lines.append((1, f"{level:<{width}}  {code} {asked[code].feature.title}", _place(asked[code].source)))
        lines += [(3, note, "")] if note else []
    return "".join(_columns([*lines, *_objects(one, service)]))


def _objects(one: Meant, service: Service) -> Iterator[Line]:
    try:
        bundle = compile_for(one.policies, one.job.target, cluster=one.job.name)
    except MeshdslError as error:
        yield 1, f"no objects: {len(error.diagnostics)} findings for this cluster; meshdsl build shows them", ""
        return
    owners = {(service.namespace, service.name): "the service", (service.namespace, ""): "its namespace"}
    for owner, what in owners.items():
        made = [str(manifest.ref) for manifest in bundle.manifests if manifest.owner == owner]
        yield from [(1, f"objects of {what}:", "")] if made else []
        yield from ((2, ref, "") for ref in made)


def _level(target: Target, use: Use) -> tuple[str, str]:
    """The level as it holds for this profile, and what there is to know about it."""
    cell = target.level_of(use.feature)
    granted = cell.granted is None or cell.granted(target)
    if cell.level is Level.CONDITIONAL:
        return ("exact, condition granted", "") if granted else ("condition not granted", f"{cell.note}; {cell.help}")
    if cell.level is Level.APPROXIMATE:
        accepted = use.feature.code in {*use.source.accept, *target.accept}
        return f"approximate, {'accepted' if accepted and granted else 'not accepted'}", cell.note
    return str(cell.level), cell.note
