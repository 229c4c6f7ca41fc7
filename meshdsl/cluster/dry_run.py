"""Asking the API server what it would make of an object, and making sure that it only answers.

``dryRun=All`` is a parameter, and a server that did not know it would write. So it is used only where the server's own
OpenAPI document lists it for PATCH of that very resource (kubectl checks the same before ``--dry-run=server``), and
every answer is looked at: a dry run gives a new object no resourceVersion, and leaves that of an object that is there
as it was. An answer that looks as if it had been written ends everything.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from meshdsl.cluster.clock import Deadline
from meshdsl.cluster.errors import Failure, cluster_error
from meshdsl.cluster.listing import path_of
from meshdsl.cluster.transport import DRY_RUN, Transport
from meshdsl.compare.kinds import KINDS
from meshdsl.compare.live import Applied, Kind, LiveObject, Scope, Snapshot

_Key = tuple[str, str, str, str]
_NEEDED: Final = ("dryRun", "fieldManager", "fieldValidation", "force")


class DryRun:
    """Dry-run applies through one transport. Threads may share it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._checked: dict[Kind, str] = {}
        self._scopes: frozenset[Scope] = frozenset()
        self._versions: dict[_Key, str] = {}

    def remember(self, snapshot: Snapshot) -> None:
        """Take the resourceVersions of what was read, so that they need not be asked for one by one."""
        for item in snapshot.objects:
            metadata = item["metadata"]
            key = (item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"])
            self._versions[key] = metadata.get("resourceVersion", "")
        self._scopes |= snapshot.scopes

    def apply(self, body: Mapping[str, Any], deadline: Deadline) -> Applied:
        """What the server makes of an object.

        Args:
            body: the object, of a kind in ``KINDS``.
            deadline: for all requests.

        Raises:
            ClusterError: this server does not promise a dry run (MESH808), or did not keep to it (MESH809).
            Failure: it gave no usable answer.
        """
        kind = KINDS[str(body["apiVersion"]), str(body["kind"])]
        self._require_support(kind, deadline)
        metadata = body["metadata"]
        scope, name = Scope(kind, metadata.get("namespace", "")), str(metadata["name"])
        try:
            before = self._version(scope, name, deadline)
            result, warnings = self._transport.dry_run(path_of(scope, name), body, deadline)
        except Failure as failure:
            if failure.code == "forbidden":
                return Applied(None, f"{failure.reason} (a dry run needs get, patch and, for what is new, create)")
            if failure.code in {"refused", "not-installed"}:
                return Applied(None, failure.reason)
            raise
        version = result.get("metadata", {}).get("resourceVersion", "")
        # Somebody else may have changed the object since it was read, so a new version alone proves nothing.
        if version not in {"", before} and self._there(scope, name, deadline) == result:
            raise cluster_error(
                "MESH809",
                f"the server answered as if it had written {kind.kind} {name}",
                reason=f"it was asked with {', '.join(f'{key}={value}' for key, value in DRY_RUN.items())}",
                help="compare without --server-side, and look at that object",
            )
        return Applied(result, warnings=warnings)

    def _version(self, scope: Scope, name: str, deadline: Deadline) -> str:
        """The resourceVersion of an object that is there; empty if none is."""
        key = (scope.kind.api_version, scope.kind.kind, scope.namespace, name)
        if key not in self._versions and scope not in self._scopes:
            found = self._there(scope, name, deadline)
            self._versions[key] = found["metadata"].get("resourceVersion", "") if found else ""
        return self._versions.get(key, "")

    def _there(self, scope: Scope, name: str, deadline: Deadline) -> LiveObject | None:
        try:
            return self._transport.get(path_of(scope, name), deadline)
        except Failure as failure:
            if failure.code == "not-installed":
                return None
            raise

    def _require_support(self, kind: Kind, deadline: Deadline) -> None:
        with self._lock:
            if kind not in self._checked:
                self._checked[kind] = self._missing(kind, deadline)
            missing = self._checked[kind]
        if missing:
            raise cluster_error(
                "MESH808",
                f"this cluster does not promise that a dry run of {kind.plural} changes nothing",
                reason=missing,
                help="compare without --server-side",
            )

    def _missing(self, kind: Kind, deadline: Deadline) -> str:
        """Why a dry run of a kind is not safe; empty if it is."""
        path = f"/openapi/v3/apis/{kind.group}/{kind.version}" if kind.group else f"/openapi/v3/api/{kind.version}"
        try:
            paths = self._transport.get(path, deadline).get("paths")
        except Failure as failure:
            return f"its OpenAPI document cannot be read: {failure.reason}"
        place = path_of(Scope(kind, "{namespace}"), "{name}")
        item = paths.get(place) if isinstance(paths, dict) else None
        if not isinstance(item, dict) or not isinstance(patch := item.get("patch"), dict):
            return f"its OpenAPI document has no PATCH of {place}"
        parameters = [*item.get("parameters", ()), *patch.get("parameters", ())]
        known = {parameter.get("name") for parameter in parameters if isinstance(parameter, dict)}
        missing = [name for name in _NEEDED if name not in known]
        return f"its OpenAPI document has no {', '.join(missing)} for PATCH of {place}" if missing else ""
