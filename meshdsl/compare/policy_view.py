"""What changes between two plans, one sentence a change, in the words of the language.

It compares meaning: the line that a policy stands on, and the order of access rules, change nothing. Whatever else
differs between the services, namespaces or meshes of two plans gives at least one sentence, and equal plans give none.
It knows plans alone; where one of them was read back from objects, ``readback.told`` says what the other is to be
compared as.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from meshdsl.compare import policy_words as words
from meshdsl.compare.access import MESH, trust_domain
from meshdsl.compare.policy_access import rule_changes
from meshdsl.compare.policy_rules import Change, table_changes
from meshdsl.compare.report import PolicyChange
from meshdsl.diagnostics import Origin
from meshdsl.plan.intent import Breaker, Namespace, Plan, Port, Proxy, Service
from meshdsl.plan.rights import Access, Mtls, MtlsMode
from meshdsl.plan.source import Source
from meshdsl.targets.base import Target


def changes(before: Plan, after: Plan, *, modes_of_closed: bool = True) -> tuple[PolicyChange, ...]:
    """The policy view: services by name, then namespaces, then the mesh.

    Args:
        before: what holds.
        after: what would hold.
        modes_of_closed: whether the plans tell the mTLS mode of what is closed; those read from Linkerd do not.

    Returns:
        At least one sentence for each service, namespace and mesh that differs; none if none does.
    """
    view = _View(before, after, modes_of_closed=modes_of_closed)
    return tuple(chain(view.services(), view.namespaces(), view.mesh()))


def trust_domains(was: Target, now: Target) -> tuple[PolicyChange, ...]:
    """What a change of the trust domain is: every rule names other principals."""
    old, new = trust_domain(was), trust_domain(now)
    return () if old == new else (PolicyChange(MESH, f"trust domain of {MESH}: {old} → {new}"),)


class _View:
    """Two plans, with what explains a change elsewhere: a namespace's mode, say, for its services."""

    def __init__(self, before: Plan, after: Plan, *, modes_of_closed: bool) -> None:
        self._before, self._after, self._modes_of_closed = before, after, modes_of_closed
        self._namespaces = (
            {namespace.name: namespace for namespace in before.namespaces},
            {namespace.name: namespace for namespace in after.namespaces},
        )

    def services(self) -> Iterator[PolicyChange]:
        """Service by service."""
        old = {(s.namespace, s.name): s for s in self._before.services}
        new = {(s.namespace, s.name): s for s in self._after.services}
        for key in sorted(old.keys() | new.keys()):
            was, now = old.get(key), new.get(key)
            if was is not None and now is not None:
                if was != now:
                    yield from self._service(was, now, fresh=False)
            elif now is not None:
                yield _said(str(now), f"service {now}: new", _at(now.source))
                yield from self._service(_blank(now), now, fresh=True)
            elif was is not None:
                yield _said(str(was), f"service {was}: no longer declared", _at(was.source))
                yield from self._service(was, _blank(was), fresh=True)

    def namespaces(self) -> Iterator[PolicyChange]:
        """Namespace by namespace."""
        old, new = self._namespaces
        for name in sorted(old.keys() | new.keys()):
            was, now = old.get(name), new.get(name)
            subject = f"namespace {name}"
            if was is None and now is not None:
                yield _said(subject, f"{subject}: new", _at(now.source))
            elif was is not None and now is None:
                yield _said(subject, f"{subject}: no longer declared", _at(was.source))
            if was != now:
                yield from self._namespace(
                    subject, was or _around(name, self._before), now or _around(name, self._after)
                )

    def _namespace(self, subject: str, was: Namespace, now: Namespace) -> Iterator[PolicyChange]:
        if self._modes_of_closed or was.default_deny == now.default_deny:
            yield from _mtls(subject, was.mtls, now.mtls)
        by_mesh = _mode(self._before.mesh.mtls) != _mode(self._after.mesh.mtls)
        own = _mode(was.mtls) != _mode(now.mtls)
        if was.effective_mtls != now.effective_mtls and not own and not by_mesh:
            yield _effective(subject, was.effective_mtls, now.effective_mtls)
        yield from _default_deny(subject, was.own_default_deny, now.own_default_deny)
        same = (was.own_default_deny is None) == (now.own_default_deny is None)
        mesh_same = (self._before.mesh.default_deny is None) == (self._after.mesh.default_deny is None)
        if was.default_deny != now.default_deny and same and mesh_same:
            yield _said(subject, f"default deny holds {'now' if now.default_deny else 'no longer'} in {subject}")
        yield from _proxy(subject, was.proxy, now.proxy)

    def mesh(self) -> Iterator[PolicyChange]:
        """What is set on the mesh itself."""
        was, now = self._before.mesh, self._after.mesh
        if was != now:
            yield from _mtls("the mesh", was.mtls, now.mtls)
            yield from _default_deny("the mesh", was.default_deny, now.default_deny)

    # ------------------------------------------------------------------------------------------------------- services

    def _service(self, was: Service, now: Service, *, fresh: bool) -> Iterator[PolicyChange]:
        subject = str(now)
        yield from _inventory(was, now)
        yield from _traffic(was, now, fresh=fresh)
        yield from _breaker(subject, was.breaker, now.breaker)
        yield from self._closed(was, now)
        yield from rule_changes(subject, was.access.allow, now.access.allow)
        yield from rule_changes(subject, was.access.deny, now.access.deny)
        if self._modes_of_closed or was.access.closed == now.access.closed:
            yield from _mtls(subject, was.mtls, now.mtls)
        if was.effective_mtls != now.effective_mtls and _mode(was.mtls) == _mode(now.mtls) and not self._explained(now):
            yield _effective(subject, was.effective_mtls, now.effective_mtls)
        yield from _proxy(subject, was.proxy, now.proxy)

    def _explained(self, service: Service) -> bool:
        """Whether the namespace's sentence, or the mesh's, says what changes for its services."""
        was, now = (side.get(service.namespace) for side in self._namespaces)
        return was is not None and now is not None and was.effective_mtls != now.effective_mtls

    def _closed(self, was: Service, now: Service) -> Iterator[PolicyChange]:
        if was.access.closed == now.access.closed:
            return
        old, new = (side.get(now.namespace) for side in self._namespaces)
        if (
            old is not None
            and new is not None
            and (old.default_deny, new.default_deny)
            == (
                was.access.closed,
                now.access.closed,
            )
        ):
            return
        if now.access.closed:
            sentence = f"{now}: closed now; what no allow names is refused"
        else:
            sentence = f"{now}: open now; every caller may make every request that no deny names"
        yield _said(str(now), sentence, *_access_origins(now.access if now.access.closed else was.access))


def _around(name: str, plan: Plan) -> Namespace:
    """A namespace that a plan does not name: what is set on the mesh holds there."""
    mesh = plan.mesh
    return Namespace(name, effective_mtls=_mode(mesh.mtls), default_deny=mesh.default_deny is not None)


def _blank(service: Service) -> Service:
    """The same service without a policy."""
    ports = tuple(replace(port, rules=()) for port in service.ports)
    return replace(service, ports=ports, breaker=None, access=Access(), mtls=None, effective_mtls=None, proxy=None)


def _said(subject: str, sentence: str, *origins: Origin | None) -> PolicyChange:
    return PolicyChange(subject, sentence, tuple(dict.fromkeys(o for o in origins if o is not None)))


def _at(source: Source | None) -> Origin | None:
    return source.origin if source is not None else None


# -------------------------------------------------------------------------------------------------------- inventory


def _inventory(was: Service, now: Service) -> Iterator[PolicyChange]:
    """What is declared of a service, beside its policies."""
    told: tuple[tuple[str, Callable[[Service], str]], ...] = (
        ("service account", lambda s: s.account),
        ("pod labels", lambda s: ", ".join(f"{key}={value}" for key, value in s.labels) or words.NONE),
        ("versions", lambda s: ", ".join(s.versions) or words.NONE),
        ("version label", lambda s: s.version_label),
        ("replicas", lambda s: words.NONE if s.replicas is None else str(s.replicas)),
        ("probes", _probes),
        ("workload", lambda s: f"{s.workload.kind} {s.workload.name}" if s.workload is not None else words.NONE),
    )
    for what, text in told:
        old, new = text(was), text(now)
        if old != new:
            yield _said(str(now), f"{what} of {now}: {old} → {new}", _at(now.source))
    if was.workload and now.workload and was.workload.api_version != now.workload.api_version:
        versions = f"{was.workload.api_version} → {now.workload.api_version}"
        yield _said(str(now), f"API version of the workload of {now}: {versions}", _at(now.source))
    yield from _ports(was, now)


def _probes(service: Service) -> str:
    if not service.probes:
        return words.NONE if service.probes_known else "not declared"
    return ", ".join(f"{probe.path} on {probe.port!r}" for probe in service.probes)


def _ports(was: Service, now: Service) -> Iterator[PolicyChange]:
    old, new = ({port.number: port for port in service.ports} for service in (was, now))
    for number in sorted(old.keys() | new.keys()):
        before, after = old.get(number), new.get(number)
        if before is None and after is not None:
            sentence = f"port {number} ({after.protocol}) added to {now}"
            yield _said(str(now), sentence, _at(now.source))
        elif before is not None and after is None:
            yield _said(str(now), f"port {number} ({before.protocol}) removed from {now}", _at(now.source))
        elif before is not None and after is not None:
            for what, was_, now_ in (
                ("protocol", before.protocol, after.protocol),
                ("name", before.name or words.NONE, after.name or words.NONE),
                ("target", _target(before), _target(after)),
            ):
                if was_ != now_:
                    sentence = f"{what} of port {number} of {now}: {was_} → {now_}"
                    yield _said(str(now), sentence, _at(now.source))
    if [p.number for p in was.ports if p.number in new] != [p.number for p in now.ports if p.number in old]:
        yield _said(str(now), f"ports of {now}: in another order", _at(now.source))


def _target(port: Port) -> str:
    return f'"{port.target}"' if isinstance(port.target, str) else str(port.target)


# ---------------------------------------------------------------------------------------------------------- traffic


def _traffic(was: Service, now: Service, *, fresh: bool) -> Iterator[PolicyChange]:
    """The sentences about requests; one that holds for every port with a table does not name it."""
    old, new = ({port.number: port for port in service.ports} for service in (was, now))
    http = sorted(
        number
        for number in old.keys() | new.keys()
        if any(n in s and s[n].rules for s, n in ((old, number), (new, number)))
    )
    found: dict[tuple[int, str, str, str], dict[int, tuple[Origin, ...]]] = {}
    for number in http:
        before, after = old.get(number), new.get(number)
        here = fresh or before is None or after is None
        rules = (before.rules if before is not None else (), after.rules if after is not None else ())
        for change in table_changes(*rules, fresh=here):
            key = (change.order, change.where, change.what, change.text)
            found.setdefault(key, {})[number] = change.origins
    for key, ports in sorted(found.items(), key=lambda item: (item[0][0], min(item[1]), item[0][1:])):
        on = [] if list(ports) == http else sorted(ports)
        origins = tuple(dict.fromkeys(chain.from_iterable(ports.values())))
        yield PolicyChange(str(now), _sentence(str(now), Change(*key), on), origins)


def _sentence(service: str, change: Change, ports: list[int]) -> str:
    on = f" on port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}" if ports else ""
    if not change.where:
        return f"{change.what} of {service}{on}: {change.text}"
    if change.where.startswith("route "):
        return f"{change.where} of {service}{on}: {change.what} {change.text}"
    return f"{change.what} of {service}{on}, {change.where}: {change.text}"


def _breaker(subject: str, was: Breaker | None, now: Breaker | None) -> Iterator[PolicyChange]:
    if was == now:
        return
    if now is None:
        yield _said(subject, f"breaker removed from {subject}", was.source.origin if was is not None else None)
    elif was is None:
        yield _said(subject, f"breaker added to {subject}: {words.breaker_text(now)}", now.source.origin)
    else:
        said = list(_parts(words.breaker_parts(was), words.breaker_parts(now))) or ["written in another way"]
        yield _said(subject, f"breaker of {subject}: {', '.join(said)}", now.source.origin)


def _parts(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*was, *now]):
        old, new = was.get(name, words.NONE), now.get(name, words.NONE)
        if old != new:
            yield f"{name} {old} → {new}"


# ----------------------------------------------------------------------------------------------------------- access


def _access_origins(access: Access) -> tuple[Origin, ...]:
    return tuple(rule.source.origin for rule in access.allow if rule.source.origin is not None)


def _mode(mtls: Mtls | None) -> MtlsMode | None:
    return mtls.mode if mtls is not None else None


def _mtls(subject: str, was: Mtls | None, now: Mtls | None) -> Iterator[PolicyChange]:
    old, new = _mode(was), _mode(now)
    if old != new:
        sentence = f"mTLS of {subject}: {old or 'not set'} → {new or 'not set'}"
        setting = now or was
        yield _said(subject, sentence, _at(setting.source) if setting is not None else None)


def _effective(subject: str, old: MtlsMode | None, new: MtlsMode | None) -> PolicyChange:
    return _said(subject, f"mTLS that holds for {subject}: {old or 'not set'} → {new or 'not set'}")


def _default_deny(subject: str, was: Source | None, now: Source | None) -> Iterator[PolicyChange]:
    if was is None and now is not None:
        yield _said(subject, f"default deny added to {subject}", now.origin)
    elif was is not None and now is None:
        yield _said(subject, f"default deny removed from {subject}", was.origin)


# -------------------------------------------------------------------------------------------------------- operation


def _proxy(subject: str, was: Proxy | None, now: Proxy | None) -> Iterator[PolicyChange]:
    if was == now:
        return
    setting = now or was
    origin = _at(setting.source) if setting is not None else None
    old, new = was or Proxy(None), now or Proxy(None)
    said = False
    for what, was_, now_ in (
        ("enrolment", _enrolled(old), _enrolled(new)),
        ("revision", old.revision or "the default one", new.revision or "the default one"),
    ):
        if was_ != now_:
            said = True
            yield _said(subject, f"{what} of {subject}: {was_} → {now_}", origin)
    parts = list(_parts(words.resources_parts(old.resources), words.resources_parts(new.resources)))
    if parts:
        said = True
        yield _said(subject, f"sidecars of {subject}: {', '.join(parts)}", origin)
    if not said:
        yield _said(
            subject,
            f"proxy policy of {subject}: {'added' if was is None else 'removed' if now is None else 'rewritten'}",
            origin,
        )


def _enrolled(proxy: Proxy) -> str:
    if proxy.enrolled is None:
        return "as its surroundings"
    return "in the mesh" if proxy.enrolled else "kept out of the mesh"
