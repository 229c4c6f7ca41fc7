"""PeerAuthentication: whether a workload takes plain text beside mTLS.

One object for a scope, with a fixed name: of two in the same scope the older wins and the other is ignored
(``pilot/pkg/model/authentication.go``). The scope of a namespace or the mesh is ``default``; a service's own bears its
name and selects its pods. Sidecars and ztunnel read the same object.
"""

from __future__ import annotations

from typing import Final

from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.rights import Mtls
from meshdsl.values import Json

API_VERSION: Final = "security.istio.io/v1"
OF_A_SCOPE: Final = "default"
"""Its name for a whole namespace, and in the root namespace for the mesh."""


def peer_authentication(mtls: Mtls, plan: Plan, *, namespace: str, owner: tuple[str, str]) -> Manifest:
    """The mode of a namespace; in the root namespace, of the mesh."""
    return _peer_authentication(mtls, plan, namespace, OF_A_SCOPE, {}, owner)


def service_peer_authentication(service: Service, mtls: Mtls, plan: Plan) -> Manifest:
    """The mode of the pods of one service."""
    selector: dict[str, Json] = {"selector": {"matchLabels": dict(service.labels)}}
    owner = (service.namespace, service.name)
    return _peer_authentication(mtls, plan, service.namespace, service.name, selector, owner)


def _peer_authentication(
    mtls: Mtls, plan: Plan, namespace: str, name: str, scope: dict[str, Json], owner: tuple[str, str]
) -> Manifest:
    spec: dict[str, Json] = {**scope, "mtls": {"mode": mtls.mode.value.upper()}}
    return manifest(
        ObjectRef(API_VERSION, "PeerAuthentication", namespace, name),
        Phase.IDENTITY,
        plan.set_name,
        content={"spec": spec},
        owner=owner,
        origins=(mtls.source.origin,) if mtls.source.origin is not None else (),
    )
