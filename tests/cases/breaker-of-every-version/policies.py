"""The breaker is where each mesh looks: the host, each version's Service in Ambient, the service alone in Linkerd."""

from meshdsl import Breaker, Namespace, Service, Split

prod = Namespace("prod")
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=20)

breaker = Breaker(prod, consecutive_5xx=3, interval="5s", base_ejection_time="10m", max_ejection_percent=10)
split = Split(api, weights={"v1": 1, "v2": 1})
