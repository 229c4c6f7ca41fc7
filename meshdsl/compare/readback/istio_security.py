"""PeerAuthentication, AuthorizationPolicy and enrolment, as sidecars and ambient read them, back into intents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshdsl.compare.readback import texts
from meshdsl.compare.readback.draft import Draft, Facet, ServiceDraft
from meshdsl.compare.readback.texts import Unreadable, items, mapping, objects, text
from meshdsl.plan.intent import Protocol, Resources
from meshdsl.plan.requests import Condition, Path, PathKind
from meshdsl.plan.rights import PRESENT, Account, Allow, Anyone, Callers, Deny, MtlsMode
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.ambient.enrolment import DATAPLANE_MODE
from meshdsl.targets.base import Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.istio.enrolment import INJECT_POD, INJECTION, REVISION

MODES: Final = {"STRICT": MtlsMode.STRICT, "PERMISSIVE": MtlsMode.PERMISSIVE}
FENCE: Final = ".fence"
_OPERATION: Final = frozenset(("methods", "paths", "ports"))

_RESOURCES: Final = (
    "sidecar.istio.io/proxyCPU",
    "sidecar.istio.io/proxyCPULimit",
    "sidecar.istio.io/proxyMemory",
    "sidecar.istio.io/proxyMemoryLimit",
)


def root_namespace(target: Target) -> str:
    """The namespace whose policies hold for the whole mesh."""
    return target.root_namespace if isinstance(target, (Istio, Ambient)) else ""


def peer_authentication(draft: Draft, target: Target, live: Mapping[str, Any]) -> None:
    """The mTLS mode of the mesh, a namespace or a service."""
    _, namespace, name = texts.name_of(live)
    title = f"PeerAuthentication {namespace}/{name}"
    spec = mapping(live.get("spec"))
    said = text(mapping(spec.get("mtls")).get("mode"))
    mode = MODES.get(said)
    selector = mapping(mapping(spec.get("selector")).get("matchLabels"))
    if selector and spec.get("portLevelMtls"):
        draft.unread(f"the modes of single ports of {title}")
    service = draft.selected(namespace, selector, (name,)) if selector else None
    if selector and service is None:
        draft.unread(title)
    elif mode is None:
        scope = ("", "") if namespace == root_namespace(target) else (namespace, "")
        if said not in ("", "UNSET"):  # then the mode of what is above holds
            draft.unread(f"the mode {said} of {title}", service or scope, Facet.MTLS)
    elif service is not None:
        service.mode, service.meant = mode, True
    elif namespace == root_namespace(target):
        draft.mode = mode
    else:
        draft.namespace(namespace).mode = mode


# ------------------------------------------------------------------------------------------------------------ access


def authorization_policy(draft: Draft, target: Target, live: Mapping[str, Any]) -> None:
    """The rules of a service, or the default deny of a namespace or the mesh."""
    _, namespace, name = texts.name_of(live)
    title = f"AuthorizationPolicy {namespace}/{name}"
    spec = mapping(live.get("spec"))
    selector = mapping(mapping(spec.get("selector")).get("matchLabels"))
    refs = [*objects(spec.get("targetRefs")), *([spec["targetRef"]] if isinstance(spec.get("targetRef"), dict) else [])]
    action, rules = spec.get("action") or "ALLOW", list(items(spec.get("rules")))
    if not selector and not refs:
        _of_a_scope(draft, namespace, title, closes=action == "ALLOW" and not rules, root=root_namespace(target))
        return
    if name.endswith(FENCE) and isinstance(target, Ambient):
        return  # it says nothing that the rules at the waypoint do not say
    stem = name.removesuffix("-deny") if action == "DENY" else name
    if refs:
        named = [text(ref.get("name")) for ref in refs if ref.get("kind") == "Service"]
        service = draft.service(namespace, named[0]) if len(named) == len(refs) == 1 else None
    else:
        service = draft.selected(namespace, selector, (stem,))
    if service is None or action not in ("ALLOW", "DENY"):
        draft.unread(title, service, Facet.ACCESS)
        return
    service.meant = True
    service.closed = service.closed or action == "ALLOW"
    reader = _Rules(target, service, at_waypoint=bool(refs))
    for rule in rules:
        try:
            parts = list(reader.read(mapping(rule)))
        except Unreadable as error:
            draft.unread(f"{error} of {title}", service, Facet.ACCESS)
            continue
        if action == "ALLOW":
            service.allow += [Allow(*part) for part in parts]
        else:
            service.deny += [Deny(*part) for part in parts]


def _of_a_scope(draft: Draft, namespace: str, title: str, *, closes: bool, root: str) -> None:
    if not closes:
        draft.unread(title, ("", "") if namespace == root else (namespace, ""), Facet.ACCESS)
    elif namespace == root:
        draft.default_deny = True
    else:
        draft.namespace(namespace).default_deny = True


_Parts = tuple[Callers, tuple[str, ...], tuple[Path, ...], tuple[Condition, ...], tuple[int, ...]]


class _Rules:
    """Reads the rules of one policy."""

    def __init__(self, target: Target, service: ServiceDraft, *, at_waypoint: bool) -> None:
        self._target, self._service, self._at_waypoint = target, service, at_waypoint

    def read(self, rule: Mapping[str, Any]) -> Iterator[_Parts]:
        """The parts of an Allow or Deny, one for each operation."""
        if rule.keys() - {"from", "to", "when"}:
            raise Unreadable("a rule")
        callers = self._callers(rule.get("from"))
        headers = tuple(_header(mapping(one)) for one in items(rule.get("when")))
        for to in list(objects(rule.get("to"))) or [{}]:
            operation = mapping(to.get("operation"))
            if {key for key, value in operation.items() if value} - _OPERATION:
                raise Unreadable("a rule by host or by what it is not")
            methods = tuple(sorted(texts.texts(operation.get("methods"))))
            paths = tuple(_paths(texts.texts(operation.get("paths"))))
            by_request = bool(methods or paths or headers)
            yield callers, methods, paths, headers, self._ports(operation, by_request=by_request)

    def _callers(self, value: Any) -> Callers:
        if not value:
            return Callers(anyone=Anyone.AT_ALL)
        accounts: set[Account] = set()
        namespaces: set[str] = set()
        for one in objects(value):
            source = mapping(one.get("source"))
            if {key for key, what in source.items() if what} - {"principals"}:
                raise Unreadable("callers by namespace or address")
            for principal in texts.texts(source.get("principals")):
                if principal == "*":
                    return Callers(anyone=Anyone.IN_MESH)
                domain, _, rest = principal.partition("/ns/")
                namespace, slash, account = rest.partition("/")
                if domain != self._target.trust_domain or not slash:
                    raise Unreadable(f"the caller {principal}")
                if account == "*":
                    namespaces.add(namespace)
                elif account.startswith("sa/") and "*" not in account:
                    accounts.add(Account(namespace, account.removeprefix("sa/")))
                else:
                    raise Unreadable(f"the caller {principal}")
        return Callers(tuple(sorted(accounts)), tuple(sorted(namespaces)))

    def _ports(self, operation: Mapping[str, Any], *, by_request: bool) -> tuple[int, ...]:
        """The ports of the Service that a rule means; none if it is about requests and names all that have any."""
        found: set[int] = set()
        protocol = Protocol.HTTP if by_request else Protocol.TCP
        for one in texts.texts(operation.get("ports")):
            number = texts.number(one, f"the port {one}")
            mine = [p.number for p in self._service.ports if (p.number if self._at_waypoint else p.target) == number]
            if not mine:
                self._service.port(number, protocol)
                mine = [number]
            found.update(mine)
        http = {port.number for port in self._service.ports if port.is_http}
        return () if by_request and found == http else tuple(sorted(found))


def _paths(patterns: list[str]) -> Iterator[Path]:
    """Paths; ``/a`` and ``/a/*`` beside each other are a prefix of segments."""
    found: list[Path] = []
    for pattern in patterns:
        exact = Path(PathKind.EXACT, pattern.removesuffix("/*"))
        if "*" not in pattern:
            found.append(Path(PathKind.EXACT, pattern))
        elif pattern.endswith("/*") and "*" not in exact.value and exact in found:
            found.reverse()
            found.remove(exact)
            found.reverse()
            found.append(Path(PathKind.PREFIX, exact.value))
        else:
            raise Unreadable(f"the path {pattern}")
    yield from sorted(found, key=lambda path: (path.value, path.kind))


def _header(when: Mapping[str, Any]) -> Condition:
    key, values = text(when.get("key")), texts.texts(when.get("values"))
    is_header = key.startswith("request.headers[") and key.endswith("]")
    if not is_header or len(values) != 1 or when.get("notValues"):
        raise Unreadable(f"a condition on {key or 'nothing'}")
    name = key.removeprefix("request.headers[").removesuffix("]").lower()
    if values[0] == "*":
        return Condition(name, PRESENT, regex=True)
    if "*" in (values[0][:1], values[0][-1:]):
        raise Unreadable(f"a pattern of {name}")
    return Condition(name, values[0])


# --------------------------------------------------------------------------------------------------------- enrolment


def namespace_labels(draft: Draft, target: Target, live: Mapping[str, Any]) -> None:
    """How a namespace is in the mesh."""
    labels = texts.labels_of(live)
    name = texts.name_of(live)[2]
    if isinstance(target, Ambient):
        _mode(labels, draft, name)
        return
    if INJECTION in labels:
        draft.namespace(name).enrolled = labels[INJECTION] != "disabled"
    elif REVISION in labels:
        found = draft.namespace(name)
        found.enrolled, found.revision = True, _revision(labels[REVISION], target)


def _mode(labels: Mapping[str, str], draft: Draft, name: str) -> None:
    if DATAPLANE_MODE in labels:
        draft.namespace(name).enrolled = labels[DATAPLANE_MODE] == "ambient"


def waypoint(draft: Draft, target: Target, live: Mapping[str, Any]) -> None:
    """The revision that a namespace's policy names is written on its waypoint alone."""
    revision = texts.labels_of(live).get(REVISION, "")
    if revision:
        draft.namespace(texts.name_of(live)[1]).revision = _revision(revision, target)


def _revision(revision: str, target: Target) -> str:
    return "" if revision == getattr(target, "revision", "") else revision


def pod_template(draft: Draft, target: Target, live: Mapping[str, Any], services: list[ServiceDraft]) -> None:
    """How the pods of one workload are in the mesh, and what their sidecars may use."""
    template = mapping(mapping(mapping(live.get("spec")).get("template")).get("metadata"))
    labels, annotations = texts.labels_of({"metadata": template}), texts.annotations_of({"metadata": template})
    resources = Resources(*(annotations.get(key, "") for key in _RESOURCES))
    enrolled, revision = None, ""
    if isinstance(target, Ambient):
        enrolled = labels[DATAPLANE_MODE] == "ambient" if DATAPLANE_MODE in labels else None
    elif INJECT_POD in labels:
        enrolled = labels[INJECT_POD] != "false"
        revision = _revision(labels.get(REVISION, ""), target) if enrolled else ""
    if enrolled is None and resources == Resources():
        return
    if not services:
        draft.unread(f"the sidecar settings of {' '.join(texts.name_of(live)[::2])}")
    for service in services:
        service.meant = True
        service.enrolled, service.revision = enrolled, revision
        service.resources = resources if resources != Resources() else None
