"""The access of an Istio mesh with sidecars, and the parts of it that Ambient shares.

A sidecar reads the AuthorizationPolicies of its namespace and of the root namespace that select its pod and have no
``targetRefs``: DENY before ALLOW, and as soon as one ALLOW is there, only what one of them names. PeerAuthentication is
the workload's, else the namespace's, else the mesh's, of two in one scope the older; STRICT keeps plain text out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from meshdsl.compare.access.facts import Facts, Named, PortFacts, Selectors
from meshdsl.compare.access.istio_rules import Body, Note, Place, Sees, rules_of
from meshdsl.compare.access.model import AccessReason, Cause, Rule, Way
from meshdsl.compare.live import LiveObject
from meshdsl.targets.base import Target

GROUP: Final = "security.istio.io"
_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
"""What Go reads as true in an annotation."""


@dataclass(frozen=True, slots=True)
class Policy:
    """An AuthorizationPolicy that is enforced: its name, whether it denies, its rules."""

    namespace: str
    name: str
    deny: bool
    rules: tuple[Body, ...]

    def __str__(self) -> str:
        return f"AuthorizationPolicy {self.namespace}/{self.name}"

    @property
    def named(self) -> Named:
        """The object."""
        return "AuthorizationPolicy", self.namespace, self.name


class IstioReader:
    """Indexes the objects once, and reads each service from the index."""

    def __init__(self, objects: Iterable[LiveObject], target: Target) -> None:
        self.notes: dict[str, bool] = {}
        self.left_out: frozenset[Named] = frozenset()
        self.trust_domain = target.trust_domain
        self.root = str(getattr(target, "root_namespace", "istio-system"))
        self._selected = Selectors()
        self._asking = Selectors()
        self.attached: dict[tuple[str, str, str], list[Policy]] = {}
        self._modes = Modes(self.root, self.note)
        for one in objects:
            if str(one.get("apiVersion", "")).partition("/")[0] != GROUP:
                continue
            if one["kind"] == "AuthorizationPolicy":
                self._policy(one)
            elif one["kind"] == "PeerAuthentication":
                self._modes.add(one)
            elif one["kind"] == "RequestAuthentication":
                self._tokens(one)

    def note(self, sentence: str, *, certain: bool = False) -> None:
        """Remember once what could not be decided; or, if it is certain, what is good to know."""
        self.notes[sentence] = certain

    def _policy(self, one: LiveObject) -> None:
        metadata, spec = one["metadata"], one.get("spec") or {}
        namespace, action = metadata.get("namespace", "default"), spec.get("action", "ALLOW")
        policy = Policy(namespace, metadata["name"], action == "DENY", tuple(spec.get("rules") or ()))
        if (metadata.get("annotations") or {}).get("istio.io/dry-run") in _TRUE or action == "AUDIT":
            return
        if action not in ("ALLOW", "DENY"):
            self._asks(one, f"{policy} asks an external provider ({action}): it is taken to say yes")
            return
        references = references_of(spec)
        for reference in references:
            self.attached.setdefault((namespace, reference.get("kind", ""), reference.get("name", "")), []).append(
                policy
            )
        if not references:
            self._selected.add(namespace, (spec.get("selector") or {}).get("matchLabels") or {}, policy)

    def _tokens(self, one: LiveObject) -> None:
        name = f"{one['metadata'].get('namespace', 'default')}/{one['metadata']['name']}"
        self._asks(one, f"RequestAuthentication {name} refuses requests whose token is not valid: that is left out")

    def _asks(self, one: LiveObject, sentence: str) -> None:
        """Remember what decides by something that is not known here, to be told where it holds for a service."""
        spec = one.get("spec") or {}
        if references_of(spec):
            self.note(sentence)
        else:
            labels = (spec.get("selector") or {}).get("matchLabels") or {}
            self._asking.add(one["metadata"].get("namespace", "default"), labels, sentence)

    def selecting(self, facts: Facts) -> tuple[list[Policy], list[Policy]]:
        """The policies that hold for the pods of a service, and those that may hold for some of them."""
        sure, maybe = self._found(self._selected, facts)
        sure, maybe = ([one for one in found if one.named not in self.left_out] for found in (sure, maybe))
        for sentence in chain.from_iterable(self._found(self._asking, facts)):
            self.note(sentence)
        for policy in maybe:
            self.note(f"{policy} selects only some of the pods of {facts}: what holds for either kind is shown")
        return sure, maybe

    def _found(self, selectors: Selectors, facts: Facts) -> tuple[list[Any], list[Any]]:
        """What selects pods of a service, in its namespace and from the root namespace."""
        sure, maybe = selectors.find(facts.namespace, facts.labels)
        if facts.namespace != self.root:
            more, others = selectors.find(self.root, facts.labels)
            sure, maybe = sure + more, maybe + others
        return sure, maybe

    def deciding(self, facts: Facts) -> tuple[Named, ...]:
        """The objects that decide who may call a service."""
        policies = chain.from_iterable(self._found(self._selected, facts))
        return (*(policy.named for policy in policies), *self._modes.deciding(facts))

    def kept_out(self, facts: Facts, port: PortFacts) -> tuple[AccessReason, ...]:
        """What keeps plain text out of a port; nothing if it is taken."""
        mode, reason = self._modes.of(facts, port.target, self.left_out)
        return (reason,) if mode == "STRICT" else ()

    def rules(
        self, policies: Iterable[Policy], sees: Sees, port: int | None, others: frozenset[str]
    ) -> tuple[tuple[Rule, ...], ...]:
        """The deny rules and the allow rules of some policies, as a proxy reads them."""
        found: tuple[list[Rule], list[Rule]] = ([], [])
        for policy in policies:
            for index, rule in enumerate(policy.rules):
                place = Place(
                    sees, port, others, policy.deny, policy.namespace, self.trust_domain, self._noting(policy)
                )
                by = Cause(AccessReason(str(policy), f"spec.rules[{index}]"))
                found[0 if policy.deny else 1].extend(one._replace(by=by) for one in rules_of(rule, place))
        return tuple(found[0]), tuple(found[1])

    def _noting(self, policy: Policy) -> Note:
        return lambda sentence, certain=False: self.note(f"{policy}: {sentence}", certain=certain)

    def way(
        self,
        policies: list[Policy],
        sees: Sees,
        port: int | None,
        *,
        plain_by: tuple[AccessReason, ...],
        others: frozenset[str] = frozenset(),
    ) -> Way:
        """What some policies decide together.

        Args:
            policies: that apply.
            sees: what the proxy sees of the port.
            port: as the proxy knows it; None if its number is not known.
            plain_by: what keeps callers without identity from coming this way; nothing if they can.
            others: further ports of the workload, by number.
        """
        deny, allow = self.rules(policies, sees, port, others)
        closed_by = tuple(AccessReason(str(policy)) for policy in policies if not policy.deny)
        return Way(deny, allow if closed_by else None, plain=not plain_by, closed_by=closed_by, plain_by=plain_by)

    def ways(self, facts: Facts) -> dict[int, tuple[Way, ...]]:
        """The ways to each port of a service: its sidecar."""
        sure, maybe = self.selecting(facts)
        return {port.number: tuple(self._sidecar(facts, port, sure, maybe)) for port in facts.ports}

    def _sidecar(self, facts: Facts, port: PortFacts, sure: list[Policy], maybe: list[Policy]) -> Iterator[Way]:
        sees = Sees.REQUESTS if port.http else Sees.BYTES
        number = port.target if isinstance(port.target, int) else None
        plain_by = self.kept_out(facts, port)
        yield self.way(sure, sees, number, plain_by=plain_by, others=facts.targets)
        if maybe:
            yield self.way(sure + maybe, sees, number, plain_by=plain_by, others=facts.targets)


class Modes:
    """The PeerAuthentications of a mesh."""

    def __init__(self, root: str, note: Callable[[str], None]) -> None:
        self._root = root
        self._note = note
        self._scopes: dict[str, list[Mapping[str, Any]]] = {}
        self._workloads = Selectors()

    def add(self, one: LiveObject) -> None:
        """Remember a PeerAuthentication."""
        namespace, spec = one["metadata"].get("namespace", "default"), one.get("spec") or {}
        labels = (spec.get("selector") or {}).get("matchLabels") or {}
        if labels:
            if namespace != self._root:  # there, selectors are ignored
                self._workloads.add(namespace, labels, one)
            return
        self._scopes.setdefault(namespace, []).append(one)

    def deciding(self, facts: Facts) -> Iterator[Named]:
        """Those that hold for a service, or would without others."""
        found, _ = self._workloads.find(facts.namespace, facts.labels)
        for one in (*found, *self._scopes.get(facts.namespace, ()), *self._scopes.get(self._root, ())):
            yield _named(one)

    def of(
        self, facts: Facts, port: int | str | None, left_out: frozenset[Named] = frozenset()
    ) -> tuple[str, AccessReason]:
        """The mode of a workload port, and what sets it; of several objects in one scope, the oldest."""
        found, maybe = self._workloads.find(facts.namespace, facts.labels)
        found = [one for one in found if _named(one) not in left_out]
        for one in maybe:
            name = f"{facts.namespace}/{one['metadata']['name']}"
            self._note(f"PeerAuthentication {name} selects only some of the pods of {facts}: it is left out")
        spec: Mapping[str, Any] = (min(found, key=_age).get("spec") or {}) if found else {}
        by_port = {str(key): value for key, value in (spec.get("portLevelMtls") or {}).items()}
        if by_port and not isinstance(port, int):
            self._note(f"the modes of single ports of {facts} are left out: its workload port has a name")
        own = min(found, key=_age) if found else None
        candidates = [(own, f"spec.portLevelMtls.{port}", by_port.get(str(port))), (own, "spec.mtls", spec.get("mtls"))]
        scopes = ([one for one in self._scopes.get(name, ()) if _named(one) not in left_out]
                  for name in (facts.namespace, self._root))  # fmt: skip
        around = [min(every, key=_age) for every in scopes if every]
        candidates += [(one, "spec.mtls", (one.get("spec") or {}).get("mtls")) for one in around]
        for one, field, candidate in candidates:
            mode = (candidate or {}).get("mode", "UNSET")
            if one is not None and mode != "UNSET":
                name = f"{one['metadata'].get('namespace', 'default')}/{one['metadata']['name']}"
                return str(mode), AccessReason(f"PeerAuthentication {name}", field)
        return "PERMISSIVE", AccessReason("the default of the mesh")


def references_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a policy is attached to, by name."""
    return list(spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else []))


def _named(one: LiveObject) -> Named:
    return str(one["kind"]), str(one["metadata"].get("namespace", "default")), str(one["metadata"]["name"])


def _age(one: LiveObject) -> tuple[str, str]:
    """A key: the older first, objects without a time last."""
    return str(one["metadata"].get("creationTimestamp") or "~"), str(one["metadata"].get("name"))
