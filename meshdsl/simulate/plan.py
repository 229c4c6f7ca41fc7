"""``docs/semantics.md`` as code: what becomes of a request, read from the plan alone.

Section numbers are those of the page. No mesh is known here: where the page leaves something to the mesh (the retries
of a service without policies, the kubelet's probes), the answer says so instead of choosing. A redirect is told beside
the verdict of the access rules: which of the two a caller meets first is a matter of who answers it.

Each service is prepared when it is first asked about, since a differential test asks the same one millions of times;
``plan_reasons`` tells why an answer came so, from the same conditions.
"""

from __future__ import annotations

from fractions import Fraction

from meshdsl.plan import intent, requests
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.requests import HeaderEdits, PathKind, Rule
from meshdsl.plan.rights import Allow, Anyone, Deny, MtlsMode
from meshdsl.simulate.conditions import MatchTest, PathTest, value_holds, value_of
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.plan_reasons import explained
from meshdsl.simulate.words import (
    CLOSED,
    MESH,
    Answer,
    Backend,
    Breaker,
    Caller,
    LeftToMesh,
    Limits,
    Redirected,
    Request,
    Retries,
    Shares,
    Traffic,
    Verdict,
    shares,
)


class PlanReading:
    """What the policies mean.

    Args:
        plan: that they were resolved to; it need not compile for any mesh.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.inventory = Inventory.of_plan(plan)
        self._services: dict[str, ServiceMeaning] = {}

    def answer(self, request: Request, *, explain: bool = False) -> Answer:
        """What becomes of a request.

        Args:
            request: whatever it is about; a service or port that is not declared makes it ``UNKNOWN``.
            explain: tell the reasons, too.
        """
        service = self._services.get(request.service) or self._prepared(request.service)
        if service is None:
            return Answer(Verdict.UNKNOWN, unknown=(f"no policy declares a service {request.service}",))
        port = service.ports.get(request.port, service.bare)
        if port is None:
            return Answer(Verdict.UNKNOWN, unknown=(f"{request.service} declares no port {request.port}",))
        caller = request.caller
        http = port.is_http and bool(request.method)  # §2.8
        # §3: on the caller's side, for callers in the mesh that call the service by its name
        traffic = port.traffic(request) if http and request.by_name and caller.account else None
        answer = Answer(
            service.verdict(request, http=http),
            traffic,
            bool(caller.account) and not service.kept_out,  # §5: callers in the mesh use mTLS in any case
            request.method == "GET" and (request.path, port.target) in service.probes,  # §4.8
            None if http else CLOSED,  # §0.2: which status a refused request gets, is the mesh's affair
        )
        if explain:
            return explained(answer, self.plan, service, port, request)
        return answer

    def service(self, name: str) -> ServiceMeaning:
        """A service, prepared. Raises KeyError if the plan does not have it."""
        found = self._services.get(name) or self._prepared(name)
        if found is None:
            raise KeyError(name)
        return found

    def _prepared(self, name: str) -> ServiceMeaning | None:
        if name not in self.inventory:
            return None
        namespace, _, short = name.partition("/")
        found = ServiceMeaning(self.plan.service(namespace, short), self.plan, self.inventory)
        self._services[name] = found
        return found


class ServiceMeaning:
    """All that is meant for one service, ready to be asked.

    Attributes:
        intent: the plan's own words.
        ports: by number.
        bare: what stands for any port of a service that declares none; else None (§4.11).
        probes: path and workload port of each declared probe.
        kept_out: whether a policy keeps its pods out of the mesh (§6).
        allows: the prepared rules that let in.
        denies: the prepared rules that refuse.
    """

    def __init__(self, service: Service, plan: Plan, inventory: Inventory) -> None:
        self.intent = service
        kube = inventory[str(service)]
        self.kept_out = plan.is_kept_out(service)
        breaker = breaker_of(service.breaker, at_pods=not self.kept_out)
        self.ports = {port.number: PortMeaning(port, service, kube, inventory, breaker) for port in service.ports}
        self.bare = None if service.ports else PortMeaning(None, service, kube, inventory, breaker)
        self.probes = frozenset((probe.path, probe.port) for probe in service.probes)
        self.allows = tuple(map(RuleMeaning, service.access.allow))
        self.denies = tuple(map(RuleMeaning, service.access.deny))
        self._strict = service.effective_mtls is MtlsMode.STRICT

    def verdict(self, request: Request, *, http: bool) -> Verdict:
        """§4 and §5: whether the request or connection is let in."""
        if self._strict and not request.caller.account:
            return Verdict.DENIED
        for rule in self.denies:  # §4.3
            if rule.holds(request, http=http):
                return Verdict.DENIED
        if not self.intent.access.closed:  # §4.1
            return Verdict.ALLOWED
        for rule in self.allows:  # §4.2
            if rule.holds(request, http=http):
                return Verdict.ALLOWED
        return Verdict.DENIED


class RuleMeaning:
    """An Allow or a Deny, ready to be asked (§4.4 to §4.6)."""

    __slots__ = ("_accounts", "_anyone", "_http", "_methods", "_namespaces", "_ports", "headers", "intent", "paths")

    def __init__(self, rule: Allow | Deny) -> None:
        self.intent = rule
        self._accounts = frozenset((one.namespace, one.name) for one in rule.callers.accounts)
        self._namespaces = frozenset(rule.callers.namespaces)
        self._anyone = rule.callers.anyone
        self._methods = frozenset(rule.methods)
        self._ports = frozenset(rule.ports)
        self._http = rule.is_http
        self.paths = tuple(map(PathTest, rule.paths))
        self.headers = tuple(map(value_of, rule.headers))

    def is_caller(self, caller: Caller) -> bool:
        """§4.5: who is meant; a name is one of the mesh's own trust domain."""
        if self._anyone is Anyone.AT_ALL:
            return True
        if not caller.account:
            return False
        if self._anyone is Anyone.IN_MESH:
            return True
        if caller.trust_domain:
            return False
        return caller.namespace in self._namespaces or (caller.namespace, caller.account) in self._accounts

    def holds(self, request: Request, *, http: bool) -> bool:
        """Whether the rule speaks of the request."""
        if self._http and not (
            http
            and (not self._methods or request.method in self._methods)
            and (not self.paths or any(path.holds(request.path) for path in self.paths))
            and all(value_holds(header, request.headers) for header in self.headers)
        ):
            return False
        return (not self._ports or request.port in self._ports) and self.is_caller(request.caller)


class PortMeaning:
    """A port with its route table, ready to be asked.

    Attributes:
        is_http: whether requests are seen on it.
        target: the workload's port, by number or name.
        rules: the table with what each row does, in order: the first that matches is the one that the request is of,
            since a table is closed under intersection (§2.6, ``meshdsl.plan.matching``).
    """

    def __init__(
        self,
        port: intent.Port | None,
        service: Service,
        kube: KubeService,
        inventory: Inventory,
        breaker: Breaker | None,
    ) -> None:
        self.is_http = port is not None and port.is_http
        self.target: int | str = port.target if port is not None else ""
        self.rules: tuple[RuleOfTraffic, ...] = ()
        self._backends: Shares = frozenset()
        if port is not None:
            number = port.number
            self.rules = tuple(RuleOfTraffic(one, number, service, kube, inventory, breaker) for one in port.rules)
            self._backends = shares([(kube.backend(number), 1)])
        self._breaker = breaker

    def traffic(self, request: Request) -> Traffic:
        """§3, for a request by name of a caller in the mesh."""
        for rule in self.rules:
            if rule.test.holds(request):
                return rule.traffic(request)
        # §3 Retry 7: a service without any policy about requests is left to the mesh
        nothing = (None, None, None, frozenset[tuple[str, str, str, str]]())
        return Traffic(self._backends, None, MESH, *nothing, request.path, None, None, self._breaker)

    def rule_of(self, request: Request) -> int | None:
        """The row of the table that the request is of; None if there is no table."""
        return next((index for index, rule in enumerate(self.rules) if rule.test.holds(request)), None)


class RuleOfTraffic:
    """A row of a route table and what it does (§3)."""

    __slots__ = ("_after", "_before", "_new_path", "_redirect", "_replaced", "intent", "test")

    def __init__(
        self, rule: Rule, port: int, service: Service, kube: KubeService, inventory: Inventory, breaker: Breaker | None
    ) -> None:
        self.intent = rule
        self.test = MatchTest(rule.match)
        self._redirect = rule.redirect
        fault = rule.fault
        delay = fault.delay if fault is not None else None
        abort = fault.abort if fault is not None else None
        self._before = (
            backends_of(rule, port, service, kube),
            rule.timeout.request if rule.timeout is not None else None,
            retries_of(rule.retry),
            (Fraction(delay.percent), delay.duration) if delay is not None else None,
            (Fraction(abort.percent), abort.status) if abort is not None else None,
            _mirror(rule.mirror, inventory),
            edits_of(rule.headers),
        )
        self._after = (rule.rewrite.host if rule.rewrite is not None else None, None, breaker)
        self._new_path = rule.rewrite.path if rule.rewrite is not None else None
        path = rule.match.path
        # What is replaced: all of an exact path (None), a prefix, or nothing, before which it is put.
        self._replaced = 0 if path is None else len(path.value) if path.kind is PathKind.PREFIX else None

    def traffic(self, request: Request) -> Traffic:
        """What happens to a request that the row matches."""
        if self._redirect is not None:
            return Traffic(path=request.path, redirect=_redirected(self._redirect, request))
        path = request.path
        if self._new_path is not None:
            path = self._new_path if self._replaced is None else self._new_path.rstrip("/") + path[self._replaced :]
        return Traffic(*self._before, path or "/", *self._after)


def backends_of(rule: Rule, port: int, service: Service, kube: KubeService) -> Shares:
    """§3 Split, Canary: the share of each version."""

    def backend(version: str | None) -> Backend:
        labels = {} if version is None else {service.version_label: version}
        return kube.backend(port, frozenset(labels.items()))

    return shares((backend(one.version), one.weight) for one in rule.backends)


def retries_of(retry: requests.Retry | None) -> Retries | LeftToMesh | None:
    """§3 Retry: None is never."""
    if retry is None:
        return None
    return Retries(
        retry.attempts,
        frozenset(retry.conditions),
        frozenset(retry.statuses),
        retry.per_try_timeout,
        retry.backoff,
    )


def breaker_of(breaker: intent.Breaker | None, *, at_pods: bool) -> Breaker | None:
    """§3 Breaker; ``at_pods`` says whether the pods have sidecars, which hold the limits once more."""
    if breaker is None:
        return None
    pool, outlier = breaker.pool or intent.Pool(), breaker.outlier
    limits = (
        pool.max_connections,
        pool.max_pending_requests,
        pool.max_requests,
        pool.max_requests_per_connection,
    )
    there = Limits(*limits) if at_pods and breaker.pool is not None else None
    if outlier is None:
        return Breaker(*limits, at_pods=there)
    return Breaker(
        *limits,
        outlier.consecutive_5xx,
        outlier.consecutive_gateway_errors,
        outlier.interval,
        outlier.base_ejection_time,
        outlier.max_ejection_percent,
        at_pods=there,
    )


def edits_of(headers: requests.Headers | None) -> frozenset[tuple[str, str, str, str]]:
    """§3 Headers."""
    if headers is None:
        return frozenset()
    found: list[tuple[str, str, str, str]] = []
    for message, edits in (("request", headers.request), ("response", headers.response)):
        one = edits or HeaderEdits()
        found += [(message, "set", name, value) for name, value in one.set]
        found += [(message, "add", name, value) for name, value in one.add]
        found += [(message, "remove", name, "") for name in one.remove]
    return frozenset(found)


def _mirror(mirror: requests.Mirror | None, inventory: Inventory) -> tuple[Backend, Fraction] | None:
    """§3 Mirror."""
    if mirror is None:
        return None
    to = inventory["/".join(mirror.service)]
    version = next((pod for pod, name in zip(to.pods, to.versions, strict=True) if name == mirror.version), to.selector)
    return to.backend(mirror.port, version - to.selector), Fraction(mirror.percent)


def _redirected(redirect: requests.Redirect, request: Request) -> Redirected:
    """§3 Redirect."""
    return Redirected(
        redirect.status,
        redirect.scheme or "http",
        redirect.host,
        request.port if redirect.port is None else redirect.port,
        request.path if redirect.path is None else redirect.path,
    )
