"""The permissions that a comparison needs, and no more, as a ClusterRole to give to a CI account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from meshdsl.compare.kinds import CRD, DRIVERS, NAMESPACE
from meshdsl.compare.live import Kind, Scope
from meshdsl.compare.pods import POD
from meshdsl.values import Json

_READ: Final = ("get", "list")
_DRY_RUN: Final = ("create", "patch")
"""An apply of an object that is not there yet is a patch that creates: API servers ask for both permissions, also for
a dry run (``pkg/endpoints/handlers/patch.go`` of k8s.io/apiserver)."""


def cluster_role(
    scopes: Iterable[Scope], *, server_side: bool = False, name: str = "meshdsl-diff"
) -> Mapping[str, Json]:
    """The smallest ClusterRole for a comparison of these scopes.

    Bound by a ClusterRoleBinding it allows lists of the whole cluster. Bound by a RoleBinding in each namespace it is
    enough for those namespaces, except for what is not in any: Namespaces and CustomResourceDefinitions.

    Args:
        scopes: of the comparison; see ``meshdsl.compare.kinds.scopes_of``.
        server_side: for ``--server-side``, which makes dry-run applies.
        name: of the role.

    Returns:
        an object to be rendered by ``meshdsl.render``.
    """
    kinds = {scope.kind for scope in scopes} | {NAMESPACE, CRD}
    changed = kinds - {CRD, POD, *DRIVERS} if server_side else set()
    rules = [*_rules(kinds - changed, _READ), *_rules(changed, (*_DRY_RUN, *_READ))]
    rules.sort(key=lambda rule: (rule["apiGroups"], rule["resources"]))
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def _rules(kinds: Iterable[Kind], verbs: tuple[str, ...]) -> list[dict[str, list[str]]]:
    resources: dict[str, set[str]] = {}
    for kind in kinds:
        resources.setdefault(kind.group, set()).add(kind.plural)
    return [
        {"apiGroups": [group], "resources": sorted(names), "verbs": sorted(verbs)} for group, names in resources.items()
    ]
