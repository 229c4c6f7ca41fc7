"""In Ambient a mirror's copies carry the waypoint's identity, and the rules of who gets them would judge that."""

from meshdsl import Allow, Mirror, Namespace, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
shadow = Service("shadow", prod, port=8080)

policies = [Mirror(api, to=shadow, only=("istio", "ambient")), Allow(shadow, callers=(api,))]
