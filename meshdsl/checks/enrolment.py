"""What no proxy is there to enforce, because another policy keeps it out of the mesh.

Who may call, and that only mTLS is taken, is enforced before the pods that are called. Where a policy says that there
is no proxy, such a policy would come to nothing, and everyone would reach them in plain text.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.plan.intent import Namespace, Plan, Proxy, Service
from meshdsl.plan.rights import MtlsMode
from meshdsl.plan.source import Source

ACCESS = "MESH405"
STRICT = "MESH413"
_NO_PROXY = "no proxy stands before its pods, so everyone would reach them"


def check(plan: Plan) -> Iterator[Diagnostic]:
    """Each namespace and service that is kept out of the mesh, and is closed or strict."""
    for namespace in plan.namespaces:
        if namespace.proxy is not None and namespace.proxy.enrolled is False:
            yield from _namespace(namespace, namespace.proxy, plan)
    for service in plan.services:
        proxy = plan.enrolment(service)
        if proxy is not None and proxy.enrolled is False:
            yield from _service(service, proxy, plan)


def _namespace(namespace: Namespace, proxy: Proxy, plan: Plan) -> Iterator[Diagnostic]:
    """What else runs there than the services that are declared, which are told of by themselves."""
    told = any(one.namespace == namespace.name and plan.enrolment(one) is proxy for one in plan.services)
    if namespace.default_deny and not told:
        source = namespace.own_default_deny or plan.mesh.default_deny or Source()
        yield _closed(f"namespace {namespace.name}", source, proxy)
    if namespace.effective_mtls is MtlsMode.STRICT:
        mtls = namespace.mtls or plan.mesh.mtls
        yield _strict(f"namespace {namespace.name}", mtls.source if mtls is not None else proxy.source, proxy)


def _service(service: Service, proxy: Proxy, plan: Plan) -> Iterator[Diagnostic]:
    rules = [rule.source for rule in service.access.allow] + [rule.source for rule in service.access.deny]
    if service.access.closed or rules:
        yield _closed(str(service), next((one for one in rules), proxy.source), proxy)
    namespace = plan.namespace(service.namespace)
    # What holds for the whole namespace is said of the namespace.
    if service.effective_mtls is MtlsMode.STRICT and (service.mtls is not None or proxy is not namespace.proxy):
        mtls = service.mtls or namespace.mtls or plan.mesh.mtls
        yield _strict(str(service), mtls.source if mtls is not None else proxy.source, proxy)


def _closed(what: str, source: Source, proxy: Proxy) -> Diagnostic:
    return Diagnostic(
        ACCESS,
        f"{what} has access rules, but is kept out of the mesh",
        source.origin,
        reason=_NO_PROXY,
        help="enrol it, or take its access rules back",
        related=_here(proxy),
    )


def _strict(what: str, source: Source, proxy: Proxy) -> Diagnostic:
    return Diagnostic(
        STRICT,
        f"mTLS of {what} is strict, but it is kept out of the mesh",
        source.origin,
        reason=_NO_PROXY,
        help='enrol it, or say what holds there: MutualTls(…, mode="permissive")',
        related=_here(proxy),
    )


def _here(proxy: Proxy) -> tuple[tuple[str, Origin], ...]:
    return (("it is kept out here", proxy.source.origin),) if proxy.source.origin is not None else ()
