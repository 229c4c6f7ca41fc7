"""Headers that a real Envoy writes or takes away before rules look: a rule that asks for one would hold always, or never."""

from meshdsl import Allow, Canary, Header, Namespace, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"))
relayed = web.route("relayed", path="/relayed", headers=(Header("x-envoy-internal", "true"),))

allow = Allow(api, callers=(web,), methods=("GET",), headers=(Header("X-Request-Id"), Header("x-team", "pay")))
canary = Canary(api, stable="v1", canary="v2", percent=0, when=Header("x-forwarded-proto", "https"))
timeout = Timeout(relayed, "2s")
