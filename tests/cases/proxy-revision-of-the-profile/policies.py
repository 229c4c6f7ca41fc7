"""The profile's revision enrols by `istio.io/rev`, never beside istio-injection; in Ambient it is the waypoint's."""

from meshdsl import Namespace, Proxy, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)

policies = [Proxy(prod), Timeout(api, "1s")]
