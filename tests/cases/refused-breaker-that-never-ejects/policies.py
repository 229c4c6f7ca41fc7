"""Ten percent of three pods is less than one: the breaker would never do anything, on any mesh that has a limit."""

from meshdsl import Breaker, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, replicas=3)

breaker = Breaker(api, consecutive_5xx=5, max_ejection_percent=10)
