"""Ejection alone, with the defaults written out."""

from meshdsl import Breaker, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, replicas=6)

breaker = Breaker(api, consecutive_5xx=5, accept=("MESH521",))
