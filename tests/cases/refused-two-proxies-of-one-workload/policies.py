"""Two services of one workload each say something of its sidecar: the later would undo the earlier."""

from meshdsl import Namespace, Proxy, Service, Workload

prod = Namespace("prod")
shared = Workload("Deployment", "api")
api = Service("api", prod, port=80, workload=shared)
admin = Service("admin", prod, port=81, workload=shared)

policies = [Proxy(api, enrolled=True), Proxy(admin, enrolled=False)]
