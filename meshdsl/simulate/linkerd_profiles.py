"""ServiceProfiles, and TrafficSplits, which an extension turns into such.

A profile that has routes or other destinations switches everything else off for its Service: routes of Gateway API,
annotations, the breaker (``linkerd2-proxy: app/outbound/src/http/logical/profile.rs``; measured). Of its routes the
first that matches holds, in their order. The namespace of the caller is looked in before that of the Service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

from meshdsl.simulate.fields import Body, all_hold, mapping, milliseconds, number, only, sequence, some_hold, title
from meshdsl.simulate.fields import Condition as Asked
from meshdsl.simulate.inventory import KubeService
from meshdsl.simulate.linkerd_actions import Action, Target, targets_of
from meshdsl.simulate.linkerd_objects import Objects
from meshdsl.simulate.words import Backend, NotModelled, Request, shares
from meshdsl.values import duration_text, regex_text

Holds = Callable[[Request], bool]
_SPEC: Final = ("routes", "retryBudget", "dstOverrides", "opaquePorts")
_ROUTE: Final = ("name", "condition", "isRetryable", "timeout", "responseClasses")
_CONDITION: Final = ("method", "pathRegex", "all", "any", "not")


class Profile:
    """What a ServiceProfile and a TrafficSplit say of a port of a Service.

    Attributes:
        where: the object.
        opaque: whether it makes the port opaque.
        is_used: whether it has routes or other destinations.

    Args:
        objects: the index.
        service: that it is about.
        port: its number.
        profile: the ServiceProfile; None if there is none.
        split: the TrafficSplit; None if there is none.

    Raises:
        NotModelled: it says something that is not known.
    """

    def __init__(
        self, objects: Objects, service: KubeService, port: int, profile: Body | None, split: Body | None
    ) -> None:
        self.where = title(split if profile is None and split is not None else profile or {})
        spec = only((profile or {}).get("spec"), _SPEC, f"{self.where} spec")
        self.opaque = str(port) in (mapping(spec.get("opaquePorts"), f"{self.where} spec.opaquePorts"))
        self._routes = [
            _route(one, f"{self.where} spec.routes[{n}]")
            for n, one in enumerate(sequence(spec.get("routes"), f"{self.where} spec.routes"))
        ]
        given: list[tuple[str, int, Any, str]] = _overrides(spec, service, port, objects, self.where)
        if split is not None:
            given = _split(split, port)  # the extension writes these in place of those
        self.is_used = bool(self._routes or given)
        self._backends, self._targets = _destinations(objects, given, self.where)
        if not given:
            self._backends, self._targets = shares([(service.backend(port), 1)]), targets_of(service, port)
        self._plain = Action(self._backends, self._targets)

    def action(self, request: Request) -> Action:
        """What is done with a request.

        Raises:
            NotModelled: it is tried again within a budget, which is no number of tries.
        """
        for holds, body, where in self._routes:
            if holds(request):
                if body.get("isRetryable"):
                    raise NotModelled(f"{where}.isRetryable", "tries within a budget have no number")
                timeout = _timeout(body.get("timeout"))
                notes = (
                    ((f"the answer must be complete within {duration_text(timeout)}", where),)
                    if timeout is not None
                    else ()
                )
                return Action(self._backends, self._targets, timeout, notes=notes)
        return self._plain

    @property
    def has_routes(self) -> bool:
        """Whether requests are told apart; a TrafficSplit alone does not."""
        return bool(self._routes)

    def matched(self, request: Request) -> tuple[str, str]:
        """Place and name of the route that takes a request; of the whole and empty if none does."""
        for holds, body, where in self._routes:
            if holds(request):
                return where, str(body.get("name", ""))
        return self.where, ""


def profile_of(objects: Objects, service: KubeService, port: int, namespace: str) -> Profile | None:
    """What stands for a Service in place of its routes, for callers of a namespace; None if nothing does."""
    name = f"{service.name}.{service.namespace}.svc.{objects.target.cluster_domain}"
    splits = objects.splits.get(str(service), ())
    if len(splits) > 1:
        raise NotModelled(title(splits[1]), f"{title(splits[0])} is for the same Service: which of them holds")
    split = splits[0] if splits else None
    of_caller = objects.profiles.get((namespace, name)) if namespace != service.namespace else None
    if of_caller is not None:
        return Profile(objects, service, port, of_caller, None)
    found = objects.profiles.get((service.namespace, name))
    if found is None and split is None:
        return None
    return Profile(objects, service, port, found, split)


def _split(split: Body, port: int) -> list[tuple[str, int, Any, str]]:
    """The backends of a TrafficSplit, which are of its own namespace, on the port that is called."""
    where = title(split)
    namespace = str((split.get("metadata") or {}).get("namespace") or "")
    spec = only(split.get("spec"), ("service", "backends"), f"{where} spec")
    found = []
    for n, one in enumerate(sequence(spec.get("backends"), f"{where} spec.backends")):
        place = f"{where} spec.backends[{n}]"
        only(one, ("service", "weight"), place)
        found.append((f"{namespace}/{one.get('service')}", port, one.get("weight", 0), place))
    return found


def _overrides(
    spec: Body, service: KubeService, port: int, objects: Objects, where: str
) -> list[tuple[str, int, Any, str]]:
    """``dstOverrides``: authorities ``name.namespace.svc.<domain>``, with a port or for the one that is called."""
    found = []
    pattern = rf"([^.:]+)\.([^.:]+)\.svc\.{re.escape(objects.target.cluster_domain)}\.?(?::([0-9]+))?"
    for n, one in enumerate(sequence(spec.get("dstOverrides"), f"{where} spec.dstOverrides")):
        place = f"{where} spec.dstOverrides[{n}]"
        only(one, ("authority", "weight"), place)
        name = re.fullmatch(pattern, str(one.get("authority")))
        if name is None:
            raise NotModelled(f"{place}.authority", f"{one.get('authority')} is no Service of {service}'s cluster")
        found.append((f"{name[2]}/{name[1]}", int(name[3] or port), one.get("weight", 0), place))
    return found


def _destinations(
    objects: Objects, given: Sequence[tuple[str, int, Any, str]], where: str
) -> tuple[frozenset[tuple[Backend, Fraction]], tuple[Target, ...]]:
    weighted: list[tuple[Backend, Fraction]] = []
    targets: dict[Target, None] = {}
    for name, port, weight, place in given:
        share = _quantity(weight, f"{place}.weight")
        if not share:
            continue
        if name not in objects.inventory:
            raise NotModelled(place, f"there is no Service {name} that is known")
        weighted.append((objects.inventory[name].backend(port), share))
        targets |= dict.fromkeys(targets_of(objects.inventory[name], port))
    if given and not weighted:
        raise NotModelled(where, "all weights are 0")
    return shares(weighted), tuple(targets)


def _quantity(value: Any, where: str) -> Fraction:
    """A weight as Kubernetes writes quantities: ``500m`` is a half."""
    text = str(value)
    return number(text.removesuffix("m"), where) / (1000 if text.endswith("m") else 1)


def _timeout(value: Any) -> int | None:
    """A duration of Go; what does not parse, and 0, are none (``controller/api/destination/profile_translator.go``)."""
    try:
        return milliseconds(str(value or ""), "") or None
    except NotModelled:
        return None


def _route(one: Any, where: str) -> tuple[Holds, Body, str]:
    body = only(one, _ROUTE, where)
    return _condition(body.get("condition"), f"{where}.condition"), body, where


def _condition(given: Any, where: str) -> Holds:
    """A condition: all that it says must hold."""
    found = only(given, _CONDITION, where)
    parts: list[Holds] = []
    if found.get("method"):
        wanted = str(found["method"]).upper()
        parts.append(lambda request: request.method == wanted)
    if found.get("pathRegex"):
        parts.append(_path(str(found["pathRegex"]), f"{where}.pathRegex"))
    parts += [_condition(one, f"{where}.all[{n}]") for n, one in enumerate(found.get("all") or ())]
    if found.get("any"):
        some = [_condition(one, f"{where}.any[{n}]") for n, one in enumerate(found["any"])]
        parts.append(lambda request: some_hold(some, request))
    if found.get("not"):
        other = _condition(found["not"], f"{where}.not")
        parts.append(lambda request: not other(request))
    if not parts:
        raise NotModelled(where, "a condition without a field is refused by the mesh")
    asked = [Asked(holds, "condition", "") for holds in parts]
    return lambda request: all_hold(asked, request)


def _path(pattern: str, where: str) -> Holds:
    """An anchor is put at each end that has none (``linkerd2-proxy: service-profiles/src/proto.rs``)."""
    pattern = pattern.strip()
    anchored = f"{'' if pattern.startswith('^') else '^'}{pattern}{'' if pattern.endswith('$') else '$'}"
    try:
        search = re.compile(regex_text(anchored), re.ASCII).search
    except ValueError as error:
        raise NotModelled(where, str(error)) from None
    return lambda request: search(request.path) is not None
