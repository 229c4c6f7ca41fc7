"""The headers of a request that Envoy decides about, before anything of a mesh looks at them.

A route or a rule of access that asks for one of them does not see what the caller has sent, and the service does not
see what an edit says. Measured on Istio's sidecars (``docs/proxies.md``). It must not know what a policy is, nor what
an object says.
"""

from __future__ import annotations

from typing import Final

WRITTEN: Final = frozenset({"x-request-id", "x-forwarded-proto", "x-forwarded-client-cert", "x-envoy-attempt-count"})
"""Those that a proxy adds, before it looks for a route or before the service's judges."""

KEPT: Final = frozenset(
    {
        "x-envoy-decorator-operation",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-force-trace",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-internal",
        "x-envoy-ip-tags",
        "x-envoy-max-retries",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-retry-grpc-on",
        "x-envoy-retry-on",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-ms",
    }
)
"""Those by which proxies are told what to do: no service sees them."""

TAKEN_AWAY: Final = KEPT | {"keep-alive", "proxy-connection", "te"}
"""Those that a proxy takes away before anything looks at them."""

CHANGED: Final = WRITTEN | TAKEN_AWAY
"""Those of which nobody who looks at them sees what the caller has sent."""
