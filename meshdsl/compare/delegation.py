"""What Flagger and Argo Rollouts own of an object while they drive it: taken off both sides, and counted.

Who drives is asked once, of what is live: an owner, a Canary or Rollout that names the object, or the marks that they
leave. Asked of each side by itself, the answers would differ, and a rollout would look like drift for as long as it
lasts. What is taken off is only what they are known to write; everything else still shows. ``managedFields`` say
nothing here: both tools write whole objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshdsl.compare.align import pairs
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import (
    Key,
    annotations_of,
    canonical,
    key_of,
    labels_of,
    list_of,
    mapping_of,
    plain,
    text_of,
)
from meshdsl.compare.ownership import controller_of

FLAGGER: Final = "Flagger"
ROLLOUTS: Final = "Argo Rollouts"
HASH_LABEL: Final = "rollouts-pod-template-hash"
IN_PROGRESS_LABEL: Final = "rollouts.argoproj.io/gatewayapi-canary"
MANAGED_ANNOTATION: Final = "argo-rollouts.argoproj.io/managed-by-rollouts"

_TOOLS: Mapping[tuple[str, str], str] = {("flagger.app", "Canary"): FLAGGER, ("argoproj.io", "Rollout"): ROLLOUTS}


@dataclass(frozen=True, slots=True)
class Driver:
    """Who drives an object.

    Attributes:
        tool: :data:`FLAGGER` or :data:`ROLLOUTS`.
        name: of the Canary or Rollout; empty if only its marks are there.
        backends: names of the Services whose weights it moves; empty if they are not known.
        routes: names of the routes whose weights it moves; empty means all.
        managed: names of the routes that it puts in by itself.
        replaces_routes: it writes all routes anew (Flagger's A/B tests).
    """

    tool: str
    name: str = ""
    backends: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    managed: frozenset[str] = frozenset()
    replaces_routes: bool = False

    def __str__(self) -> str:
        if not self.name:
            return self.tool
        return f"{self.tool} {'canary' if self.tool == FLAGGER else 'rollout'}/{self.name}"


def is_driver(live: LiveObject) -> bool:
    """Whether an object is a Canary or a Rollout."""
    group, kind, *_ = key_of(live)
    return (group, kind) in _TOOLS


class Drivers:
    """The Canaries and Rollouts that are live, and what each of them names."""

    def __init__(self, objects: Iterable[LiveObject]) -> None:
        self._named: dict[Key, Driver] = {}
        self._by_owner: dict[tuple[str, str, str], Driver] = {}
        for live in objects:
            group, kind, namespace, name = key_of(live)
            tool = _TOOLS.get((group, kind))
            if tool is not None:
                driver, keys = (_canary if tool == FLAGGER else _rollout)(live, namespace, name)
                self._by_owner[kind, namespace, name] = driver
                self._named.update(dict.fromkeys(keys, driver))

    def of(self, live: LiveObject) -> Driver | None:
        """Who drives a live object; None if nobody does."""
        owner = controller_of(live)
        kind, name = text_of(owner.get("kind")), text_of(owner.get("name"))
        tool = _TOOLS.get((text_of(owner.get("apiVersion")).partition("/")[0], kind))
        key = key_of(live)
        if tool is not None:
            return self._by_owner.get((kind, key[2], name), Driver(tool, name))
        if key in self._named:
            return self._named[key]
        marked = labels_of(live).get(IN_PROGRESS_LABEL) == "in-progress" or MANAGED_ANNOTATION in annotations_of(live)
        return Driver(ROLLOUTS) if marked else None


_ISTIO, _GATEWAY_API = "networking.istio.io", "gateway.networking.k8s.io"


def _canary(live: LiveObject, namespace: str, name: str) -> tuple[Driver, list[Key]]:
    spec = mapping_of(live.get("spec"))
    service = text_of(mapping_of(spec.get("service")).get("name"))
    apex = service or text_of(mapping_of(spec.get("targetRef")).get("name")) or name
    tests = bool(list_of(mapping_of(spec.get("analysis")).get("match")))
    keys: list[Key] = [(_ISTIO, "VirtualService", namespace, apex), (_GATEWAY_API, "HTTPRoute", namespace, apex)]
    keys += [("", "Service", namespace, f"{apex}{part}") for part in ("", "-primary", "-canary")]
    keys += [(_ISTIO, "DestinationRule", namespace, f"{apex}{part}") for part in ("-primary", "-canary")]
    return Driver(FLAGGER, name, replaces_routes=tests), keys


def _rollout(live: LiveObject, namespace: str, name: str) -> tuple[Driver, list[Key]]:
    canary = mapping_of(mapping_of(mapping_of(live.get("spec")).get("strategy")).get("canary"))
    routing = mapping_of(canary.get("trafficRouting"))
    services = frozenset(filter(None, (text_of(canary.get(one)) for one in ("stableService", "canaryService"))))
    istio = mapping_of(routing.get("istio"))
    hosts = [istio.get("virtualService"), *list_of(istio.get("virtualServices"))]
    routes = frozenset(
        text_of(route) for host in hosts for route in list_of(mapping_of(host).get("routes")) if text_of(route)
    )
    managed = frozenset(text_of(mapping_of(one).get("name")) for one in list_of(routing.get("managedRoutes")))
    driver = Driver(ROLLOUTS, name, services, routes, managed)
    keys: list[Key] = [("", "Service", namespace, service) for service in sorted(services)]
    keys += [
        (_ISTIO, "VirtualService", namespace, text_of(mapping_of(host).get("name")))
        for host in hosts
        if mapping_of(host)
    ]
    rule = text_of(mapping_of(istio.get("destinationRule")).get("name"))
    keys += [(_ISTIO, "DestinationRule", namespace, rule)] if rule else []
    plugin = mapping_of(mapping_of(routing.get("plugins")).get("argoproj-labs/gatewayAPI"))
    where = text_of(plugin.get("namespace")) or namespace
    named = [plugin.get("httpRoute"), *(mapping_of(one).get("name") for one in list_of(plugin.get("httpRoutes")))]
    keys += [(_GATEWAY_API, "HTTPRoute", where, text_of(route)) for route in named if text_of(route)]
    return driver, keys


# -------------------------------------------------------------------------------------------------------------- masking


@dataclass
class _Mask:
    """Both sides, in copies that are changed, and how many fields of ours were taken off."""

    ours: dict[str, Any]
    live: dict[str, Any]
    driver: Driver
    count: int = field(default=0)

    def take(self, ours: Iterable[Mapping[str, Any]], live: Iterable[Mapping[str, Any]], *names: str) -> None:
        """Take fields off; those of ours are counted."""
        for item in live:
            _without(item, names)
        for item in ours:
            self.count += _without(item, names)

    def leave_own(self, ours: list[Any], live: list[Any]) -> None:
        """Take off the live routes that the tool has put in."""
        mine = {canonical([_routes(item), item.get("name")]) for item in ours if isinstance(item, Mapping)}
        names = {item.get("name") for item in ours if isinstance(item, Mapping)}
        live[:] = [
            item
            for item in live
            if not isinstance(item, Mapping)
            or canonical([_routes(item), item.get("name")]) in mine
            or not self._is_own(item, names)
        ]

    def _is_own(self, item: Mapping[str, Any], names: set[Any]) -> bool:
        if self.driver.tool == FLAGGER:
            return _matches_cookie(item)
        name = text_of(item.get("name"))
        return name not in names and any(name == one or name.startswith(f"{one}-") for one in self.driver.managed)


def masked(
    ours: Mapping[str, Any], live: Mapping[str, Any], driver: Driver
) -> tuple[Mapping[str, Any], Mapping[str, Any], int]:
    """Both objects without what a tool owns, and how many fields of ours that are."""
    mask = _Mask(plain(ours), plain(live), driver)
    work = _MASKS.get(text_of(ours.get("kind")))
    if work is not None:
        work(mask)
    # Ours has the marks, too, where it is what an API server answered to an apply.
    for metadata in (mask.ours.get("metadata", {}), mask.live.get("metadata", {})):
        _without(metadata.get("labels", {}), (IN_PROGRESS_LABEL,))
        _without(metadata.get("annotations", {}), (MANAGED_ANNOTATION,))
    return mask.ours, mask.live, mask.count


def settled(ours: Any, theirs: Any) -> Any:
    """A masked live object with our own values where the tool's were taken off: what would be without the rollout."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        whole = {name: settled(ours.get(name), value) for name, value in theirs.items()}
        return whole | {name: ours[name] for name in _MOVED if name in ours and name not in theirs}
    if isinstance(ours, list) and isinstance(theirs, list):
        with_which = {pair.live: pair.ours for pair in pairs(_unweighed(ours), theirs) if pair.ours is not None}
        return [settled(ours[with_which[j]] if j in with_which else None, item) for j, item in enumerate(theirs)]
    return theirs


def kept(ours: Mapping[str, Any], live: Mapping[str, Any], driver: Driver) -> Mapping[str, Any] | None:
    """What may be written to an object while a tool drives it: ours, with the weights that are there.

    Returns:
        None if the tool owns more than weights of it, so that nobody but the tool can write it.
    """
    mine, theirs, _ = masked(ours, live, driver)
    for whole, without in ((ours, mine), (live, theirs)):
        if _unweighed(plain(whole.get("spec"))) != _unweighed(without.get("spec")):
            return None
    found: Mapping[str, Any] = settled(plain(live), mine)
    return found


_MOVED: Final = ("weight",)


def _unweighed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _unweighed(item) for name, item in value.items() if name not in _MOVED}
    return [_unweighed(item) for item in value] if isinstance(value, list) else value


def _virtual_service(mask: _Mask) -> None:
    ours, live = mapping_of(mask.ours.get("spec")), mapping_of(mask.live.get("spec"))
    driver = mask.driver
    if driver.replaces_routes:
        mask.take([ours], [live], "http")
        return
    sides = [_items(spec, "http") for spec in (ours, live)]
    mask.leave_own(*sides)
    if driver.tool == FLAGGER:
        mask.take(_mappings(sides[0][:1]), _mappings(sides[1][:1]), "mirror", "mirrorPercentage", "mirrorPercent")
    for part in ("http", "tls", "tcp"):
        mine, theirs = (
            [
                target
                for route in _mappings(_items(spec, part))
                if not driver.routes or route.get("name") in driver.routes
                for target in _mappings(_items(route, "route"))
            ]
            for spec in (ours, live)
        )
        mask.take(mine, theirs, "weight")


def _http_route(mask: _Mask) -> None:
    ours, live = mapping_of(mask.ours.get("spec")), mapping_of(mask.live.get("spec"))
    sides = [_items(spec, "rules") for spec in (ours, live)]
    mask.leave_own(*sides)
    mine, theirs = (list(_driven_backends(rules, mask.driver)) for rules in sides)
    mask.take(mine, theirs, "weight")
    if mask.driver.tool == FLAGGER:
        mask.take(mine, theirs, "filters")
        for rule in _mappings(sides[1]):
            filters = _items(rule, "filters")
            filters[:] = [one for one in filters if mapping_of(one).get("type") != "RequestMirror"]
            if not filters:
                _without(rule, ("filters",))
        for rule in _mappings(sides[0]):
            filters = _items(rule, "filters")
            before = len(filters)
            filters[:] = [one for one in filters if mapping_of(one).get("type") != "RequestMirror"]
            mask.count += before - len(filters)
            if before and not filters:
                _without(rule, ("filters",))


def _driven_backends(rules: list[Any], driver: Driver) -> Iterator[Mapping[str, Any]]:
    for rule in _mappings(rules):
        backends = list(_mappings(_items(rule, "backendRefs")))
        names = {text_of(backend.get("name")) for backend in backends}
        if driver.backends <= names:
            yield from (one for one in backends if not driver.backends or one.get("name") in driver.backends)


def _destination_rule(mask: _Mask) -> None:
    mine, theirs = (
        [mapping_of(subset.get("labels")) for subset in _mappings(_items(mapping_of(body.get("spec")), "subsets"))]
        for body in (mask.ours, mask.live)
    )
    mask.take(mine, theirs, HASH_LABEL)


def _service(mask: _Mask) -> None:
    mine, theirs = (mapping_of(mapping_of(body.get("spec")).get("selector")) for body in (mask.ours, mask.live))
    mask.take([mine], [theirs], HASH_LABEL)


_MASKS = {
    "VirtualService": _virtual_service,
    "HTTPRoute": _http_route,
    "DestinationRule": _destination_rule,
    "Service": _service,
}


def _items(parent: Mapping[str, Any], name: str) -> list[Any]:
    """A list that may be changed; a new one if there is none."""
    value = parent.get(name)
    return value if isinstance(value, list) else []


def _mappings(items: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, Mapping))


def _without(item: Mapping[str, Any], names: Iterable[str]) -> int:
    """Take fields off a copy; how many there were."""
    there = [name for name in names if name in item]
    for name in there:
        del item[name]  # type: ignore[attr-defined]
    return len(there)


def _routes(item: Mapping[str, Any]) -> Any:
    return item.get("match") or item.get("matches")


def _matches_cookie(item: Mapping[str, Any]) -> bool:
    """Whether a route is for requests with a cookie: Flagger keeps sessions together so."""
    for match in _mappings(list_of(_routes(item))):
        headers = match.get("headers")
        names = [text_of(one.get("name")) for one in _mappings(headers)] if isinstance(headers, list) else headers
        if any(text_of(name).lower() == "cookie" for name in names or ()):
            return True
    return False
