"""Linkerd: HTTPRoutes and Services for traffic, Servers and policies for access."""

from __future__ import annotations

from meshdsl.targets.linkerd.target import Linkerd

__all__ = ["Linkerd"]
