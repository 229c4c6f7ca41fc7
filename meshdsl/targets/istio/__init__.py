"""Istio with sidecars."""

from meshdsl.targets.istio.target import Istio as Istio
