"""What Ambient can do: Istio's table, with what differs where no proxy stands beside the workload.

A row here is the whole difference. Everything that looks at requests needs a waypoint, which is made where the profile
does not name one, so that it is no condition of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from meshdsl.plan.features import Feature
from meshdsl.targets.base import Support, approximate, at_least, conditional, exact, never, not_yet
from meshdsl.targets.istio.support import SUPPORT as ISTIO_SUPPORT

if TYPE_CHECKING:
    from meshdsl.targets.ambient.target import Ambient


def _has_retry(target: Ambient) -> bool:
    return target.gateway_api_channel == "experimental"


def _mirrors_a_share(target: Ambient) -> bool:
    return at_least(target.gateway_api, "1.3")


def _never_retries_by_itself(target: Ambient) -> bool:
    return target.default_retries == "off"


_EXPERIMENTAL: Final = 'install the experimental Gateway API CRDs and set gateway_api_channel = "experimental"'
_ALWAYS: Final = (
    "connect-failure, refused-stream and the gRPC codes unavailable and cancelled are retried as well, asked for or not"
)
_NAME_STATUSES: Final = "name the statuses to retry"

SUPPORT: Final[Mapping[Feature, Support]] = {
    **ISTIO_SUPPORT,
    Feature.SPLIT: exact("each version is a Service of its own"),
    Feature.MATCH_PATH: exact(),
    Feature.RETRY: conditional(
        "HTTPRoute's retry is in the experimental channel of the Gateway API", granted=_has_retry, help=_EXPERIMENTAL
    ),
    Feature.RETRY_5XX: approximate(
        f"written as status codes: a connection that is reset is not retried; {_ALWAYS}", help=_NAME_STATUSES
    ),
    Feature.RETRY_STATUSES: approximate(_ALWAYS),
    Feature.RETRY_RESET: approximate(f"an HTTPRoute cannot say reset, so that is not retried; {_ALWAYS}"),
    Feature.RETRY_4XX: approximate(f"written as status 409; {_ALWAYS}"),
    Feature.RETRY_GRPC: approximate(_ALWAYS),
    Feature.RETRY_PER_TRY_TIMEOUT: conditional(
        "timeouts.backendRequest is a per-try timeout only beside retry, which is in the experimental channel",
        granted=_has_retry,
        help=_EXPERIMENTAL,
    ),
    Feature.RETRY_BACKOFF: conditional(
        "HTTPRoute's retry is in the experimental channel of the Gateway API", granted=_has_retry, help=_EXPERIMENTAL
    ),
    Feature.RETRY_NONE: conditional(
        "what has a policy about requests and no Retry is not tried again; an HTTPRoute cannot say so, and the mesh's"
        " default retry policy would try twice, so that must be switched off",
        granted=_never_retries_by_itself,
        help='set meshConfig.defaultHttpRetryPolicy.attempts to 0 and default_retries = "off", or add a Retry with'
        ' methods="any"',
    ),
    Feature.BREAKER_POOL: approximate(
        "the limits hold for each replica of the waypoint and all callers together, not for each caller",
        help="choose limits for all callers together",
    ),
    Feature.BREAKER_OUTLIER: exact(
        "each replica of the waypoint ejects by itself; where nodes have regions and zones, Istio also prefers pods"
        " near the waypoint as soon as there is a breaker with ejection"
    ),
    Feature.FAULT_ABORT: not_yet(
        "an HTTPRoute cannot inject faults, and VirtualService is alpha in ambient", help="inject faults in the service"
    ),
    Feature.FAULT_DELAY: not_yet(
        "an HTTPRoute cannot inject faults, and VirtualService is alpha in ambient", help="inject faults in the service"
    ),
    Feature.MIRROR_PERCENT: conditional(
        "the share of a RequestMirror filter came with Gateway API 1.3",
        granted=_mirrors_a_share,
        help="install Gateway API 1.3 or newer and say so in gateway_api, or mirror everything",
    ),
    Feature.ALLOW_HTTP: exact("decided in the waypoint"),
    Feature.DENY_HTTP: exact("decided in the waypoint; ztunnel would let everything through"),
    Feature.DEFAULT_DENY: exact(
        "kubelet probes are kept away from ztunnel by istio-cni; a scraper needs an Allow of its own, by caller"
        " and port"
    ),
    Feature.DEFAULT_DENY_MESH: exact("a policy in the root namespace, for every workload that ztunnel stands before"),
    Feature.ENROLMENT: exact("pods that already run are enrolled without a restart"),
    Feature.REVISION: exact("of the control plane that runs the waypoint; ztunnel has none"),
    Feature.SIDECAR_RESOURCES: never(
        "there is no sidecar in ambient: ztunnel is shared by the node",
        help="size ztunnel where it is installed",
    ),
}
