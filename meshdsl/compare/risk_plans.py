"""What of a difference between two plans opens a service, a namespace or the mesh: mTLS, fences, enrolment.

A change is said once, where it was made: a mode or DefaultDeny of a namespace at the namespace, and not again for each
of its services. Plain text counts as taken where the mode lets it in, and at a closed service only if a rule lets
everyone in: that means the same on every mesh, whether strictness is a mode there or an authentication.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from meshdsl.compare import policy_words as words
from meshdsl.compare.policy_access import paired
from meshdsl.compare.report import Risk, RiskFinding
from meshdsl.compare.risk_traffic import at, lost_traffic, new_traffic, traffic
from meshdsl.diagnostics import Origin
from meshdsl.plan.intent import Namespace, Plan, Proxy, Service
from meshdsl.plan.requests import Path, PathKind
from meshdsl.plan.rights import Allow, Anyone, Mtls, MtlsMode


@dataclass(frozen=True, slots=True)
class Plans:
    """Two plans, to be compared service by service.

    Attributes:
        before: what holds.
        after: what would hold.
        threshold: in percentage points; a share that changes by more is moved traffic.
        compiled: what would hold, with the line of everything; objects may tell it in other pieces.
        modes_of_closed: whether the plans tell the mode of what is closed; objects of Linkerd do not.
    """

    before: Plan
    after: Plan
    compiled: Plan
    threshold: Decimal
    modes_of_closed: bool

    def findings(self) -> Iterator[RiskFinding]:
        """Everything that the plans show."""
        old, new = self.before, self.after
        yield from _weakened("the mesh", _mode(old.mesh.mtls), _mode(new.mesh.mtls), new.mesh.mtls, old.mesh.mtls)
        if old.mesh.default_deny is not None and new.mesh.default_deny is None:
            yield _fence("the mesh", "default deny removed from the mesh", at(old.mesh.default_deny))
        spaces = {namespace.name: namespace for namespace in new.namespaces}
        for namespace in old.namespaces:
            yield from self._namespace(namespace, spaces.get(namespace.name) or Namespace(namespace.name))
        services = {(s.namespace, s.name): s for s in new.services}
        for service in old.services:
            now = services.get((service.namespace, service.name))
            if now is None:
                yield from self._gone(service)
            elif service != now:
                yield from self._service(service, now)
        known = {(s.namespace, s.name) for s in old.services}
        for key, service in services.items():
            if key not in known:
                yield from new_traffic(service)

    def _namespace(self, was: Namespace, now: Namespace) -> Iterator[RiskFinding]:
        subject = f"namespace {was.name}"
        own = _mode(was.mtls) is not _mode(now.mtls)
        if own and (self.modes_of_closed or not now.default_deny):
            yield from _weakened(subject, was.effective_mtls, now.effective_mtls, now.mtls, was.mtls)
        if was.own_default_deny is not None and now.own_default_deny is None and not now.default_deny:
            yield _fence(subject, f"default deny removed from {subject}", at(was.own_default_deny))
        yield from _enrolment(subject, was.proxy, now.proxy, was.effective_mtls)

    def _service(self, was: Service, now: Service) -> Iterator[RiskFinding]:
        subject = str(now)
        weakened: list[RiskFinding] = []
        own = _mode(was.mtls) is not _mode(now.mtls)
        if own and (self.modes_of_closed or not now.access.closed):
            weakened += _weakened(subject, was.effective_mtls, now.effective_mtls, now.mtls, was.mtls)
        yield from weakened or _plain_text(was, now, self._declared(now))
        if was.access.closed and not now.access.closed and not self._opened_above(now):
            sources = [rule.source for rule in was.access.allow]
            yield _fence(subject, f"{subject} is open: no allow and no default deny closes it", at(*sources))
        for rule in paired(was.access.deny, now.access.deny).gone:
            yield _fence(subject, f"deny removed from {subject}: {words.access_text(rule)}", at(rule.source))
        around = _namespace(self.after, now.namespace).proxy
        if now.proxy is not None or around is None or not around.enrolled:
            yield from _enrolment(subject, was.proxy, now.proxy, was.effective_mtls)
        yield from traffic(was, now, self.threshold)

    def _declared(self, now: Service) -> Service:
        """A service as the policies declare it; as it was read back, if others' objects alone tell of it."""
        try:
            return self.compiled.service(now.namespace, now.name)
        except KeyError:
            return now

    def _opened_above(self, service: Service) -> bool:
        """Whether it is open because the default deny of its namespace is gone, which is said there."""
        was, now = (_namespace(plan, service.namespace) for plan in (self.before, self.after))
        return was.default_deny and not now.default_deny

    def _gone(self, was: Service) -> Iterator[RiskFinding]:
        """A service that is no longer declared keeps its pods and loses its policies, not those of its namespace."""
        around = _namespace(self.after, was.namespace)
        yield from lost_traffic(was)
        rules = [rule.source for rule in was.access.allow] + [rule.source for rule in was.access.deny]
        if rules and (was.access.deny or not around.default_deny):
            sentence = f"access rules removed from {was}, which is no longer declared"
            yield _fence(str(was), sentence, at(*rules))
        if was.mtls is not None:
            yield from _weakened(str(was), was.mtls.mode, around.effective_mtls, around.mtls, was.mtls)


def _namespace(plan: Plan, name: str) -> Namespace:
    """What is meant for a namespace; what holds in the mesh, if it is not declared."""
    try:
        return plan.namespace(name)
    except KeyError:
        mesh = plan.mesh
        return Namespace(name, effective_mtls=_mode(mesh.mtls), default_deny=mesh.default_deny is not None)


def _fence(subject: str, sentence: str, origins: tuple[Origin, ...]) -> RiskFinding:
    return RiskFinding(Risk.REMOVED_FENCE, subject, sentence, origins)


# --------------------------------------------------------------------------------------------------------------- mTLS


def _mode(mtls: Mtls | None) -> MtlsMode | None:
    return mtls.mode if mtls is not None else None


def _weakened(
    subject: str, was: MtlsMode | None, now: MtlsMode | None, setting: Mtls | None, removed: Mtls | None
) -> Iterator[RiskFinding]:
    """A mode that was strict and is not: at the line that sets it now, else at the one that did."""
    if was is MtlsMode.STRICT and now is not MtlsMode.STRICT:
        how = "permissive" if now else "no policy sets it"
        source = setting or removed
        origins = at(source.source) if source is not None else ()
        yield RiskFinding(Risk.WEAKENED_MTLS, subject, f"mTLS of {subject} is no longer strict: {how}", origins)


def _plain_text(was: Service, now: Service, compiled: Service) -> Iterator[RiskFinding]:
    """A closed service that lets in callers without an identity, for requests that had to have one before."""
    if not (was.access.closed and now.access.closed) or now.effective_mtls is MtlsMode.STRICT:
        return
    before = [] if was.effective_mtls is MtlsMode.STRICT else [one for rule in _at_all(was) for one in _asked(rule)]
    # A mesh that opens declared probes by a rule of its own lets in the kubelet, as the others do without one.
    before += [("GET", Path(PathKind.EXACT, probe.path), None, None) for probe in compiled.probes]
    found = [rule for rule in _at_all(now) if not all(_is_within(one, before) for one in _asked(rule))]
    if found:
        what = " or ".join(dict.fromkeys(map(words.asked_text, found)))
        sentence = f"callers outside the mesh, without mTLS, may {_of(what, now)}"
        lines = at(*(rule.source for rule in found)) or at(*(rule.source for rule in _at_all(compiled)))
        yield RiskFinding(Risk.WEAKENED_MTLS, str(now), sentence, lines)


def _at_all(service: Service) -> list[Allow]:
    return [rule for rule in service.access.allow if rule.callers.anyone is Anyone.AT_ALL]


_Asked = tuple[object, ...]
"""One method, path and port, and the headers of a rule; None stands for any."""


def _asked(rule: Allow) -> Iterator[_Asked]:
    return product(rule.methods or (None,), rule.paths or (None,), rule.ports or (None,), (rule.headers or None,))


def _is_within(one: _Asked, others: list[_Asked]) -> bool:
    return any(all(b is None or a == b for a, b in zip(one, other, strict=True)) for other in others)


def _of(what: str, service: Service) -> str:
    return what.replace("call it", f"call {service}", 1) if "call it" in what else f"{what} of {service}"


# ---------------------------------------------------------------------------------------------------------- enrolment


def _enrolment(subject: str, was: Proxy | None, now: Proxy | None, mode: MtlsMode | None) -> Iterator[RiskFinding]:
    """What leaves the mesh: it was enrolled and is no longer, or is kept out and was not."""
    old, new = was.enrolled if was is not None else None, now.enrolled if now is not None else None
    if new or old is False or (old is None and new is None):
        return
    how = "kept out of the mesh" if new is False else "no longer enrolled"
    setting = now or was
    origins = at(setting.source) if setting is not None else ()
    yield _fence(subject, f"{subject} is {how}: no access rule and no mTLS mode holds for its pods", origins)
    if mode is MtlsMode.STRICT:
        sentence = f"mTLS of {subject} is no longer strict: it is {how}"
        yield RiskFinding(Risk.WEAKENED_MTLS, subject, sentence, origins)
