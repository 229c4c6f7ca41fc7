"""A TrafficSplit becomes a ServiceProfile, which switches routes, retries, timeouts and the breaker off."""

from meshdsl import Breaker, Namespace, Service, Split, Timeout

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"), replicas=4)

policies = [Split(api, weights={"v1": 1, "v2": 1}), Timeout(api, "1s"), Breaker(api, consecutive_5xx=5)]
