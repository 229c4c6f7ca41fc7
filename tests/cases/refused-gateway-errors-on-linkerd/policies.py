"""Linkerd counts every 5xx alike."""

from meshdsl import Breaker, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, replicas=3)

breaker = Breaker(api, consecutive_gateway_errors=7, accept=("MESH521",))
