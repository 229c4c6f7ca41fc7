"""From policies to manifests for one target: resolve, check, lower, sort.

Nothing is emitted when anything is wrong: all diagnostics of all stages that could run are raised together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import get_args

from meshdsl import checks
from meshdsl.diagnostics import CompileError, Diagnostic, Origin, Severity, in_order
from meshdsl.manifest import Manifest, ObjectRef
from meshdsl.model.base import Declared, Policy
from meshdsl.model.policy_set import PolicySet
from meshdsl.output import Written, write
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Plan
from meshdsl.plan.resolve import resolve
from meshdsl.plan.uses import Use, uses
from meshdsl.render import document
from meshdsl.targets.base import Level, Support, Target, TargetName


@dataclass(frozen=True, slots=True)
class Bundle:
    """What policies became on one target.

    Attributes:
        target: that target, with its profile.
        plan: what the policies mean.
        manifests: in the order to apply them.
        policies: how many policies were compiled.
        warnings: what is worth knowing and did not stop the build.
    """

    target: Target
    plan: Plan
    manifests: tuple[Manifest, ...]
    policies: int
    warnings: tuple[Diagnostic, ...] = ()

    def files(self) -> dict[str, str]:
        """The files that ``meshdsl build`` writes for this target: relative path → text."""
        owned: dict[tuple[str, str], list[Manifest]] = {}
        for manifest in self.manifests:
            owned.setdefault(manifest.owner, []).append(manifest)
        return {path_of(owner): document(owned[owner], self._sources(owner)) for owner in sorted(owned)}

    def write(self, directory: str | Path) -> Written:
        """Write :meth:`files` below a directory, and remove files of ours that are no longer produced.

        Raises:
            OutputError: the directory cannot be written, or holds files that are not ours in the way.
        """
        return write(self.files(), Path(directory))

    def _sources(self, owner: tuple[str, str]) -> tuple[str, ...]:
        namespace, service = owner
        if service:
            return self.plan.service(namespace, service).files
        if namespace:
            return self.plan.namespace(namespace).files
        return self.plan.mesh.files


def path_of(owner: tuple[str, str]) -> str:
    """The file of a service, a namespace or the mesh. A service's name cannot start with ``_``."""
    namespace, service = owner
    if not namespace:
        return "_mesh.yaml"
    return f"{namespace}/{service or '_namespace'}.yaml"


def build(policies: PolicySet | Iterable[Declared], target: Target, *, cluster: str = "") -> Bundle:
    """Compile policies for one target.

    Args:
        policies: what :func:`meshdsl.load` returns, or policy objects.
        target: ``Istio()``, ``Ambient()`` or ``Linkerd()``, with its profile.
        cluster: name for diagnostics; the target's name if empty.

    Returns:
        The manifests, with the plan they come from.

    Raises:
        CompileError: policies contradict each other, or mean something that the target cannot do.
    """
    name = cluster or target.name
    chosen = meant_for(policies, target)
    plan = meaning(chosen, name)
    found = [*_unknown_codes(chosen), *checks.check(plan), *unsupported(plan, target), *target.check(plan)]
    if any(one.severity is Severity.ERROR for one in found):
        raise CompileError(one.on(name) for one in found)
    manifests = _once(sorted(_lowered(plan, target), key=lambda m: m.phase))
    clashes = list(_clashes(manifests))
    if clashes:
        raise CompileError(one.on(name) for one in clashes)
    count = sum(isinstance(o, Policy) for o in chosen.objects)
    return Bundle(target, plan, tuple(manifests), count, in_order(one.on(name) for one in found))


def meant_for(policies: PolicySet | Iterable[Declared], target: Target) -> PolicySet:
    """The policies that are meant for a target: ``only`` leaves the others out, and nothing else does."""
    policy_set = policies if isinstance(policies, PolicySet) else PolicySet(tuple(policies))
    chosen = (o for o in policy_set.objects if not isinstance(o, Policy) or not o.only or target.name in o.only)
    return replace(policy_set, objects=tuple(chosen))


def meaning(policies: PolicySet, cluster: str) -> Plan:
    """What the policies of a cluster mean. Raises CompileError, said of that cluster."""
    try:
        return resolve(policies)
    except CompileError as error:
        raise CompileError(found.on(cluster) for found in error.diagnostics) from None


def _lowered(plan: Plan, target: Target) -> Iterator[Manifest]:
    yield from target.lower_mesh(plan)
    for namespace in plan.namespaces:
        yield from target.lower_namespace(namespace, plan)
    for service in plan.services:
        yield from target.lower_service(service, plan)


def _once(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Without repetitions: two services of one workload may both ask for the same fields of it."""
    kept: list[Manifest] = []
    partial: dict[ObjectRef, Manifest] = {}
    for manifest in manifests:
        first = partial.setdefault(manifest.ref, manifest) if manifest.partial else manifest
        if first is manifest or first.body != manifest.body:
            kept.append(manifest)
    return kept


def _clashes(manifests: Iterable[Manifest]) -> Iterator[Diagnostic]:
    """One object must not be written twice: the second would undo the first."""
    seen: dict[ObjectRef, Manifest] = {}
    for manifest in manifests:
        first = seen.setdefault(manifest.ref, manifest)
        if first is not manifest:
            origin: Origin | None = next(iter((*manifest.origins, *first.origins)), None)
            yield Diagnostic(
                "MESH391",
                f"two policies lead to the same object {manifest.ref}",
                origin,
                reason="applying one would undo the other",
                help="rename one of the services or routes",
            )


# ------------------------------------------------------------------------------------------------------------ support

_ACCEPTABLE = {"MESH402", "MESH404"}


def _unknown_codes(policies: PolicySet) -> Iterator[Diagnostic]:
    """A misspelt code in ``accept`` would accept nothing, in silence."""
    known = {feature.code for feature in Feature} | _ACCEPTABLE
    for declared in policies.objects:
        for code in declared.accept if isinstance(declared, Policy) else ():
            if code not in known:
                yield Diagnostic(
                    "MESH205",
                    f"no approximation has the code {code}",
                    declared.origin,
                    "accept",
                    help="the code of an error that can be accepted stands in its message",
                )


def unsupported(plan: Plan, target: Target) -> Iterator[Diagnostic]:
    """What the plan asks for and the target does not grant, feature by feature."""
    granted = frozenset(feature for feature in Feature if _is_granted(feature, target, ()))
    for part in (plan.mesh, *plan.namespaces, *plan.services):
        for use in uses(part, but=granted):
            refusal = refused(use, target)
            if refusal is not None:
                yield refusal


def refused(use: Use, target: Target) -> Diagnostic | None:
    """Why a target does not grant a feature, or None if it does."""
    if _is_granted(use.feature, target, use.source.accept):
        return None
    support, code = target.level_of(use.feature), use.feature.code
    granted = support.granted is None or support.granted(target)
    return Diagnostic(
        code,
        f"{target.title}: {use.feature.title}: {_verdict(support, granted=granted)}",
        use.source.origin,
        _argument(use),
        reason=support.note,
        help=_way_out(use, target, granted=granted),
    )


def _is_granted(feature: Feature, target: Target, accepted: Iterable[str]) -> bool:
    """Whether a target does what a feature asks for; ``accepted`` are the codes that its policy accepts."""
    support = target.level_of(feature)
    if support.level is Level.EXACT:
        return True
    if support.granted is not None and not support.granted(target):
        return False
    takes = feature.code in accepted or feature.code in target.accept
    return support.level is Level.CONDITIONAL or (support.level is Level.APPROXIMATE and takes)


def _verdict(support: Support, *, granted: bool) -> str:
    if support.level is Level.APPROXIMATE and granted:
        return "only approximately"
    return {
        Level.NEVER: "not possible",
        Level.NOT_YET: "not supported yet",
    }.get(support.level, "not with this profile")


def _way_out(use: Use, target: Target, *, granted: bool) -> str:
    support, code = target.level_of(use.feature), use.feature.code
    able = tuple(_able(use.feature, but=target.name))
    names = ", ".join(f'"{name}"' for name in able) + "," * (len(able) == 1)
    if support.level is Level.APPROXIMATE and granted:
        accept = f'accept it with accept=("{code}",) on the policy or accept = ["{code}"] on the cluster'
        leave = f"or only=({names}) to leave this mesh out" if able else ""
        return "; ".join(filter(None, (support.help, accept, leave)))
    leave = f"only=({names}) leaves this mesh out" if able else ""
    accepted = code in (*use.source.accept, *target.accept)
    no_use = f"to accept {code} does not help here: it would accept an approximation, and there is none"
    return "; ".join(filter(None, (support.help, leave, no_use if accepted else "")))


def _able(feature: Feature, *, but: str) -> Iterator[str]:
    """The other meshes that have a way to do it. Their tables are looked at when something is refused, not before."""
    for name in get_args(TargetName):
        table = import_module(f"meshdsl.targets.{name}.support").SUPPORT if name != but else {}
        if feature in table and table[feature].level not in (Level.NEVER, Level.NOT_YET):
            yield name


def _argument(use: Use) -> str:
    """The argument that asks for a feature: of several that may, the first that the policy gives."""
    names = ARGUMENTS.get(use.feature, (use.field,))
    return next((name for name in names if getattr(use.value, name, None)), names[0])


ARGUMENTS: Mapping[Feature, tuple[str, ...]] = {
    Feature.CANARY_MATCH: ("when",),
    Feature.SPLIT: ("percent",),
    Feature.TIMEOUT: ("request",),
    Feature.RETRY: ("attempts",),
    Feature.RETRY_5XX: ("retry_on",),
    Feature.RETRY_RESET: ("retry_on",),
    Feature.RETRY_4XX: ("retry_on",),
    Feature.RETRY_GRPC: ("retry_on",),
    Feature.RETRY_NONE: ("",),
    Feature.MIRROR: ("to",),
    Feature.REDIRECT: ("",),
    Feature.ALLOW_ACCOUNT: ("callers",),
    Feature.ALLOW_NAMESPACE: ("callers",),
    Feature.MTLS_STRICT: ("mode",),
    Feature.MTLS_PERMISSIVE: ("mode",),
    Feature.MTLS_MESH: ("subject",),
    Feature.DEFAULT_DENY: ("subject",),
    Feature.DEFAULT_DENY_MESH: ("subject",),
    Feature.SIDECAR_RESOURCES: ("cpu_request", "cpu_limit", "memory_request", "memory_limit"),
    Feature.BREAKER_POOL: ("max_connections", "max_pending_requests", "max_requests", "max_requests_per_connection"),
    Feature.BREAKER_OUTLIER: ("consecutive_5xx", "consecutive_gateway_errors"),
}
"""The arguments that ask for a feature, where there are several or they are not called like the field of the plan."""
