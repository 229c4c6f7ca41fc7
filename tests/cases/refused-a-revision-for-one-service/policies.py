"""In Ambient a revision is the waypoint's, one for a namespace; Linkerd has one control plane."""

from meshdsl import Namespace, Proxy, Service, Workload

api = Service("api", Namespace("prod"), port=8080, workload=Workload("Deployment", "api"))

proxy = Proxy(api, enrolled=True, revision="canary")
