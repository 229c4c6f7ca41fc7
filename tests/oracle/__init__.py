"""What an API server would say to an object, asked without one.

The schemas are those of the meshes' own CRDs, read from a folder beside the repository and never copied. An object is
checked as an API server with ``fieldValidation=Strict`` does on create: object metadata, the structural schema with
unknown fields as errors, list topology, then every CEL rule on the defaulted object. The oracle knows nothing of
meshdsl's policies, plan or targets, so that it cannot share their mistakes.

What it cannot evaluate it never passes: :func:`tests.oracle.cel.rules` lists the rules it sets aside, and a test holds
that list to the transition rules, which do not apply to a create.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from tests.oracle import builtin, cel, crds, structural
from tests.oracle.crds import FOLDER as FOLDER
from tests.oracle.crds import available as available

Channel = Literal["standard", "experimental"]

MAX_OBJECT = 1_500_000
"""Bytes of an object as JSON. etcd's own limit (``--max-request-bytes``) is 1.5 MiB, the server adds metadata."""

MAX_ANNOTATIONS = 262_144
"""Bytes of all annotations together (``apimachinery/pkg/api/validation/objectmeta.go``)."""


def _schema(body: Mapping[str, Any], channel: Channel, *, partial: bool) -> crds.Kind | None:
    version, kind = body.get("apiVersion"), body.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return None
    return builtin.kind(version, kind, partial=partial) or crds.kind(version, kind, channel)


def check(body: Mapping[str, Any], *, gateway_api_channel: Channel = "standard", partial: bool = False) -> list[str]:
    """What an API server would refuse in an object, and what is not as the guarantees want it; empty if nothing.

    Args:
        body: the whole object, or the fields we own of a partial one.
        gateway_api_channel: which Gateway API CRDs the cluster has.
        partial: it is a patch of an object that exists: its required fields may be missing.

    Returns:
        Problems, each with the path of the field. CEL rules are only asked of what the schema accepts.
    """
    kind = _schema(body, gateway_api_channel, partial=partial)
    if kind is None:
        return [f"no such kind: {body.get('apiVersion')} {body.get('kind')}"]
    problems = structural.check(kind, body)
    if problems:
        return problems
    problems = cel.check(kind.schema, structural.defaulted(kind.schema, body))
    if len(json.dumps(body)) > MAX_OBJECT:
        problems.append(f"the object is larger than {MAX_OBJECT} bytes")
    annotations = body["metadata"].get("annotations", {})
    if sum(len(k) + len(v) for k, v in annotations.items()) > MAX_ANNOTATIONS:
        problems.append(f"metadata.annotations: larger than {MAX_ANNOTATIONS} bytes together")
    return problems


def defaulted(
    body: Mapping[str, Any], *, gateway_api_channel: Channel = "standard", partial: bool = False
) -> dict[str, Any]:
    """The object with every default that the schema would add."""
    kind = _schema(body, gateway_api_channel, partial=partial)
    if kind is None:
        raise LookupError(f"no such kind: {body.get('apiVersion')} {body.get('kind')}")
    return structural.defaulted(kind.schema, body)


def problems_of(manifests: Iterable[Any], target: Any) -> list[str]:
    """The problems of what a build emitted: each object's own, defaults left open, and names used twice.

    Args:
        manifests: :class:`meshdsl.manifest.Manifest` values.
        target: its ``gateway_api_channel`` says which CRDs hold.
    """
    found: list[str] = []
    seen: set[tuple[str, str, str, str]] = set()
    channel: Channel = target.gateway_api_channel
    for m in manifests:
        body = json.loads(json.dumps(m.body))
        problems = check(body, gateway_api_channel=channel, partial=m.partial)
        if not problems:
            full = defaulted(body, gateway_api_channel=channel, partial=m.partial)
            problems = [f"the server would add {path}" for path in structural.added(body, full)]
        meta = body.get("metadata", {})
        key = (body.get("apiVersion"), body.get("kind"), meta.get("namespace", ""), meta.get("name"))
        if key != (m.ref.api_version, m.ref.kind, m.ref.namespace, m.ref.name):
            problems.append(f"the reference says {m.ref.api_version} {m.ref}")
        if key in seen:
            problems.append("emitted twice")
        seen.add(key)
        found += [f"{m.ref}: {problem}" for problem in problems]
    return found


def assert_valid(manifests: Iterable[Any], target: Any) -> None:
    """Fail with all problems if an emitted object is not one that an API server takes as it is."""
    problems = problems_of(manifests, target)
    assert not problems, "\n".join(problems)
