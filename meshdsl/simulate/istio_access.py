"""Who is let in: the AuthorizationPolicies that hold at one place, and what they decide.

A policy holds for the pods of its namespace that its selector takes, of every namespace if it is in the root one; a
sidecar and ztunnel ignore one with ``targetRefs``, a waypoint one without. CUSTOM and DENY refuse before ALLOW lets in;
without an ALLOW policy everybody is let in, an ALLOW policy without rules lets nobody in. AUDIT and a policy on trial
(``istio.io/dry-run``) refuse nobody; ztunnel knows neither CUSTOM nor AUDIT, and enforces nothing of them
(``pilot/pkg/security/authz/builder/builder.go``, ``pilot/pkg/serviceregistry/ambient/authorization.go``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from meshdsl.simulate.fields import (
    Body,
    annotations_of,
    labelled,
    mapping,
    namespace_of,
    not_known,
    only,
    sequence,
    some_hold,
    title,
)
from meshdsl.simulate.istio_rules import Reader, Rule, Seen, rule_of
from meshdsl.simulate.words import Labels, NotModelled

DRY_RUN: Final = "istio.io/dry-run"
_SPEC: Final = ("selector", "targetRef", "targetRefs", "action", "rules", "provider")
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})


@dataclass(frozen=True, slots=True)
class TargetRef:
    """What a policy is attached to beside a selector."""

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A policy that holds at a place, as its reader reads it.

    Attributes:
        where: the object.
        rules: one of them must match.
        ignored: why it decides nothing; empty if it does.
    """

    where: str
    action: str
    rules: tuple[Rule, ...]
    ignored: str = ""

    def holds(self, seen: Seen) -> bool:
        """Whether one of its rules matches."""
        return some_hold([one.holds for one in self.rules], seen)


class Gate:
    """The policies of one place: a pod's port before its sidecar or ztunnel, or a service's at its waypoint.

    Attributes:
        policies: all that are about that place, also those that decide nothing.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(policies)
        counting = [one for one in self.policies if not one.ignored]
        self.deny = tuple(one for one in counting if one.action == "DENY")
        self.allow = tuple(one for one in counting if one.action == "ALLOW")
        self.custom = tuple(one for one in counting if one.action == "CUSTOM")
        self._denies = [rule.holds for one in self.deny for rule in one.rules if not rule.absent]
        self._allows = [rule.holds for one in self.allow for rule in one.rules if not rule.absent]
        self._asks = [_asked(one) for one in self.custom]

    @property
    def is_open(self) -> bool:
        """Whether nothing decides, so that everybody is let in."""
        return not (self.deny or self.allow or self.custom)

    def admits(self, seen: Seen) -> bool:
        """Whether a request or connection is let in.

        Raises:
            NotModelled: it depends on something that is not known.
        """
        unknown: NotModelled | None = None
        for refused, when in ((self._denies, True), (self._asks, True), (self._allows, False)):
            try:
                if when is False and not self.allow:
                    continue
                if some_hold(refused, seen) is when:
                    return False
            except NotModelled as error:
                unknown = unknown or error
        if unknown is not None:
            raise unknown
        return True


class AuthorizationPolicies:
    """All AuthorizationPolicies, by namespace and by what they are attached to.

    Args:
        bodies: the objects.
        root: the root namespace.
    """

    def __init__(self, bodies: Iterable[Body], root: str) -> None:
        self._root = root
        self._whole: dict[str, list[Body]] = {}
        self._selecting: dict[str, dict[tuple[str, str], list[tuple[Labels, Body]]]] = {}
        self._attached: dict[TargetRef, list[Body]] = {}
        self._gates: dict[tuple[object, ...], Gate] = {}
        for body in bodies:
            references = target_refs(body)
            selected = _selected(body)
            if references:
                for one in references:
                    self._attached.setdefault(one, []).append(body)
            elif selected:
                selecting = self._selecting.setdefault(namespace_of(body), {})
                selecting.setdefault(min(selected), []).append((selected, body))
            else:
                self._whole.setdefault(namespace_of(body), []).append(body)

    def at_pod(self, namespace: str, pod: Labels, port: int | str, reader: Reader) -> Gate:
        """The policies that a sidecar or ztunnel reads before the pods with these labels.

        Raises:
            NotModelled: a policy says something about itself that is not known.
        """
        bodies: list[Body] = []
        for scope in dict.fromkeys((self._root, namespace)):
            bodies += self._whole.get(scope, ())
            selecting = self._selecting.get(scope, {})
            for label in sorted(pod):
                bodies += [body for selected, body in selecting.get(label, ()) if selected <= pod]
        key = (*map(id, bodies), port, reader)
        if key not in self._gates:  # pods that the same policies are about have one gate
            self._gates[key] = Gate(_policy(body, reader, port) for body in bodies)
        return self._gates[key]

    def at_waypoint(self, references: Sequence[TargetRef], port: int, *, http: bool) -> Gate:
        """The policies that a waypoint reads for one of the things that are attached to it."""
        found = {id(body): body for one in references for body in self._attached.get(one, ())}
        reader = Reader.REQUESTS if http else Reader.BYTES
        return Gate(_policy(body, reader, port) for body in found.values())


def target_refs(body: Body) -> tuple[TargetRef, ...]:
    """What a policy is attached to by ``targetRefs``; nothing for one with a selector, or with neither."""
    spec = mapping(body.get("spec"), title(body))
    given = [*sequence(spec.get("targetRefs"), title(body)), *([spec["targetRef"]] if spec.get("targetRef") else [])]
    namespace = namespace_of(body)
    return tuple(
        TargetRef(_group(one), str(one.get("kind") or ""), namespace, str(one.get("name") or "")) for one in given
    )


def _group(reference: Body) -> str:
    group = str(reference.get("group") or "")
    return "" if group == "core" else group


def _policy(body: Body, reader: Reader, port: int | str) -> Policy:
    where = title(body)
    spec = only(body.get("spec"), _SPEC, f"{where} spec")
    only(spec.get("selector"), ("matchLabels",), f"{where} spec.selector")
    action = str(spec.get("action") or "ALLOW")
    rules = tuple(
        rule_of(
            one,
            f"{where} spec.rules[{n}]",
            deny=action != "ALLOW",
            reader=reader,
            namespace=namespace_of(body),
            port=port,
        )
        for n, one in enumerate(sequence(spec.get("rules"), f"{where} spec.rules"))
    )
    found = Policy(where, action, rules)
    if annotations_of(body).get(DRY_RUN, "") in _TRUE:
        return replace(found, ignored=f"it is on trial ({DRY_RUN})")
    if action == "AUDIT":
        return replace(found, ignored="it only audits")
    if action == "CUSTOM" and reader is Reader.ZTUNNEL:
        return replace(found, ignored="ztunnel enforces nothing of a CUSTOM policy")
    if action not in ("ALLOW", "DENY", "CUSTOM"):
        raise NotModelled(f"{where} spec.action", f"the action {action} is not modelled")
    return found


def _asked(policy: Policy) -> Callable[[Seen], bool]:
    """A CUSTOM policy: what it takes is decided by somebody who is asked."""
    ask = not_known(policy.where, "who is let in is decided by an external authorizer")
    return lambda seen: policy.holds(seen) and ask(seen)


def _selected(body: Body) -> Labels:
    selector: Any = mapping(body.get("spec"), title(body)).get("selector")
    return labelled(mapping(mapping(selector, title(body)).get("matchLabels"), title(body)))
