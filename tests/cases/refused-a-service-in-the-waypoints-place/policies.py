"""A service of the waypoint's name would collide with it, and a workload of its identity would pass every fence."""

from meshdsl import Namespace, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)
impostor = Service("waypoint", prod, port=8080)

timeout = Timeout(api, "1s")
