"""The permissions that a comparison needs, and no more, as a ClusterRole to give to a CI account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from meshdsl.compare.kinds import CRD, KINDS, NAMESPACE
from meshdsl.compare.live import Kind, Scope
from meshdsl.manifest import Manifest
from meshdsl.values import Json

_READ: Final = frozenset({"list"})
_LOOK: Final = frozenset({"get"})
_PATCH: Final = frozenset({"patch"})
_CREATE: Final = frozenset({"create"})
"""An apply of an object that is not there yet is a patch that creates: API servers ask for both permissions, also for
a dry run (``pkg/endpoints/handlers/patch.go`` of k8s.io/apiserver)."""
_IDENTITY: Final = "kube-system"
"""The Namespace whose uid says which cluster it is."""


def cluster_role(
    scopes: Iterable[Scope],
    *,
    applied: Iterable[Manifest] = (),
    identity: bool = False,
    name: str = "meshdsl-diff",
) -> Mapping[str, Json]:
    """The smallest ClusterRole for a comparison of these scopes.

    Bound by a ClusterRoleBinding it allows lists of the whole cluster. Bound by a RoleBinding in each namespace it is
    enough for those namespaces, except for what is not in any: Namespaces and CustomResourceDefinitions.

    Args:
        scopes: of the comparison; see ``meshdsl.compare.kinds.scopes_of``. They are listed, and nothing more.
        applied: for ``--server-side``: the manifests of which dry-run applies are made. Their kinds are patched, what
            is there is looked at, and kinds that are made whole are created; of others there are fields alone.
        identity: the uid of the cluster is looked at, too.
        name: of the role.

    Returns:
        an object to be rendered by ``meshdsl.render``.
    """
    verbs: dict[Kind, frozenset[str]] = dict.fromkeys({*(scope.kind for scope in scopes), NAMESPACE, CRD}, _READ)
    for one in applied:
        kind = KINDS[one.ref.api_version, one.ref.kind]
        made = not one.partial or kind == NAMESPACE  # a Namespace that is not there is made of its labels alone
        verbs[kind] = verbs.get(kind, _READ) | _LOOK | _PATCH | (_CREATE if made else frozenset())
    rules: list[dict[str, list[str]]] = []
    for needed in set(verbs.values()):
        rules += _rules((kind for kind, mine in verbs.items() if mine == needed), needed)
    if identity and "get" not in verbs[NAMESPACE]:
        rules += [{**rule, "resourceNames": [_IDENTITY]} for rule in _rules([NAMESPACE], _LOOK)]
    rules.sort(key=lambda rule: (rule["apiGroups"], rule["resources"], rule["verbs"]))
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def _rules(kinds: Iterable[Kind], verbs: Iterable[str]) -> list[dict[str, list[str]]]:
    resources: dict[str, set[str]] = {}
    for kind in kinds:
        resources.setdefault(kind.group, set()).add(kind.plural)
    return [
        {"apiGroups": [group], "resources": sorted(names), "verbs": sorted(verbs)} for group, names in resources.items()
    ]
