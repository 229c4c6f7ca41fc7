"""Whether a workload takes plain text, mTLS, or both: the PeerAuthentications that hold for it.

A port of the workload's own policy, then that policy, then the namespace's, then the mesh's; without any, both are
taken. Of two of one scope the oldest holds; one with a selector in the root namespace is none
(``pilot/pkg/security/authn/policy_applier.go``, ``pilot/pkg/model/authentication.go``). Ports are the workload's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.simulate.fields import Body, by_age, labelled, mapping, namespace_of, only, title
from meshdsl.simulate.words import Labels, NotModelled

STRICT, PERMISSIVE, DISABLE, UNSET = "STRICT", "PERMISSIVE", "DISABLE", "UNSET"
_MODES: Final = frozenset({STRICT, PERMISSIVE, DISABLE, UNSET})


@dataclass(frozen=True, slots=True)
class Mtls:
    """The mode of one port of a workload.

    Attributes:
        mode: ``STRICT``, ``PERMISSIVE`` or ``DISABLE``.
        where: the object and the field; empty for the mesh's own default.
        passed_over: objects of the same scope that do not hold.
    """

    mode: str
    where: str
    passed_over: tuple[str, ...] = ()

    @property
    def takes_plain_text(self) -> bool:
        """Whether a connection without mTLS is taken."""
        return self.mode != STRICT


DEFAULT: Final = Mtls(PERMISSIVE, "")


class PeerAuthentications:
    """All PeerAuthentications, by scope.

    Args:
        bodies: the objects.
        root: the root namespace.
    """

    def __init__(self, bodies: Iterable[Body], root: str) -> None:
        self._root = root
        self._whole: dict[str, list[Body]] = {}
        self._selecting: dict[str, list[Body]] = {}
        for body in by_age(bodies):
            spec = mapping(body.get("spec"), title(body))
            selects = mapping(spec.get("selector"), title(body)).get("matchLabels")
            where = self._selecting if selects else self._whole
            where.setdefault(namespace_of(body), []).append(body)

    def of(self, namespace: str, pod: Labels, port: int | str, *, ambient: bool = False) -> Mtls:
        """The mode of a port of the pods with these labels.

        Args:
            namespace: of the pods.
            pod: their labels.
            port: of theirs.
            ambient: whether ztunnel enforces it, which knows no ``DISABLE``.

        Raises:
            NotModelled: it depends on something that is not known.
        """
        found = DEFAULT
        for scope in (self._root, namespace):
            whole = self._whole.get(scope)
            if whole:
                found = _mode(whole[0], found, whole[1:])
        own = [one for one in self._selecting.get(namespace, ()) if namespace != self._root and _selects(one, pod)]
        if own:
            found = _of_port(own[0], port, _mode(own[0], found, own[1:]), found, ambient=ambient)
        if ambient and found.mode == DISABLE:  # istiod takes it for a mode that is not strict (measured)
            return Mtls(PERMISSIVE, found.where, found.passed_over)
        return found


def _spec(body: Body) -> Body:
    return only(body.get("spec"), ("selector", "mtls", "portLevelMtls"), f"{title(body)} spec")


def _mode(body: Body, inherited: Mtls, younger: list[Body]) -> Mtls:
    where = f"{title(body)} spec.mtls"
    mode = _read(_spec(body).get("mtls"), where)
    passed_over = (*inherited.passed_over, *map(title, younger))
    return Mtls(inherited.mode, inherited.where, passed_over) if mode == UNSET else Mtls(mode, where, passed_over)


def _of_port(body: Body, port: int | str, own: Mtls, inherited: Mtls, *, ambient: bool) -> Mtls:
    spec = _spec(body)
    ports = mapping(spec.get("portLevelMtls"), title(body))
    modes = {str(one): _read(value, f"{title(body)} spec.portLevelMtls[{one}]") for one, value in ports.items()}
    if not modes:
        return own
    if isinstance(port, str) and not port.isdecimal() and set(modes.values()) - {UNSET, own.mode}:
        raise NotModelled(f"{title(body)} spec.portLevelMtls", f"which number the port {port} has is not known")
    mode = modes.get(str(port), UNSET)
    unset = _read(spec.get("mtls"), title(body)) == UNSET
    if ambient and unset and inherited.mode == STRICT and PERMISSIVE not in modes.values():
        return own  # without one that is PERMISSIVE, istiod does not look at the ports of a policy that inherits STRICT
    if mode == UNSET:
        return own
    return Mtls(mode, f"{title(body)} spec.portLevelMtls[{port}]", own.passed_over)


def _read(value: Any, where: str) -> str:
    mode = str(only(value, ("mode",), where).get("mode") or UNSET)
    if mode not in _MODES:
        raise NotModelled(where, f"the mode {mode} is not modelled")
    return mode


def _selects(body: Body, pod: Labels) -> bool:
    selector = only(
        mapping(body.get("spec"), title(body)).get("selector"), ("matchLabels",), f"{title(body)} spec.selector"
    )
    return labelled(mapping(selector.get("matchLabels"), title(body))) <= pod
