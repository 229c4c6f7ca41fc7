"""What an API server would not store: objects in which a field has another type than its schema says.

A reading may be given any text as an object. Here it is made sure once, for the kinds that a reading follows, that
lists are lists and texts are texts, so that nothing after it needs to ask. Only fields that are read are listed; a
field that is not listed is told as not modelled by whoever meets it. A field that is ``null`` is one that is not there
(Kubernetes: nulls are pruned before defaulting).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from meshdsl.simulate.fields import Body, group_of, title
from meshdsl.simulate.http_route import GATEWAY_API, parents_of
from meshdsl.simulate.words import NotModelled

TEXT: Final = "text"
WHOLE: Final = "whole number"
NUMBER: Final = "number"
FLAG: Final = "truth value"
PORT: Final = "number or a name"
Shape = Any
"""One of the words above, ``[shape]`` for a list, ``{"field": shape}`` for fields, or :class:`MapOf`."""


class MapOf:
    """A mapping from names to values of one shape."""

    def __init__(self, value: Shape) -> None:
        self.value = value


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    TEXT: (str,),
    WHOLE: (int,),
    NUMBER: (int, float),
    FLAG: (bool,),
    PORT: (int, str),
}
_LABELS: Final = MapOf(TEXT)
_SELECTOR: Final = {"matchLabels": _LABELS}
_STRING: Final = {"exact": TEXT, "prefix": TEXT, "regex": TEXT}
_PERCENT: Final = {"value": NUMBER}
_DESTINATION: Final = {"host": TEXT, "subset": TEXT, "port": {"number": WHOLE}}
_EDITS: Final = {"set": _LABELS, "add": _LABELS, "remove": [TEXT]}
_HEADERS: Final = {"request": _EDITS, "response": _EDITS}
_TLS: Final = {"mode": TEXT}
_POLICY_OF_PORT: Final = {
    "connectionPool": {"tcp": {"maxConnections": WHOLE}, "http": MapOf(None)},
    "outlierDetection": {
        "consecutive5xxErrors": WHOLE, "consecutiveGatewayErrors": WHOLE, "interval": TEXT, "baseEjectionTime": TEXT,
        "maxEjectionPercent": WHOLE,
    },
    "tls": _TLS,
    "port": {"number": WHOLE},
}  # fmt: skip
_TRAFFIC_POLICY: Final = {**_POLICY_OF_PORT, "portLevelSettings": [_POLICY_OF_PORT]}
_REFERENCE: Final = {"group": TEXT, "kind": TEXT, "name": TEXT, "namespace": TEXT}
_BACKEND: Final = {**_REFERENCE, "port": WHOLE, "weight": WHOLE}
_MODIFIER: Final = {"type": TEXT, "replaceFullPath": TEXT, "replacePrefixMatch": TEXT}
_NAMED: Final = {"name": TEXT, "value": TEXT, "type": TEXT}
_HEADER_MODIFIER: Final = {"set": [_NAMED], "add": [_NAMED], "remove": [TEXT]}
_FILTER: Final = {
    "type": TEXT,
    "requestHeaderModifier": _HEADER_MODIFIER,
    "responseHeaderModifier": _HEADER_MODIFIER,
    "urlRewrite": {"hostname": TEXT, "path": _MODIFIER},
    "requestRedirect": {"scheme": TEXT, "hostname": TEXT, "port": WHOLE, "statusCode": WHOLE, "path": _MODIFIER},
    "requestMirror": {
        "backendRef": _BACKEND, "percent": NUMBER, "fraction": {"numerator": WHOLE, "denominator": WHOLE},
    },
}  # fmt: skip
_TEXTS: Final = [TEXT]

SPECS: Final[Mapping[str, Shape]] = {
    "VirtualService": {
        "hosts": _TEXTS, "gateways": _TEXTS, "exportTo": _TEXTS,
        "tcp": [{"match": [{"port": WHOLE}]}],
        "tls": [{"match": [{"port": WHOLE}]}],
        "http": [
            {
                "match": [
                    {
                        "uri": _STRING, "scheme": _STRING, "method": _STRING, "authority": _STRING,
                        "headers": MapOf(_STRING), "withoutHeaders": MapOf(_STRING), "queryParams": MapOf(_STRING),
                        "port": WHOLE, "gateways": _TEXTS, "sourceLabels": _LABELS, "sourceNamespace": TEXT,
                        "ignoreUriCase": FLAG,
                    }
                ],
                "route": [{"destination": _DESTINATION, "weight": WHOLE, "headers": _HEADERS}],
                "redirect": {
                    "uri": TEXT, "authority": TEXT, "scheme": TEXT, "port": WHOLE, "derivePort": TEXT,
                    "redirectCode": WHOLE,
                },
                "directResponse": {"status": WHOLE},
                "rewrite": {
                    "uri": TEXT, "authority": TEXT, "uriRegexRewrite": {"match": TEXT, "rewrite": TEXT},
                },
                "timeout": TEXT,
                "retries": {"attempts": WHOLE, "retryOn": TEXT, "perTryTimeout": TEXT, "backoff": TEXT},
                "fault": {
                    "delay": {"fixedDelay": TEXT, "percentage": _PERCENT, "percent": WHOLE},
                    "abort": {"httpStatus": WHOLE, "percentage": _PERCENT},
                },
                "mirror": _DESTINATION, "mirrorPercentage": _PERCENT, "mirrorPercent": WHOLE,
                "mirrors": [{"destination": _DESTINATION, "percentage": _PERCENT}],
                "headers": _HEADERS,
            }
        ],
    },
    "DestinationRule": {
        "host": TEXT, "exportTo": _TEXTS, "trafficPolicy": _TRAFFIC_POLICY, "workloadSelector": _SELECTOR,
        "subsets": [{"name": TEXT, "labels": _LABELS, "trafficPolicy": _TRAFFIC_POLICY}],
    },
    "AuthorizationPolicy": {
        "selector": _SELECTOR, "targetRef": _REFERENCE, "targetRefs": [_REFERENCE], "action": TEXT,
        "rules": [
            {
                "from": [{"source": MapOf(_TEXTS)}],
                "to": [{"operation": MapOf(_TEXTS)}],
                "when": [{"key": TEXT, "values": _TEXTS, "notValues": _TEXTS}],
            }
        ],
    },
    "PeerAuthentication": {"selector": _SELECTOR, "mtls": _TLS, "portLevelMtls": MapOf(_TLS)},
    "RequestAuthentication": {
        "selector": _SELECTOR, "targetRef": _REFERENCE, "targetRefs": [_REFERENCE],
        "jwtRules": [{"fromHeaders": [{"name": TEXT}], "fromParams": _TEXTS, "fromCookies": _TEXTS}],
    },
    "HTTPRoute": {
        "parentRefs": [{**_REFERENCE, "port": WHOLE, "sectionName": TEXT}],
        "rules": [
            {
                "matches": [
                    {
                        "path": {"type": TEXT, "value": TEXT}, "method": TEXT, "headers": [_NAMED],
                        "queryParams": [_NAMED],
                    }
                ],
                "filters": [_FILTER],
                "backendRefs": [_BACKEND],
                "timeouts": {"request": TEXT, "backendRequest": TEXT},
                "retry": {"attempts": WHOLE, "codes": [WHOLE], "backoff": TEXT},
            }
        ],
    },
    "Gateway": {"listeners": [{"allowedRoutes": {"namespaces": {"from": TEXT}}}]},
    "ServiceEntry": {"hosts": _TEXTS},
    "WorkloadEntry": {"labels": _LABELS},
    "Sidecar": {"workloadSelector": {"labels": _LABELS}, "egress": [{"hosts": _TEXTS}]},
    "EnvoyFilter": {"workloadSelector": {"labels": _LABELS}, "targetRefs": [_REFERENCE]},
    "Service": {"selector": _LABELS, "ports": [{"port": WHOLE, "name": TEXT, "appProtocol": TEXT, "targetPort": PORT}]},
}  # fmt: skip
"""The fields of ``spec`` that are read, by kind."""
_METADATA: Final = {
    "name": TEXT, "namespace": TEXT, "labels": _LABELS, "annotations": _LABELS, "creationTimestamp": TEXT,
}  # fmt: skip


def stored(objects: Iterable[Body]) -> tuple[list[Body], tuple[NotModelled, ...]]:
    """The objects as an API server would store them, and why it would refuse the others."""
    found: list[Body] = []
    refused: list[NotModelled] = []
    for given in objects:
        body = _without_nulls(given)
        try:
            _check(body.get("metadata", {}), _METADATA, f"{body.get('kind')} metadata")
            where = f"{title(body)} spec"
            _check(body.get("spec", {}), SPECS.get(str(body.get("kind")), {}), where)
            _check(body.get("status", {}), {}, where)
            if group_of(body) == GATEWAY_API:
                parents_of(body)
        except NotModelled as error:
            refused.append(error)
        else:
            found.append(body)
    return found, tuple(refused)


def _without_nulls(value: Any) -> Any:
    """The same value where nothing is null, so that nothing is copied that need not be."""
    if isinstance(value, Mapping):
        kept = {key: _without_nulls(below) for key, below in value.items() if below is not None}
        same = len(kept) == len(value) and all(kept[key] is value[key] for key in kept)
        return value if same else kept
    if isinstance(value, list):
        items = [_without_nulls(below) for below in value]
        return value if all(one is other for one, other in zip(items, value, strict=True)) else items
    return value


def _check(value: Any, shape: Shape, where: str) -> None:
    if isinstance(shape, str):
        if not isinstance(value, _TYPES[shape]) or (isinstance(value, bool) and shape != FLAG):
            raise _wrong(where, f"a {shape}", value)
    elif isinstance(shape, list):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _wrong(where, "a list", value)
        for number, one in enumerate(value):
            _check(one, shape[0], f"{where}[{number}]")
    elif shape is not None:
        if not isinstance(value, Mapping):
            raise _wrong(where, "an object", value)
        fields = dict.fromkeys(value, shape.value) if isinstance(shape, MapOf) else shape
        for field, below in value.items():
            if field in fields:
                _check(below, fields[field], f"{where}.{field}")


def _wrong(where: str, wanted: str, value: Any) -> NotModelled:
    return NotModelled(where, f"no API server stores it: it is {wanted}, not {value!r}")
