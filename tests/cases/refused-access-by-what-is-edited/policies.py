"""Rules that look at a path and a header which other policies change on the way: before or after, that differs by mesh."""

from meshdsl import Allow, Header, Headers, Namespace, Rewrite, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)
shop = Service("shop", prod, port=8080)
admin = Service("admin", prod, port=8080)

policies = [
    Rewrite(api.route("old", path="/old/*"), path="/new", only=("istio", "ambient")),
    Allow(api, callers=(web,), paths=("/new/*",), only=("istio", "ambient")),
    Headers(shop, request_set={"x-tier": "gold"}),
    Allow(shop, callers=(web,), headers=(Header("x-tier", "gold"),)),
    Headers(admin, request_remove=("x-debug",)),
    Allow(admin, callers=(web,), methods=("GET",)),
]
