"""Typed service-mesh policies, compiled to Istio, Istio Ambient and Linkerd.

Everything public is here, and nothing else is public. Names are imported when they are first used, so that
``import meshdsl`` and ``meshdsl --help`` cost nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshdsl.cluster.kubectl import KubectlCluster
    from meshdsl.compare.access.model import AccessReason
    from meshdsl.compare.diff import diff, stale
    from meshdsl.compare.live import Cluster
    from meshdsl.compare.reach.answers import AccessAnswer, AccessCell, AccessMatrix, AccessRow, Reach
    from meshdsl.compare.reach.graph import GraphEdge, GraphNode, MeshGraph, graph
    from meshdsl.compare.reach.report import AccessReport, access
    from meshdsl.compare.report import DiffReport
    from meshdsl.compiler import Bundle, build
    from meshdsl.diagnostics import (
        CompileError,
        ConfigError,
        Diagnostic,
        LoadError,
        MeshdslError,
        Origin,
        OutputError,
        PolicyError,
        Severity,
    )
    from meshdsl.loading.load import load
    from meshdsl.manifest import Manifest, ObjectRef, Phase
    from meshdsl.model.base import Policy
    from meshdsl.model.environment import Environment
    from meshdsl.model.inventory import Mesh, Namespace, Port, Probe, Route, Service, Workload
    from meshdsl.model.match import Cookie, Header, Query, Regex, all_of, any_of
    from meshdsl.model.operation import Proxy
    from meshdsl.model.policy_set import PolicySet
    from meshdsl.model.security import Allow, Anyone, DefaultDeny, Deny, MutualTls, ServiceAccount
    from meshdsl.model.traffic import (
        Abort,
        Breaker,
        Canary,
        Delay,
        Fault,
        Headers,
        Mirror,
        Redirect,
        Retry,
        Rewrite,
        Split,
        Timeout,
    )
    from meshdsl.report.diff_report import render_diff
    from meshdsl.simulate.agree import Agreement, agree
    from meshdsl.simulate.ask import question
    from meshdsl.simulate.trace import Trace, trace, trace_objects
    from meshdsl.simulate.words import Request
    from meshdsl.targets.ambient import Ambient
    from meshdsl.targets.istio import Istio
    from meshdsl.targets.linkerd import Linkerd
    from meshdsl.testing.mesh import MeshFixture

_HOMES = {
    "meshdsl.cluster.kubectl": ("KubectlCluster",),
    "meshdsl.compare.access.model": ("AccessReason",),
    "meshdsl.compare.diff": ("diff", "stale"),
    "meshdsl.compare.live": ("Cluster",),
    "meshdsl.compare.reach.answers": ("AccessAnswer", "AccessCell", "AccessMatrix", "AccessRow", "Reach"),
    "meshdsl.compare.reach.graph": ("GraphEdge", "GraphNode", "MeshGraph", "graph"),
    "meshdsl.compare.reach.report": ("AccessReport", "access"),
    "meshdsl.compare.report": ("DiffReport",),
    "meshdsl.compiler": ("Bundle", "build"),
    "meshdsl.diagnostics": (
        "CompileError",
        "ConfigError",
        "Diagnostic",
        "LoadError",
        "MeshdslError",
        "Origin",
        "OutputError",
        "PolicyError",
        "Severity",
    ),
    "meshdsl.loading.load": ("load",),
    "meshdsl.manifest": ("Manifest", "ObjectRef", "Phase"),
    "meshdsl.model.base": ("Policy",),
    "meshdsl.model.environment": ("Environment",),
    "meshdsl.model.inventory": ("Mesh", "Namespace", "Port", "Probe", "Route", "Service", "Workload"),
    "meshdsl.model.match": ("Cookie", "Header", "Query", "Regex", "all_of", "any_of"),
    "meshdsl.model.operation": ("Proxy",),
    "meshdsl.model.policy_set": ("PolicySet",),
    "meshdsl.model.security": ("Allow", "Anyone", "DefaultDeny", "Deny", "MutualTls", "ServiceAccount"),
    "meshdsl.model.traffic": (
        "Abort",
        "Breaker",
        "Canary",
        "Delay",
        "Fault",
        "Headers",
        "Mirror",
        "Redirect",
        "Retry",
        "Rewrite",
        "Split",
        "Timeout",
    ),
    "meshdsl.report.diff_report": ("render_diff",),
    "meshdsl.simulate.agree": ("Agreement", "agree"),
    "meshdsl.simulate.ask": ("question",),
    "meshdsl.simulate.trace": ("Trace", "trace", "trace_objects"),
    "meshdsl.simulate.words": ("Request",),
    "meshdsl.targets.ambient": ("Ambient",),
    "meshdsl.targets.istio": ("Istio",),
    "meshdsl.targets.linkerd": ("Linkerd",),
    "meshdsl.testing.mesh": ("MeshFixture",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Abort",
    "AccessAnswer",
    "AccessCell",
    "AccessMatrix",
    "AccessReason",
    "AccessReport",
    "AccessRow",
    "Agreement",
    "Allow",
    "Ambient",
    "Anyone",
    "Breaker",
    "Bundle",
    "Canary",
    "Cluster",
    "CompileError",
    "ConfigError",
    "Cookie",
    "DefaultDeny",
    "Delay",
    "Deny",
    "Diagnostic",
    "DiffReport",
    "Environment",
    "Fault",
    "GraphEdge",
    "GraphNode",
    "Header",
    "Headers",
    "Istio",
    "KubectlCluster",
    "Linkerd",
    "LoadError",
    "Manifest",
    "Mesh",
    "MeshFixture",
    "MeshGraph",
    "MeshdslError",
    "Mirror",
    "MutualTls",
    "Namespace",
    "ObjectRef",
    "Origin",
    "OutputError",
    "Phase",
    "Policy",
    "PolicyError",
    "PolicySet",
    "Port",
    "Probe",
    "Proxy",
    "Query",
    "Reach",
    "Redirect",
    "Regex",
    "Request",
    "Retry",
    "Rewrite",
    "Route",
    "Service",
    "ServiceAccount",
    "Severity",
    "Split",
    "Timeout",
    "Trace",
    "Workload",
    "access",
    "agree",
    "all_of",
    "any_of",
    "build",
    "diff",
    "graph",
    "load",
    "question",
    "render_diff",
    "stale",
    "trace",
    "trace_objects",
]


def __getattr__(name: str) -> object:
    """Import a public name where it lives."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'meshdsl' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
