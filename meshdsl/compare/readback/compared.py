"""The two plans that a comparison with live objects is about, in the same form.

Both are read from objects: those that are there, and those that would be there after the apply, so that a field of
somebody else that stays on an object of ours counts on both sides. Read are the objects of this policy set and, of
objects that belong to others, the labels and annotations that are ours: those that we write, and those that we wrote.
What stays beside ours as it is is in neither plan. Of what could not be read on either side nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar, cast

from meshdsl.compare.live import LiveObject
from meshdsl.compare.ownership import Hand, Owners, is_ours
from meshdsl.compare.readback import texts
from meshdsl.compare.readback.draft import Doubt, Facet, note_of
from meshdsl.compare.readback.reader import read
from meshdsl.compare.readback.texts import mapping
from meshdsl.compare.readback.told import told
from meshdsl.compare.readback.withheld import spread
from meshdsl.compiler import Bundle
from meshdsl.manifest import Manifest
from meshdsl.plan.intent import Namespace, Plan, Service

_Ref = tuple[str, str, str, str]
_T = TypeVar("_T")

_PLACES: Final[tuple[tuple[str, ...], ...]] = (
    ("metadata",),
    ("spec", "template", "metadata"),
    ("spec", "jobTemplate", "spec", "template", "metadata"),
)
"""Where labels and annotations are that a mesh reads."""


class Compared(NamedTuple):
    """The two plans.

    Attributes:
        before: the plan that was read back; None if nothing could be read.
        after: what would be read back after the apply, with the lines of the policies.
        note: the sentence about what could not be read.
        doubts: what nothing is said of because of that.
    """

    before: Plan | None
    after: Plan
    note: str
    doubts: frozenset[Doubt]


def compared(
    objects: Iterable[LiveObject],
    bundle: Bundle,
    *,
    after: Iterable[LiveObject],
    adopt: bool = False,
    applied: bool = False,
    withheld: Collection[Doubt] = (),
) -> Compared:
    """What holds and what would hold, to be given to ``policy_view.changes`` and ``risk.findings``.

    Args:
        objects: that are there.
        bundle: what is to be applied.
        after: the objects after the apply.
        adopt: whether objects of others that bear the names of ours would be replaced.
        applied: the objects are files of ours: all that stands in them is ours.
        withheld: of which nothing may be said, because kinds that tell it were not read; without a name it is all of
            a namespace, and without both all there is.
    """
    old, new = (
        read(_chosen(every, bundle, adopt=adopt, applied=applied), bundle.target, inventory=bundle.plan)
        for every in (objects, after)
    )
    meant = told(bundle.plan, bundle.target)
    would = _with_lines(new.plan, meant) if new.plan is not None else meant
    note = note_of((*old.unread, *new.unread))
    doubts = old.doubts | new.doubts
    if old.plan is None:
        return Compared(None, would, note, doubts)
    return Compared(_doubted(old.plan, would, doubts | spread(withheld, old.plan, would)), would, note, doubts)


def _with_lines(found: _T, meant: _T) -> _T:
    """What was read, with the lines of what is meant wherever that is the same."""
    if found == meant:
        return meant
    if isinstance(found, tuple) and isinstance(meant, tuple):
        same = len(found) == len(meant)
        parts = (
            next((other for other in meant if other == one), _with_lines(one, meant[index]) if same else one)
            for index, one in enumerate(found)
        )
        return cast("_T", tuple(parts))
    if not is_dataclass(found) or type(found) is not type(meant) or isinstance(found, type):
        return found
    parts_of = {
        one.name: _with_lines(getattr(found, one.name), getattr(meant, one.name)) for one in fields(found) if one.init
    }
    return replace(found, **parts_of)


def _doubted(plan: Plan, would: Plan, doubts: frozenset[Doubt]) -> Plan:
    """A plan in which what is in doubt is as it would be, so that nothing is said of it."""
    if not doubts:
        return plan
    spaces, services = {n.name: n for n in would.namespaces}, {(s.namespace, s.name): s for s in would.services}
    mesh = plan.mesh
    if ("", "", Facet.MTLS) in doubts:
        mesh = replace(mesh, mtls=would.mesh.mtls)
    if ("", "", Facet.ACCESS) in doubts:
        mesh = replace(mesh, default_deny=would.mesh.default_deny)
    return Plan(
        plan.set_name,
        mesh,
        tuple(_namespace(n, spaces[n.name], doubts) if n.name in spaces else n for n in plan.namespaces),
        tuple(
            _service(s, services[s.namespace, s.name], doubts) if (s.namespace, s.name) in services else s
            for s in plan.services
        ),
    )


def _namespace(was: Namespace, now: Namespace, doubts: frozenset[Doubt]) -> Namespace:
    own, mesh = ({facet for space, name, facet in doubts if (space, name) == (at, "")} for at in (was.name, ""))
    if Facet.MTLS in own | mesh:
        was = replace(was, effective_mtls=now.effective_mtls, mtls=now.mtls if Facet.MTLS in own else was.mtls)
    if Facet.ACCESS in own | mesh:
        deny = now.own_default_deny if Facet.ACCESS in own else was.own_default_deny
        was = replace(was, default_deny=now.default_deny, own_default_deny=deny)
    return replace(was, proxy=now.proxy) if Facet.PROXY in own else was


def _service(was: Service, now: Service, doubts: frozenset[Doubt]) -> Service:
    own = {facet for facet in Facet if (was.namespace, was.name, facet) in doubts}
    above = {facet for facet in Facet for space in (was.namespace, "") if (space, "", facet) in doubts}
    if Facet.MTLS in own | above:
        was = replace(was, effective_mtls=now.effective_mtls, mtls=now.mtls if Facet.MTLS in own else was.mtls)
    if Facet.ACCESS in own:
        was = replace(was, access=now.access)
    elif Facet.ACCESS in above:
        was = replace(was, access=replace(was.access, closed=now.access.closed))
    if Facet.PROXY in own:
        was = replace(was, proxy=now.proxy)
    if Facet.BREAKER in own:
        was = replace(was, breaker=now.breaker)
    if Facet.RULES in own:
        rules = {port.number: port.rules for port in now.ports}
        was = replace(was, ports=tuple(replace(port, rules=rules.get(port.number, ())) for port in was.ports))
    return was


# ------------------------------------------------------------------------------------------------- what is read at all


def _chosen(objects: Iterable[LiveObject], bundle: Bundle, *, adopt: bool, applied: bool) -> Iterator[LiveObject]:
    written: dict[_Ref, Manifest] = {
        (
            m.ref.api_version.partition("/")[0] if "/" in m.ref.api_version else "",
            m.ref.kind,
            m.ref.namespace,
            m.ref.name,
        ): m
        for m in bundle.manifests
    }
    for live in objects:
        found = written.get((texts.group_of(live), *texts.name_of(live)))
        if is_ours(live, bundle.plan.set_name) or (adopt and found is not None and not found.partial):
            yield live
        elif texts.group_of(live) in ("", "apps", "batch"):
            body = found.body if found is not None and found.partial else {}
            owners = Owners(live, partial=True, applied=applied, sets=(bundle.plan.set_name,))
            yield _own_part(live, body, owners)


def _own_part(live: LiveObject, ours: Mapping[str, Any], owners: Owners) -> LiveObject:
    """An object of others with its name, and the labels and annotations that are ours."""
    kind, namespace, name = texts.name_of(live)
    result: dict[str, Any] = {"apiVersion": live.get("apiVersion"), "kind": kind}
    for place in _PLACES:
        metadata: dict[str, Any] = {}
        for field in ("labels", "annotations"):
            mine = mapping(_at(ours, (*place, field)))
            kept = {
                key: value
                for key, value in mapping(_at(live, (*place, field))).items()
                if key in mine or owners.of((*place, field, key)) is Hand.OURS
            }
            if kept:
                metadata[field] = kept
        if metadata:
            inner = result
            for step in place[:-1]:
                inner = inner.setdefault(step, {})
            inner[place[-1]] = metadata
    result["metadata"] = {**result.get("metadata", {}), "name": name, **({"namespace": namespace} if namespace else {})}
    return result


def _at(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        value = mapping(value).get(step)
    return value
