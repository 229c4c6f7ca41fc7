"""Gateway errors alone: the counter of other 5xx is written as 0, since its default of 5 would count instead."""

from meshdsl import Breaker, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, replicas=3)

breaker = Breaker(api, consecutive_gateway_errors=7, only=("istio", "ambient"))
