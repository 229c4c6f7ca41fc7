"""The only way to an API server: through the user's own kubectl, and only to read.

``kubectl proxy`` on a private socket (``proxy``, ``supervisor``), one HTTP exchange over it (``wire``), what an answer
means (``answers``), when to try again (``transport``), lists page by page (``listing``), many of them at once
(``snapshot``), dry-run applies (``dry_run``), all together (``kubectl``), and the permissions for it (``rbac``).
Nothing here knows what a policy means, or compares anything.
"""

from __future__ import annotations

from meshdsl.cluster.errors import ClusterError
from meshdsl.cluster.kubectl import ClusterId, KubectlCluster
from meshdsl.cluster.rbac import cluster_role

__all__ = ["ClusterError", "ClusterId", "KubectlCluster", "cluster_role"]
