"""A door: all that stands before one port of some pods, and what it makes of what comes in.

First the connection: a STRICT port takes mTLS alone. Then the AuthorizationPolicies. A proxy that sends looks at the
PeerAuthentication of those it sends to: where that is DISABLE it sends plain text, and then it has no identity
(``pilot/pkg/xds/endpoints/mtls_checker.go``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshdsl.simulate.istio_access import Gate
from meshdsl.simulate.istio_mtls import DISABLE, STRICT, Mtls
from meshdsl.simulate.istio_rules import Seen
from meshdsl.simulate.words import Caller, Labels, NotModelled, Request

MUTUAL: Final = "ISTIO_MUTUAL"


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """What stands before one port of some pods.

    Attributes:
        pod: their labels.
        mtls: which connections are taken.
        gate: who is let in.
        kept_out: where it is said that the pods are not in the mesh; empty if they are.
    """

    namespace: str
    pod: Labels
    port: int | str
    mtls: Mtls
    gate: Gate
    kept_out: str = ""

    def is_mutual(self, caller: Caller, tls: str, where: str) -> bool:
        """Whether the connection is mTLS.

        Args:
            caller: who sends.
            tls: mode of client TLS that a DestinationRule asks for; empty where it is left to the mesh.
            where: that stands.

        Raises:
            NotModelled: the mode is none that is known.
        """
        if not caller.account:
            return False
        if tls in ("", MUTUAL):
            return bool(tls) or not (self.kept_out or self.mtls.mode == DISABLE)
        if tls == "DISABLE":
            return False
        raise NotModelled(where, f"client TLS of the mode {tls} is not modelled")

    def admits(self, seen: Seen, *, mutual: bool) -> bool:
        """Whether a request or a connection is let in. Raises NotModelled if that is not known."""
        return self.connects(mutual=mutual) and (bool(self.kept_out) or self.gate.admits(seen))

    def connects(self, *, mutual: bool) -> bool:
        """Whether a connection is taken at all, whatever rules say."""
        if mutual:
            return not self.kept_out and self.mtls.mode != DISABLE  # else nobody there speaks it
        return bool(self.kept_out) or self.mtls.mode != STRICT


def principal_of(caller: Caller, trust_domain: str) -> str:
    """What the certificate of a caller says, without ``spiffe://``."""
    return f"{caller.trust_domain or trust_domain}/ns/{caller.namespace}/sa/{caller.account}"


def edited(request: Request, edits: frozenset[tuple[str, str, str, str]], path: str) -> Request:
    """A request as it leaves the caller's proxy: headers are removed, then set, then added to."""
    if not edits and path == request.path:
        return request
    headers = dict(request.headers)
    own = [edit[1:] for edit in edits if edit[0] == "request"]
    for operation in ("remove", "set", "add"):
        for how, name, value in sorted(own):
            if how != operation:
                continue
            if how == "remove":
                headers.pop(name, None)
            elif how == "add" and name in headers:
                headers[name] = f"{headers[name]},{value}"
            else:
                headers[name] = value
    return Request(
        request.caller, request.service, request.port, request.method, path, headers, request.query, request.by_name
    )
