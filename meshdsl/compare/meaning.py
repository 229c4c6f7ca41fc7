"""What a comparison means: the views of policies and of access, and the risks.

Where both sides have a plan, plans are compared. Else what is there is compared with what would be there after the
apply (:mod:`meshdsl.compare.applying`), both read back, so that whatever others have in the cluster, beside our objects
or on them, is on both sides; what of it decides who may call ours is said in a note. A view that cannot be told,
because something it needs could not be read, says so and shows nothing: half an answer would be a wrong one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meshdsl.compare.applying import ABOUT_ACCESS, Outcome, after_apply, sentence
from meshdsl.compare.kinds import CRD, of_other_targets
from meshdsl.compare.leading import leading
from meshdsl.compare.live import LiveObject, Snapshot, Unknown
from meshdsl.compare.normalise import Key, key_of, key_of_ref, labels_of, metadata_of
from meshdsl.compare.objects import Coverage, Differences
from meshdsl.compare.ownership import MANAGER, is_ours
from meshdsl.compare.report import Action, DiffReport, ObjectChange, PolicyChange, Risk, RiskFinding
from meshdsl.compiler import Bundle
from meshdsl.manifest import MANAGED_BY, SET_LABEL
from meshdsl.plan.intent import Plan
from meshdsl.targets.base import Target

if TYPE_CHECKING:
    from meshdsl.compare.access import Effect
    from meshdsl.compare.readback import Compared, Doubt

_OF_A_SET = "meshdsl set "
_NOT_ACCESS = frozenset({"Canary", "DestinationRule", "Pod", "Rollout", "TrafficSplit", "VirtualService"})
"""Kinds that never decide who may call what; without the pods that is told as if nobody had asked for them."""
_MOST = 8
"""More sentences of one kind than this are counted and not said in a note."""


@dataclass(frozen=True)
class Meaning:
    """The views of meaning, and the risks, of a comparison.

    Attributes:
        bundle: what would be.
        snapshot: what is.
        found: the differences of the objects.
        before: the plan that the snapshot was compiled from, if it is known.
        was: the target that it was compiled for, if it is known.
        adopt: objects that are in the way and not ours are taken over.
        sets: names of the policy sets whose objects are ours.
    """

    bundle: Bundle
    snapshot: Snapshot
    found: Differences
    before: Plan | None
    was: Target | None
    adopt: bool
    sets: frozenset[str]

    def added_to(self, report: DiffReport, views: Collection[str]) -> DiffReport:
        """The report with the views that are asked for, and the risks."""
        old, new, note, doubts = self._plans()
        if "policy" in views:
            report = self._policy(report, old, new, note)
        opened: list[RiskFinding] = []
        if "access" in views:
            report, opened = self._access(report, self._gap(self._unknown))
        if self.before is None:
            report = self._noted(report, views)
        if self.before is None and old is new and not opened:  # nothing differs, and nothing is unknown
            return report
        from meshdsl.compare import risk  # noqa: PLC0415 - the parts that tell meaning are read when it is asked for
        from meshdsl.compare.untold import untold  # noqa: PLC0415

        found = risk.findings(report, old, new, self.bundle, self.snapshot, more=[*opened, *self._freed()])
        return replace(report, risks=found, untold=untold(doubts, self.found.changes, self.bundle.plan))

    # -------------------------------------------------------------------------------------------------------- policies

    def _plans(self) -> tuple[Plan | None, Plan, str, frozenset[Doubt]]:
        """What holds and what would, in one form, what that form cannot tell, and of what it therefore says nothing."""
        if self.before is not None:
            return self.before, self.bundle.plan, "", frozenset()
        if self._is_as_compiled and not self._unknown:
            return self.bundle.plan, self.bundle.plan, "", frozenset()
        found = self._read(self._after, adopt=self.adopt)
        return found.before, found.after, _joined((self._withheld[1], found.note)), found.doubts

    def _read(self, after: Outcome, *, adopt: bool) -> Compared:
        from meshdsl.compare import readback  # noqa: PLC0415

        return readback.compared(
            self._live,
            self.bundle,
            after=after.objects,
            adopt=adopt,
            applied=bool(self.snapshot.applied),
            withheld=self._withheld[0],
        )

    @cached_property
    def _withheld(self) -> tuple[frozenset[Doubt], str]:
        """What is not told because its kinds could not be read, and why."""
        from meshdsl.compare import readback  # noqa: PLC0415

        return readback.withheld(self._unknown, self.bundle.target.name)

    def _policy(self, report: DiffReport, old: Plan | None, new: Plan, note: str) -> DiffReport:
        if old is new and self.was is None:
            return replace(report, policy_note=note)
        from meshdsl.compare import policy_view  # noqa: PLC0415

        changes = policy_view.changes(old, new, modes_of_closed=self._modes_of_closed) if old is not None else ()
        if self.was is not None:
            changes += policy_view.trust_domains(self.was, self.bundle.target)
        return replace(report, policy=(*changes, *self._if_adopted(changes)), policy_note=note)

    def _if_adopted(self, changes: Collection[PolicyChange]) -> Iterator[PolicyChange]:
        """What would change, too, if the objects that are in the way were taken over."""
        from meshdsl.compare import policy_view  # noqa: PLC0415

        if self.before is not None or not self._conflicts:
            return
        old, new, *_ = self._read(self._applied(adopt=True), adopt=True)
        known = {change.sentence for change in changes}
        for change in policy_view.changes(old, new, modes_of_closed=self._modes_of_closed) if old is not None else ():
            if change.sentence not in known:
                yield replace(change, sentence=f"would be, with --adopt: {change.sentence}")

    @property
    def _modes_of_closed(self) -> bool:
        """Whether the mTLS mode of what is closed is known on both sides: objects of Linkerd do not tell it."""
        return self.before is not None or self.bundle.target.name != "linkerd"

    # ---------------------------------------------------------------------------------------------------------- access

    def _access(self, report: DiffReport, gap: str) -> tuple[DiffReport, list[RiskFinding]]:
        """The report with the view, and what others let in."""
        from meshdsl.compare import access  # noqa: PLC0415

        if self.before is not None:
            found = access.between(self.before, self.bundle.plan, self.was, self.bundle.target)
            return replace(report, access=found), []
        if gap:
            return replace(report, access_note=f"who may call what is not compared: {gap}"), []
        target, plan = self.bundle.target, self.bundle.plan
        old = access.of_objects(self._live, target, plan)
        then = self._live if self._is_as_compiled else self._after.objects
        effects = access.beside(then, target, plan, self._whose)
        of_others = _some([one.sentence for one in effects])
        lacking = _some(list(access.gaps(self._whole(then), target, plan, all_services=self._knows_services())))
        if self._is_as_compiled:
            return replace(report, access_note=_joined((*of_others, *lacking, *old.notes))), _opened(effects)
        new = access.of_objects(then, target, plan)
        if self._conflicts:
            adopted = access.of_objects(self._applied(adopt=True).objects, target, plan)
            in_the_way = access.instead("what is in the way of ours", adopted, new)
            of_others = [*_some([one.sentence for one in in_the_way]), *of_others]
        if any(one.ref.kind in ABOUT_ACCESS for one in self._after.beside):
            alone = access.of_objects(self._alone(), target, plan)
            fields = access.instead("what others set on ours", alone, new)
            of_others = [*_some([one.sentence for one in fields]), *of_others]
            effects = (*fields, *effects)
        note = _joined((*of_others, *lacking, *old.notes, *new.notes))
        return replace(report, access=access.changes(old, new), access_note=note), _opened(effects)

    def _freed(self) -> Iterable[RiskFinding]:
        """Pods of no service that objects of ours let go of."""
        if self.before is not None or self._is_as_compiled:
            return ()
        from meshdsl.compare.risk_pods import freed  # noqa: PLC0415

        return freed(
            self.found.changes,
            self._live,
            self._after.objects,
            self.bundle.plan,
            root_namespace=getattr(self.bundle.target, "root_namespace", ""),
            is_ours=lambda live: any(is_ours(live, name) for name in self.sets),
        )

    def _whose(self, live: LiveObject) -> str:
        """What an object is that the policies do not make; of those in the way of ours is spoken apart."""
        if key_of(live) in self._written:
            return ""
        if any(is_ours(live, name) for name in self.sets):
            return "is made no more and stays"
        labels = labels_of(live)
        if labels.get(MANAGED_BY) == MANAGER and labels.get(SET_LABEL):
            return f"is of policy set {labels[SET_LABEL]}"
        return "is not ours"

    def _alone(self) -> list[LiveObject]:
        """What would be there after the apply if nobody had set anything on our objects."""
        bodies = {key_of_ref(one.ref): one.body for one in self.bundle.manifests if not one.partial}
        with_fields = {key_of_ref(one.ref) for one in self._after.beside}
        nothing: dict[str, Any] = {"labels": {}, "annotations": {}}
        return [
            {**bodies[key], "metadata": {**metadata_of(one), **nothing, **metadata_of(bodies[key])}}
            if (key := key_of(one)) in with_fields
            else one
            for one in self._after.objects
        ]

    def _whole(self, then: Iterable[LiveObject]) -> list[LiveObject]:
        """The objects that are there as a whole: not those of which only our fields are known."""
        there = {key_of(one) for one in self._live} - self.snapshot.applied
        return [one for one in then if key_of(one) in there]

    def _knows_services(self) -> bool:
        """Whether the snapshot is of a cluster, and has all Services of the namespaces that are meant."""
        read = {one.namespace for one in self.snapshot.scopes if (one.kind.group, one.kind.kind) == ("", "Service")}
        there = any(metadata_of(one).get("uid") for one in self._live)
        return there and ("" in read or read >= {service.namespace for service in self.bundle.plan.services})

    # ----------------------------------------------------------------------------------------------------------- notes

    def _noted(self, report: DiffReport, views: Collection[str]) -> DiffReport:
        """The report with notes about what others have; each note once, whatever views are asked for."""
        about_access, others = self._of_others()
        said = [*self._in_the_way(), *self._refused()]
        if "policy" in views:
            beside = others if "access" in views else [*others, *about_access]
            report = replace(report, policy_note=_joined((*said, report.policy_note, *_some(beside))))
        if "access" in views:
            said = [] if "policy" in views else said
            report = replace(report, access_note=_joined((*said, report.access_note, *_some(about_access))))
        return report

    def _of_others(self) -> tuple[list[str], list[str]]:
        """Sentences about fields of others on our objects: those about who may call what, and the rest."""
        beside = () if self._is_as_compiled else self._after.beside
        found: tuple[list[str], list[str]] = ([], [])
        for one in beside:
            found[0 if one.ref.kind in ABOUT_ACCESS else 1].append(sentence(one))
        then = self._live if self._is_as_compiled else self._after.objects
        found[1].extend(leading(then, self.bundle.target, self.bundle.plan, self._whose))
        return found

    def _in_the_way(self) -> list[str]:
        """A sentence about the objects that are in the way, if there are any."""
        count = len(self._conflicts)
        if not count:
            return []
        sets = Counter(one.owner.removeprefix(_OF_A_SET) for one in self._conflicts if one.owner.startswith(_OF_A_SET))
        whole = sum(not one.partial for one in self.bundle.manifests)
        own = self.bundle.plan.set_name
        if len(sets) == 1 and sets.total() == count == whole:
            (name,) = sets
            way_out = f"if the set was renamed, --adopt takes them over (what {name} had beside them stays)"
            whose = f"all {count} objects are there and belong to policy set {name}, and this one is {own}"
            return [f"{whose}: {way_out}; without it this comparison leaves them as they are, but {self._stops}"]
        if count == 1:
            (one,) = self._conflicts
            return [f"{one.ref} is there and not ours, and compared as it stays without --adopt; but {self._stops}"]
        named = ", ".join(str(one.ref) for one in self._conflicts[:3]) + (f" and {count - 3} more" if count > 3 else "")
        return [f"{named} are there and not ours, and compared as they stay without --adopt; but {self._stops}"]

    def _refused(self) -> list[str]:
        """A sentence about the objects that the API server does not take, if there are any."""
        names = [str(change.ref) for change in self.found.changes if change.dropped]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
        return [f"the API server refuses {shown}: compared as if it were not applied"] if names else []

    @property
    def _stops(self) -> str:
        """What an apply would do with what is in the way."""
        return "; ".join(dict.fromkeys(one.notes[0] for one in self._conflicts))

    # ----------------------------------------------------------------------------------------------------- what is what

    @cached_property
    def _live(self) -> list[LiveObject]:
        """What is live; what somebody drives is taken as if nobody did.

        What an earlier target of the cluster has left of ours is not for this mesh, and not read.
        """
        elsewhere = {(kind.group, kind.kind) for kind in of_other_targets(self.bundle.target.name)}
        return [
            self.found.settled.get(key_of(one), one)
            for one in self.snapshot.objects
            if key_of(one)[:2] not in elsewhere or not any(is_ours(one, name) for name in self.sets)
        ]

    @property
    def _unknown(self) -> list[Unknown]:
        """What could not be read of what this mesh reads."""
        return [one for one in self.snapshot.unknown if not one.scope.selector]

    @cached_property
    def _written(self) -> frozenset[Key]:
        return frozenset(key_of_ref(one.ref) for one in self.bundle.manifests)

    @cached_property
    def _conflicts(self) -> list[ObjectChange]:
        return [change for change in self.found.changes if change.action is Action.CONFLICT]

    @cached_property
    def _after(self) -> Outcome:
        return self._applied(adopt=False)

    def _applied(self, *, adopt: bool) -> Outcome:
        """What would be there; what nobody knows whether it is there is left as it is."""
        changes = self.found.changes
        coverage = Coverage(self.snapshot.scopes, self.snapshot.unknown)
        known = {key_of(one) for one in self.snapshot.objects}
        left = {key_of_ref(one.ref) for one in changes if one.dropped}
        left |= set() if adopt else {key_of_ref(one.ref) for one in self._conflicts}
        manifests = [
            one
            for one in self.bundle.manifests
            if (key := key_of_ref(one.ref)) not in left and (key in known or not coverage.is_unknown(key))
        ]
        deleted = [one.ref for one in changes if one.action is Action.DELETE]
        removed = {
            key_of_ref(one.ref): [change.path for change in one.fields]
            for one in changes
            if one.action is Action.UPDATE and one.partial and one.ours is None
        }
        return after_apply(
            self._live,
            manifests,
            deleted,
            removed=removed,
            crds=self.snapshot.crds,
            applied=self.snapshot.applied,
            sets=self.sets,
        )

    @cached_property
    def _is_as_compiled(self) -> bool:
        """Whether all that is ours is there as it is compiled, and nobody drives any of it or has added to it.

        Then reading it back would give the compiled plan, and applying it would change nothing.
        """
        return not (self.found.changes or self.found.settled or self.found.shared)

    @staticmethod
    def _gap(unknown: Iterable[Unknown]) -> str:
        """Why it is not known who may call what; empty if it is."""
        names = [str(one.scope) for one in unknown if one.scope.kind != CRD and one.scope.kind.kind not in _NOT_ACCESS]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"{names[0]}{more} could not be read" if names else ""


def _joined(notes: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _opened(effects: Iterable[Effect]) -> list[RiskFinding]:
    """What others let in, as risks."""
    found: list[RiskFinding] = []
    for one in effects:
        spaces = {service.partition("/")[0] for service in one.services}
        subject = one.services[0] if len(one.services) == 1 else f"namespace {min(spaces)}" if spaces else ""
        subject = f"namespace {subject[:-2]}" if subject.endswith("/*") else subject
        if one.opens:
            found.append(RiskFinding(Risk.OPENED_BY_OTHERS, subject if len(spaces) == 1 else "the mesh", one.sentence))
    return found


def _some(sentences: list[str]) -> list[str]:
    """Some of many sentences, and how many more there are."""
    more = len(sentences) - _MOST
    return [*sentences[:_MOST], f"{more} more of the kind"] if more > 0 else sentences
