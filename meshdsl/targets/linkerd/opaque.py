"""Ports that Linkerd takes for bytes by their number, so that policies about requests come to nothing there.

On a port of a Service whose number is in the mesh's list, and which has no ``appProtocol``, callers' proxies see no
requests: every route, retry, timeout and breaker is ignored without a word. On a port of *pods* in the list, callers
send what they know to be requests as bytes, whatever a Server says of the port (the list and the pods' annotation come
first: ``controller/api/destination/watcher``), so the callee's proxy judges connections alone, and answers no 502 for
an application that resets.

An annotation could take a port out of the list, on the Service and on its pods. It would replace the list for all
their other ports, and restart the pods; and a number of this list is nearly always a protocol of bytes that somebody
forgot to declare. So it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.plan.source import Source
from meshdsl.targets.base import refused
from meshdsl.targets.linkerd.atoms import applicable
from meshdsl.targets.linkerd.http_route import RESETS
from meshdsl.targets.linkerd.server import Listener, has_servers, listeners

DEFAULT: Final = "25,587,3306,4444,5432,6379,9300,11211"
"""Helm's ``proxy.opaquePorts`` as it is installed."""
BROKEN: Final = RESETS | {"5xx"}
"""Conditions of retries that hold where there is no answer, which is a 502 if the callee's proxy sees requests."""
_CODE: Final = "MESH651"
_PART: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def numbers(ports: str) -> frozenset[int]:
    """The numbers of a list such as ``"25,8000-8100"``; an empty one has none. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, (one.strip() for one in ports.split(","))):
        matched = _PART.fullmatch(part)
        first, last = (int(matched[1]), int(matched[2] or matched[1])) if matched else (0, 0)
        if not 1 <= first <= last <= 65_535:
            raise ValueError(f'opaque_ports is a list of ports such as "25,8000-8100", not {ports!r}')
        found.update(range(first, last + 1))
    return frozenset(found)


def check(service: Service, plan: Plan, opaque: frozenset[int]) -> Iterator[Diagnostic]:
    """What a service is to do with requests on ports that the mesh takes for bytes.

    Args:
        service: any.
        plan: it is of.
        opaque: the numbers of the mesh's list.
    """
    for listener in listeners(service):
        http = [port for port in listener.ports if port.is_http]
        by_number = [port for port in http if port.number in opaque]
        found = [one for port in by_number for one in _ignored(service, port)]
        if not found and (by_number or (http and listener.target in opaque)):
            found = list(_seen_as_bytes(service, listener, plan, in_pods=listener.target in opaque))
        yield from found


def _ignored(service: Service, port: Port) -> Iterator[Diagnostic]:
    source = _about_requests(service, port)
    if source is not None:
        yield _refused(f"port {port.number} of {service}", "have policies", source)


def _seen_as_bytes(service: Service, listener: Listener, plan: Plan, *, in_pods: bool) -> Iterator[Diagnostic]:
    place = f"port {listener.ports[0].number} of {service}"
    if in_pods:
        place = f"port {listener.target} of the pods of {service}"
    restricts = _restricts(service, listener, plan, in_pods=in_pods)
    if restricts is not None:
        yield _refused(place, "are restricted", restricts)
    retries = [rule.retry for port in listener.ports for rule in port.rules if rule.retry is not None]
    retry = next((one for one in retries if BROKEN & set(one.conditions)), None)
    if retry is not None:
        yield _refused(place, "are tried again where there is no answer", retry.source, field="retry_on")


def _restricts(service: Service, listener: Listener, plan: Plan, *, in_pods: bool) -> Source | None:
    """The policy of which a Server would refuse even the callers that it names, if they send bytes."""
    allows = applicable(service.access.allow, listener)
    for allow in allows:
        if allow.is_http:
            return allow.source
    if in_pods and listener.proxy_protocol == "HTTP/2" and has_servers(service, plan):
        # It lets in no bytes (``app/inbound/src/policy/tcp.rs``). Without an Allow, nobody is to come in anyway.
        if allows:
            return allows[0].source
        if service.mtls is not None and not service.access.closed:
            return service.mtls.source
    return None


def _about_requests(service: Service, port: Port) -> Source | None:
    """The first policy that would come to nothing on a port; None if there is none."""
    for rule in port.rules:
        parts = (rule.timeout, rule.retry, rule.headers, rule.redirect)
        found = [rule.split, rule.canary, *(part.source for part in parts if part is not None)]
        source = next((one for one in found if one is not None), None)
        if source is not None:
            return source
    return service.breaker.source if service.breaker is not None else None


def _refused(place: str, what: str, source: Source, *, field: str = "") -> Diagnostic:
    return refused(
        _CODE,
        f"requests to {place}, which the mesh takes for bytes, {what}",
        source,
        field=field,
        reason="the number is in the mesh's list of opaque ports, where it sees no requests",
        help='declare the port with protocol="tcp" if that is what it speaks, or use another; where the Service says'
        " appProtocol: http and its pods are annotated, or the mesh has another list, set opaque_ports for this target",
    )
