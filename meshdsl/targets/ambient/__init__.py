"""Istio without sidecars: ztunnel and waypoints."""

from meshdsl.targets.ambient.target import Ambient as Ambient
