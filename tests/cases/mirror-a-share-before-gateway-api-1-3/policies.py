"""The share of a mirror is not in the CRDs before Gateway API 1.3 and would be pruned: every request would be copied."""

from meshdsl import Mirror, Namespace, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
shadow = Service("shadow", prod, port=8080)

mirror = Mirror(api, to=shadow, percent=5, only=("istio", "ambient"))
