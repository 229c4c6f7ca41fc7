"""What Linkerd can do, feature by feature.

Read in the policy controller and proxy of 2.18 to 2.20 and checked against real proxies. A row is a promise: what is
exact here must mean to a request what it means on the other meshes. Rules that span several fields are in ``rules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshdsl.plan.features import Feature
from meshdsl.targets.base import Support, approximate, exact, never, not_yet

_ROUTED: Final = (
    "Routes apply to callers in the mesh, and only if the Service's own appProtocol is absent, http or "
    "kubernetes.io/h2c: with any other (grpc, http2, https, tcp) the mesh treats the port as opaque bytes "
    "and ignores every route; on a port that it takes for bytes by its number they are refused (MESH651)"
)
_ALLOW_ONLY: Final = "the mesh's policies only allow; there is nothing that refuses what another policy allows"
_WRITE_ALLOWS: Final = "write Allow rules that name who may, instead of a Deny that names who may not"
_RESTART: Final = (
    "The default policy is an annotation of the namespace, which the injector copies into pods: it holds for pods that "
    "are started afterwards"
)


SUPPORT: Final[Mapping[Feature, Support]] = {
    Feature.SPLIT: exact(
        f"The share of a version without a ready endpoint goes to the other versions. {_ROUTED}. With split_api = "
        '"smi" the extension linkerd-smi must be installed'
    ),
    Feature.CANARY_MATCH: exact('With split_api = "smi" it is refused (MESH643): a TrafficSplit has weights alone'),
    Feature.MATCH_PATH: exact(),
    Feature.MATCH_PATH_REGEX: exact(
        "Written as ^(?:…)$, because the mesh searches leftmost-first. It ranks as high as an exact path; a table in "
        "which that changes who wins is refused (MESH642)"
    ),
    Feature.MATCH_METHOD: exact(),
    Feature.MATCH_HEADER: exact(),
    Feature.MATCH_QUERY: exact(),
    Feature.TIMEOUT: exact(
        "From 2.20 on a field of the rule, before an annotation of the route object. A request that takes longer is "
        f"answered with 504 and not tried again. {_ROUTED}"
    ),
    Feature.RETRY: exact(
        "The mesh waits 25 to 250 ms between tries, and never tries a request again whose body is longer than 64 KiB. "
        f"A stream that is refused unread is tried again as well. {_ROUTED}"
    ),
    Feature.RETRY_5XX: exact(),
    Feature.RETRY_STATUSES: exact(),
    Feature.RETRY_RESET: exact(
        "Between services in the mesh a reset or refused connection of the callee arrives as 502, so it is retried "
        "wherever 5xx, gateway-error or 502 is; without any of them it is refused (MESH641)"
    ),
    Feature.RETRY_4XX: exact("409, which is all that Envoy's retriable-4xx means"),
    Feature.RETRY_GRPC: not_yet(
        "The mesh reads gRPC codes on a GRPCRoute only, and a GRPCRoute takes the whole port away from HTTPRoutes and "
        "from HTTP/1: paths, methods and response headers of the other rules would be lost",
        help="retry the gRPC service by 5xx or gateway-error, or retry in the client",
    ),
    Feature.RETRY_PER_TRY_TIMEOUT: approximate(
        "The mesh limits the time until the response headers of each try, not of the whole response, and does not "
        "limit the last try",
        help="leave per_try_timeout out, and limit the whole request with a Timeout",
    ),
    Feature.RETRY_BACKOFF: never(
        "the mesh waits 25 to 250 ms between tries, with jitter, and no field changes that", help="leave backoff out"
    ),
    Feature.RETRY_NONE: exact(
        "The mesh does not retry unless it is told to. Nothing is written, so that a retry annotation that somebody"
        " else puts on the Service would hold"
    ),
    Feature.BREAKER_POOL: never(
        "the mesh has no limits on connections or requests to a service",
        help="leave the limits out, or limit concurrency in the service itself",
    ),
    Feature.BREAKER_OUTLIER: approximate(
        "A pod is taken out at once after the consecutive failures, for base_ejection_time, then exponentially longer "
        "up to 5 minutes, until a single request succeeds. There is no interval, and no limit on how many pods "
        "are out at a time: max_ejection_percent is not enforced",
        help="mind that the service may lose all its pods to ejection for that long",
    ),
    Feature.BREAKER_GATEWAY_ERRORS: never(
        "the mesh counts every 5xx alike", help="use consecutive_5xx instead of consecutive_gateway_errors"
    ),
    Feature.FAULT_ABORT: never("the mesh injects no failures", help="inject it in the service"),
    Feature.FAULT_DELAY: never("the mesh injects no delays", help="inject it in the service"),
    Feature.MIRROR: never(
        "the mesh accepts a route that mirrors and then drops the whole route",
        help="let the service send the copies itself",
    ),
    Feature.MIRROR_PERCENT: never("the mesh does not mirror", help="let the service send the copies itself"),
    Feature.HEADERS_REQUEST: exact(),
    Feature.HEADERS_RESPONSE: exact("Edited by the caller's proxy"),
    Feature.REWRITE_PATH: never(
        "the mesh accepts a route that rewrites and then drops the whole route",
        help="let the service answer under both paths",
    ),
    Feature.REWRITE_HOST: never(
        "the mesh accepts a route that rewrites and then drops the whole route",
        help="let the caller send the other host",
    ),
    Feature.REDIRECT: approximate(
        "A redirect to another path drops the query string, and a redirect without a host repeats the full name that "
        "the caller used",
        help="redirect in the service itself, if the query matters",
    ),
    Feature.ALLOW_ACCOUNT: exact(),
    Feature.ALLOW_NAMESPACE: exact("By the pattern of the namespace's identities, in the profile's trust domain"),
    Feature.ALLOW_IN_MESH: exact(),
    Feature.ALLOW_AT_ALL: exact(),
    Feature.ALLOW_HTTP: exact(
        "A request that no rule names is answered with 404 instead of 403. Declared probes are open to everyone, by "
        "GET and exact path, as the mesh itself does"
    ),
    Feature.ALLOW_PATH_REGEX: exact("Refused where it overlaps other paths with other callers (MESH648)"),
    Feature.ALLOW_HEADER_REGEX: exact(),
    Feature.ALLOW_PORTS: exact("By the workload's port"),
    Feature.DENY: never(_ALLOW_ONLY, help=_WRITE_ALLOWS),
    Feature.DENY_HTTP: never(_ALLOW_ONLY, help=_WRITE_ALLOWS),
    Feature.DENY_PATHS: never(_ALLOW_ONLY, help=_WRITE_ALLOWS),
    Feature.DEFAULT_DENY: exact(_RESTART),
    Feature.DEFAULT_DENY_MESH: approximate(
        "Only the namespaces that the policies declare are closed; the default of the others is set when the mesh is "
        f"installed (proxy.defaultInboundPolicy). {_RESTART}",
        help='declare every namespace, or install the mesh with proxy.defaultInboundPolicy = "deny"',
    ),
    Feature.MTLS_STRICT: exact(_RESTART),
    Feature.MTLS_PERMISSIVE: exact(_RESTART),
    Feature.MTLS_MESH: approximate(
        "Only the namespaces that the policies declare are told; the default of the others is set when the mesh is "
        f"installed (proxy.defaultInboundPolicy). {_RESTART}",
        help="declare every namespace, or set proxy.defaultInboundPolicy at installation",
    ),
    Feature.ENROLMENT: exact("Pods are injected when they start"),
    Feature.REVISION: never(
        "a cluster has one control plane of this mesh", help="leave the revision out for this target"
    ),
    Feature.SIDECAR_RESOURCES: exact("For pods that start afterwards"),
}
