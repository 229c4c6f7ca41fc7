"""What Istio with sidecars can do: one row for each feature, with what a user should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshdsl.plan.features import Feature
from meshdsl.targets.base import Support, approximate, exact, never

SUPPORT: Final[Mapping[Feature, Support]] = {
    Feature.SPLIT: exact("requests for a version without a ready pod fail; their share does not move to the others"),
    Feature.CANARY_MATCH: exact(),
    Feature.MATCH_PATH: exact('"/a/*" is written as exact "/a" and prefix "/a/", since a prefix is one of characters'),
    Feature.MATCH_PATH_REGEX: exact("RE2, on the whole path"),
    Feature.MATCH_METHOD: exact("GET does not cover HEAD"),
    Feature.MATCH_HEADER: exact(
        "values are compared with regard to case; headers that Envoy writes cannot be asked for (MESH617)"
    ),
    Feature.MATCH_QUERY: exact(),
    Feature.TIMEOUT: exact(),
    Feature.RETRY: exact("attempts counts retries: attempts=3 is up to four tries"),
    Feature.RETRY_5XX: exact(),
    Feature.RETRY_STATUSES: exact("a reset that the caller's own proxy reports as 503 is no 503 here: name reset"),
    Feature.RETRY_RESET: exact(
        "between sidecars a reset or refused connection of the application arrives as 503, so without 5xx,"
        " gateway-error or 503 it is refused (MESH615)"
    ),
    Feature.RETRY_4XX: exact("Envoy's retriable-4xx is the status 409"),
    Feature.RETRY_GRPC: exact(),
    Feature.RETRY_PER_TRY_TIMEOUT: exact(),
    Feature.RETRY_BACKOFF: exact(),
    Feature.RETRY_NONE: exact("written as attempts: 0, since the mesh retries twice by default, whatever the method"),
    Feature.BREAKER_POOL: exact(
        "limits of each calling proxy, and the same again in the sidecar of each pod, for all callers together and"
        " those outside the mesh; what is above them is answered with 503 at once"
    ),
    Feature.BREAKER_OUTLIER: exact(
        "each calling proxy ejects by itself; where nodes have regions and zones, Istio also prefers pods near the"
        " caller as soon as there is a breaker with ejection"
    ),
    Feature.BREAKER_GATEWAY_ERRORS: exact(
        "502, 503 and 504; the counter of other 5xx is switched off unless it is set"
    ),
    Feature.FAULT_ABORT: exact("made in the calling proxy; timeouts and retries do not see it"),
    Feature.FAULT_DELAY: exact("made in the calling proxy; timeouts and retries do not see it"),
    Feature.MIRROR: exact(
        "copies keep the host of the request; theirs ends in -shadow where istiod runs with"
        " DISABLE_SHADOW_HOST_SUFFIX=false"
    ),
    Feature.MIRROR_PERCENT: exact(),
    Feature.HEADERS_REQUEST: exact(
        "a percent sign in a value is written doubled; headers that are Envoy's own cannot be edited (MESH616)"
    ),
    Feature.HEADERS_RESPONSE: exact(
        "a percent sign in a value is written doubled; server is what the caller's proxy writes, and cannot be edited"
        " (MESH616)"
    ),
    Feature.REWRITE_PATH: exact(),
    Feature.REWRITE_HOST: exact(),
    Feature.REDIRECT: exact("the query is kept"),
    Feature.ALLOW_ACCOUNT: exact("by the identity in the caller's certificate, with the profile's trust domain"),
    Feature.ALLOW_NAMESPACE: exact("by the identity in the caller's certificate, with the profile's trust domain"),
    Feature.ALLOW_IN_MESH: exact("any identity, of other trust domains too if the mesh trusts them"),
    Feature.ALLOW_AT_ALL: exact(),
    Feature.ALLOW_HTTP: exact("methods are literal: GET does not cover HEAD"),
    Feature.ALLOW_PATH_REGEX: never(
        "an AuthorizationPolicy has no regular expressions", help='name the paths, or use one such as "/a/*"'
    ),
    Feature.ALLOW_HEADER_REGEX: never(
        "an AuthorizationPolicy has no regular expressions",
        help='name the value, or only ask that the header is there: Header("x-name")',
    ),
    Feature.ALLOW_PORTS: exact("the number of the workload's port must be known (MESH602)"),
    Feature.DENY: exact("of callers by identity; a caller without one, where plain text is taken, is nobody named"),
    Feature.DENY_HTTP: exact("methods are literal: GET does not cover HEAD"),
    Feature.DENY_PATHS: approximate(
        "a denied path is compared as text: denying /secret leaves //secret, /SECRET and /secret/ open",
        help="allow what may be called instead, unless the service answers no other spelling",
    ),
    Feature.DEFAULT_DENY: exact("kubelet probes are let through by the injected sidecar"),
    Feature.DEFAULT_DENY_MESH: exact("a policy in the root namespace; gateways are closed by it as well"),
    Feature.MTLS_STRICT: exact("callers outside the mesh are cut off"),
    Feature.MTLS_PERMISSIVE: exact("callers in plain text have no identity"),
    Feature.MTLS_MESH: exact(),
    Feature.ENROLMENT: exact("pods that already run get their sidecar at their next start"),
    Feature.REVISION: exact("an istio-injection label that somebody else set on the namespace goes before it"),
    Feature.SIDECAR_RESOURCES: exact("the workload must be known (MESH610), and all four values given (MESH611)"),
}
