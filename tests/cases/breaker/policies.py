"""Limits on what is under way, and ejection of pods that fail."""

from meshdsl import Breaker, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, replicas=6)

breaker = Breaker(
    api,
    max_connections=100,
    max_requests=1000,
    max_requests_per_connection=10,
    consecutive_5xx=5,
    interval="30s",
    base_ejection_time="30s",
    max_ejection_percent=50,
)
