"""Why an answer of a plan came so: each step, with the policy that says it, or that none does.

Nothing is decided here. The steps ask the same prepared conditions that decided (``plan``), so that what is told is
what happened. Values of header edits are not shown: a trace goes into tickets and logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.requests import Fault, HeaderEdits, Retry, Rule
from meshdsl.plan.rights import Account, Anyone, Callers, MtlsMode
from meshdsl.plan.source import NOWHERE, Source
from meshdsl.simulate.callers import caller_name
from meshdsl.simulate.conditions import ANY, match_words, why_no_value
from meshdsl.simulate.words import Answer, Caller, Reason, Request, Stage, Traffic, Verdict
from meshdsl.values import duration_text, percent_text

if TYPE_CHECKING:
    from meshdsl.simulate.plan import PortMeaning, RuleMeaning, ServiceMeaning


def explained(answer: Answer, plan: Plan, service: ServiceMeaning, port: PortMeaning, request: Request) -> Answer:
    """The answer, with how it came to be."""
    reasons = [_connection(plan, service, request)]
    if answer.traffic is not None:
        reasons += [_route(port, request), _traffic(port, request, service)]
    elif request.is_http and port.is_http:
        who = "it comes from outside the mesh" if request.caller.is_plain else "it calls a pod by its address"
        reasons += [
            Reason(Stage.ROUTE, f"{who}, so nothing on the caller's side applies", "", None),  # §3
            *_limits(service, "before the pod"),
        ]
    reasons.append(_access(plan, service, request, http=port.is_http and request.is_http))
    if answer.probe:
        reasons.append(_probe(service.intent))
    return replace(answer, reasons=tuple(reasons))


def _where(source: Source | None) -> str:
    return "" if source is None or source.origin is None else str(source.origin)


# ------------------------------------------------------------------------------------------------------ connection


def _connection(plan: Plan, service: ServiceMeaning, request: Request) -> Reason:
    """§5 and §6."""
    intent = service.intent
    mode, where = _mode(plan, intent)
    plain = request.caller.is_plain
    if service.kept_out:
        kept = Reason(Stage.CONNECTION, "its pods are kept out of the mesh: no rule holds there", _where(intent.source))
        return Reason(Stage.CONNECTION, f"plain text: {intent} is not in the mesh", "", None, (kept,))
    taken = Reason(Stage.CONNECTION, mode, where, None)
    if plain and intent.effective_mtls is MtlsMode.STRICT:
        return Reason(
            Stage.CONNECTION,
            "plain text is refused: the caller has no identity in the mesh",
            where,
            holds=False,
            parts=(taken,),
        )
    if plain:
        return Reason(
            Stage.CONNECTION, "plain text: the caller has no identity in the mesh", where, holds=True, parts=(taken,)
        )
    who = f"mTLS, with the identity {_caller(plan, request.caller)}"
    if not request.by_name:
        who += ", or without it: which, is the mesh's affair where a pod's address is called"
    return Reason(Stage.CONNECTION, who, where, holds=True, parts=(taken,))


def _mode(plan: Plan, service: Service) -> tuple[str, str]:
    """The mTLS mode, and where it was set."""
    if service.effective_mtls is None:
        return "no policy says whether plain text is taken: the mesh's own default holds", ""
    namespace = plan.namespace(service.namespace)
    for level, mtls in ((f"on {service}", service.mtls), (f"on namespace {namespace.name}", namespace.mtls)):
        if mtls is not None:
            return f"mTLS is {mtls.mode}, set {level}", _where(mtls.source)
    mesh = plan.mesh.mtls
    return f"mTLS is {service.effective_mtls}, set on the mesh", _where(mesh.source if mesh is not None else None)


# ----------------------------------------------------------------------------------------------------------- route


def _route(port: PortMeaning, request: Request) -> Reason:
    """§2.6: the row that matched, and the more specific ones that did not."""
    chosen = port.rule_of(request)
    if chosen is None:
        return Reason(Stage.ROUTE, "no policy says anything about requests to this port", "", None)
    passed = tuple(
        Reason(Stage.ROUTE, f"{_row(one.intent)}: {one.test.why_not(request)}", _where(one.intent.source), holds=False)
        for one in port.rules[:chosen]
    )
    rule = port.rules[chosen].intent
    text = f"{_row(rule)} is the most specific that matches" if passed else f"{_row(rule)} matches"
    return Reason(Stage.ROUTE, text, _where(rule.canary or rule.source), holds=True, parts=passed)


def _row(rule: Rule) -> str:
    words = match_words(rule.match)
    return f"{rule.name} ({'every request' if words == ANY and rule.match.is_any else words})"


# --------------------------------------------------------------------------------------------------------- traffic


def _traffic(port: PortMeaning, request: Request, meaning: ServiceMeaning) -> Reason:
    """§3: everything that is done, and what nobody asked for."""
    service = meaning.intent
    chosen = port.rule_of(request)
    if chosen is None:
        left = Reason(Stage.TRAFFIC, "no policy says how often it is tried: that is left to the mesh", "", None)
        parts = (left, *_breaker(meaning))
        return Reason(Stage.TRAFFIC, f"all requests go to {service}", "", None, parts)
    rule, traffic = port.rules[chosen].intent, port.traffic(request)
    if rule.redirect is not None:
        text = f"the caller is sent to {traffic.redirect}, with status {rule.redirect.status}"
        return Reason(Stage.TRAFFIC, text, _where(rule.redirect.source), holds=True)
    parts = (
        *_fault(rule.fault),
        _timeout(rule),
        _retry(port, rule, request),
        *_changes(rule, traffic),
        *_breaker(meaning),
    )
    return Reason(
        Stage.TRAFFIC, _destinations(rule, service), _where(rule.canary or rule.split), holds=True, parts=parts
    )


def _destinations(rule: Rule, service: Service) -> str:
    total = sum(backend.weight for backend in rule.backends)
    if len(rule.backends) == 1:
        version = rule.backends[0].version
        return f"all requests go to {service}" + (f" version {version}" if version is not None else "")
    parts = (f"{percent_text(round(Decimal(100 * b.weight) / total, 4))} to {b.version}" for b in rule.backends)
    return f"the requests are shared out: {', '.join(parts)}"


def _timeout(rule: Rule) -> Reason:
    if rule.timeout is None:
        return Reason(Stage.TRAFFIC, "no policy says how long a request may take", "", None)
    text = f"the answer must be complete within {duration_text(rule.timeout.request)}, all tries together"
    return Reason(Stage.TRAFFIC, text, _where(rule.timeout.source), holds=True)


def _retry(port: PortMeaning, rule: Rule, request: Request) -> Reason:
    if rule.retry is not None:
        return Reason(Stage.TRAFFIC, _retried(rule.retry), _where(rule.retry.source), holds=True)
    if rule.never is not None:
        # One Retry makes the rules of the methods that it tries again, and those of the others.
        others = any(one.intent.retry is not None and one.intent.retry.source == rule.never for one in port.rules)
        text = f"no {request.method} is tried again, other methods are" if others else "nothing is tried again here"
        return Reason(Stage.TRAFFIC, text, _where(rule.never), holds=True)
    text = "no policy asks for retries, and others are about its requests: nothing is tried again"
    return Reason(Stage.TRAFFIC, text, "", None)


def _retried(retry: Retry) -> str:
    ways = [*retry.conditions, *map(str, retry.statuses)]
    text = f"tried again up to {retry.attempts} times on {', '.join(ways)}"
    if retry.per_try_timeout is not None:
        text += f", each try within {duration_text(retry.per_try_timeout)}"
    return text + (f", {duration_text(retry.backoff)} apart at first" if retry.backoff is not None else "")


def _fault(fault: Fault | None) -> Iterator[Reason]:
    if fault is not None and fault.delay is not None:
        text = f"{percent_text(fault.delay.percent)} of the requests wait {duration_text(fault.delay.duration)} first"
        yield Reason(Stage.TRAFFIC, text, _where(fault.source), holds=True)
    if fault is not None and fault.abort is not None:
        text = f"{percent_text(fault.abort.percent)} of the requests are answered with {fault.abort.status}"
        yield Reason(Stage.TRAFFIC, text, _where(fault.source), holds=True)


def _changes(rule: Rule, traffic: Traffic) -> Iterator[Reason]:
    if rule.mirror is not None:
        to = "/".join(rule.mirror.service) + (f" version {rule.mirror.version}" if rule.mirror.version else "")
        text = f"{percent_text(rule.mirror.percent)} of the requests are copied to {to}"
        yield Reason(Stage.TRAFFIC, text, _where(rule.mirror.source), holds=True)
    if rule.headers is not None:
        for message, edits in (("request", rule.headers.request), ("response", rule.headers.response)):
            if edits is not None:
                text = f"headers of the {message}: {_edited(edits)}"
                yield Reason(Stage.TRAFFIC, text, _where(rule.headers.source), holds=True)
    if rule.rewrite is not None:
        path = f"the path {traffic.path}" if rule.rewrite.path is not None else ""
        host = f"the host {rule.rewrite.host}" if rule.rewrite.host else ""
        text = f"the service sees {' and '.join(filter(None, (path, host)))}"
        yield Reason(Stage.TRAFFIC, text, _where(rule.rewrite.source), holds=True)


def _edited(edits: HeaderEdits) -> str:
    words = [f"{name} set" for name, _ in edits.set] + [f"{name} added" for name, _ in edits.add]
    return ", ".join(words + [f"{name} removed" for name in edits.remove])


def _breaker(service: ServiceMeaning) -> Iterator[Reason]:
    yield from _limits(service, "here" if service.kept_out else "here or before the pod")
    breaker = service.intent.breaker
    if breaker is not None and breaker.outlier is not None:
        text = f"a pod that keeps failing is left out for {duration_text(breaker.outlier.base_ejection_time)}"
        yield Reason(Stage.TRAFFIC, text, _where(breaker.source), holds=True)


def _limits(service: ServiceMeaning, place: str) -> Iterator[Reason]:
    """Those of a Breaker; pods that are kept out of the mesh have no proxy that holds them."""
    breaker = service.intent.breaker
    if breaker is not None and breaker.pool is not None and not (service.kept_out and place == "before the pod"):
        text = f"what is above the limits of connections and requests, {place}, is answered with 503"
        yield Reason(Stage.TRAFFIC, text, _where(breaker.source), holds=True)


# ---------------------------------------------------------------------------------------------------------- access


def _access(plan: Plan, service: ServiceMeaning, request: Request, *, http: bool) -> Reason:
    """§4: the rule that decided, and those that do not speak of the request."""
    if service.verdict(request, http=http) is Verdict.DENIED and _is_cut_off(service, request):
        return Reason(Stage.ACCESS, "refused before any rule is looked at: mTLS is strict", "", holds=False)
    denies = tuple(_rule(plan, rule, request, "Deny", http=http) for rule in service.denies)
    decided = next((one for one in denies if one.holds), None)
    if decided is not None:
        return Reason(Stage.ACCESS, "refused by a Deny, whatever is allowed", decided.where, holds=False, parts=denies)
    access = service.intent.access
    if not access.closed:
        text = "no Deny matches, and nothing closes the service" if denies else "no policy says who may call"
        return Reason(Stage.ACCESS, f"let in: {text}", "", holds=True, parts=denies)
    allows = tuple(_rule(plan, rule, request, "Allow", http=http) for rule in service.allows)
    decided = next((one for one in allows if one.holds), None)
    if decided is not None:
        return Reason(Stage.ACCESS, "let in by an Allow", decided.where, holds=True, parts=(*denies, *allows))
    closing, where = _closed_by(plan, service.intent)
    return Reason(
        Stage.ACCESS, f"refused: {closing}, and no Allow matches", where, holds=False, parts=(*denies, *allows)
    )


def _is_cut_off(service: ServiceMeaning, request: Request) -> bool:
    return request.caller.is_plain and service.intent.effective_mtls is MtlsMode.STRICT


def _closed_by(plan: Plan, service: Service) -> tuple[str, str]:
    namespace = plan.namespace(service.namespace)
    if namespace.own_default_deny is not None:
        return f"a DefaultDeny closes namespace {namespace.name}", _where(namespace.own_default_deny)
    if plan.mesh.default_deny is not None:
        return "a DefaultDeny closes the mesh", _where(plan.mesh.default_deny)
    first = service.access.allow[0].source if service.access.allow else NOWHERE
    return "an Allow closes the service", _where(first)


def _caller(plan: Plan, caller: Caller) -> str:
    return caller_name(caller, plan.callers.get(Account(caller.namespace, caller.account), ()))


def _rule(plan: Plan, rule: RuleMeaning, request: Request, kind: str, *, http: bool) -> Reason:
    holds = rule.holds(request, http=http)
    what = f"{kind} {_callers(plan, rule.intent.callers)}"
    why = "" if holds else f": {_why_not(plan, rule, request, http=http)}"
    return Reason(Stage.ACCESS, f"{what}{' matches' if holds else why}", _where(rule.intent.source), holds)


def _callers(plan: Plan, callers: Callers) -> str:
    if callers.anyone is not None:
        return "anyone in the mesh" if callers.anyone is Anyone.IN_MESH else "anyone at all"
    names = [_caller(plan, Caller(one.namespace, one.name)) for one in callers.accounts]
    return ", ".join([*names, *(f"namespace {name}" for name in callers.namespaces)])


def _why_not(plan: Plan, rule: RuleMeaning, request: Request, *, http: bool) -> str:
    """The first part of a rule that does not speak of the request."""
    intent = rule.intent
    if not rule.is_caller(request.caller):
        return f"the caller is {_caller(plan, request.caller)}"
    if intent.ports and request.port not in intent.ports:
        return f"the port is {request.port}, not {' or '.join(map(str, intent.ports))}"
    if intent.is_http and not http:
        return "it looks at requests, and these are bytes"
    if intent.methods and request.method not in intent.methods:
        return f"the method is {request.method}, not {' or '.join(intent.methods)}"
    if rule.paths and not any(path.holds(request.path) for path in rule.paths):
        return f"the path is {request.path}, not {' or '.join(path.words for path in rule.paths)}"
    return why_no_value(rule.headers, request.headers, "header")


def _probe(service: Service) -> Reason:
    """§4.8."""
    text = "this is a declared probe of the kubelet, which each mesh lets in by its own means"
    return Reason(Stage.ACCESS, text, _where(service.source), None)
