"""The abilities that a policy may ask of a mesh.

Each field of the plan that some mesh cannot express is marked with a feature, on the field itself (:func:`mark`).
Targets answer with a level for each feature; the compiler compares the two, so no target refuses anything by hand
that is a matter of one field. A feature's value is its diagnostic code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Self


class Feature(Enum):
    """An ability, with the code of the diagnostic that says a mesh lacks it."""

    code: str
    title: str

    def __new__(cls, code: str, title: str) -> Self:
        """A member whose value is its code."""
        member = object.__new__(cls)
        member._value_ = code
        member.code = code
        member.title = title
        return member

    SPLIT = ("MESH501", "split by weight")
    CANARY_MATCH = ("MESH502", "canary by header, cookie or query")
    MATCH_PATH = ("MESH503", "match by exact path or prefix")
    MATCH_PATH_REGEX = ("MESH504", "match by path regex")
    MATCH_METHOD = ("MESH505", "match by method")
    MATCH_HEADER = ("MESH506", "match by header")
    MATCH_QUERY = ("MESH507", "match by query parameter")
    TIMEOUT = ("MESH510", "request timeout")
    RETRY = ("MESH511", "retries: attempts")
    RETRY_5XX = ("MESH512", "retries on 5xx or gateway-error")
    RETRY_STATUSES = ("MESH513", "retries on named statuses")
    RETRY_RESET = ("MESH514", "retries on reset, connect-failure or refused-stream")
    RETRY_4XX = ("MESH515", "retries on retriable-4xx")
    RETRY_GRPC = ("MESH516", "retries on gRPC codes")
    RETRY_PER_TRY_TIMEOUT = ("MESH517", "retries: per-try timeout")
    RETRY_BACKOFF = ("MESH518", "retries: backoff")
    RETRY_NONE = ("MESH519", "requests that are never tried again")
    BREAKER_POOL = ("MESH520", "breaker: pool limits")
    BREAKER_OUTLIER = ("MESH521", "breaker: consecutive errors and ejection")
    BREAKER_GATEWAY_ERRORS = ("MESH522", "breaker: consecutive gateway errors")
    FAULT_ABORT = ("MESH530", "fault: abort")
    FAULT_DELAY = ("MESH531", "fault: delay")
    MIRROR = ("MESH532", "mirror")
    MIRROR_PERCENT = ("MESH533", "mirror a percentage")
    HEADERS_REQUEST = ("MESH534", "request headers: set, add, remove")
    HEADERS_RESPONSE = ("MESH535", "response headers: set, add, remove")
    REWRITE_PATH = ("MESH536", "rewrite the path")
    REWRITE_HOST = ("MESH537", "rewrite the host")
    REDIRECT = ("MESH538", "redirect")
    ALLOW_ACCOUNT = ("MESH540", "caller is a service account")
    ALLOW_NAMESPACE = ("MESH541", "caller is a namespace")
    ALLOW_IN_MESH = ("MESH542", "caller is anyone in the mesh")
    ALLOW_AT_ALL = ("MESH543", "caller is anyone at all")
    ALLOW_HTTP = ("MESH544", "allow by method, path or header")
    ALLOW_PATH_REGEX = ("MESH545", "allow by path regex")
    ALLOW_HEADER_REGEX = ("MESH546", "allow by header regex")
    ALLOW_PORTS = ("MESH547", "allow some ports")
    DENY = ("MESH548", "deny by caller and port")
    DENY_HTTP = ("MESH549", "deny by method or header")
    DENY_PATHS = ("MESH550", "deny by path")
    DEFAULT_DENY = ("MESH551", "default deny")
    DEFAULT_DENY_MESH = ("MESH552", "default deny for the whole mesh")
    MTLS_STRICT = ("MESH555", "mTLS strict")
    MTLS_PERMISSIVE = ("MESH556", "mTLS permissive")
    MTLS_MESH = ("MESH557", "mTLS mode for the whole mesh")
    ENROLMENT = ("MESH560", "enrolment of a namespace")
    REVISION = ("MESH561", "enrolment by revision")
    SIDECAR_RESOURCES = ("MESH562", "sidecar CPU and memory")


FeatureOf = Feature | Mapping[Any, Feature] | Callable[[Any], Feature | None]
"""A feature; or, where it depends on the value, a table or a function of the value (of each item of a tuple)."""


def mark(feature: FeatureOf, *, absent: Feature | None = None, said_by: str = "") -> dict[str, Any]:
    """The metadata of a dataclass field of the plan that uses a feature when it is set.

    Args:
        feature: what a value other than None and ``()`` asks of the mesh.
        absent: what the *lack* of a value asks of the mesh.
        said_by: name of the field beside it that has the source of that lack, if a policy asks for it by name.
    """
    return {"feature": feature, "absent": absent, "said_by": said_by}
