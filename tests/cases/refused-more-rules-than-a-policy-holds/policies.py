"""An AuthorizationPolicy has at most 512 rules."""

from meshdsl import Allow, Namespace, Service, ServiceAccount

api = Service("api", Namespace("prod"), port=8080)

allows = [Allow(api, callers=(ServiceAccount("n", f"c{i}"),), only=("istio", "ambient")) for i in range(513)]
