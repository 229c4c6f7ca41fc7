"""Two routes overlap and neither is more specific; a rewrite replaces what a regular expression matched."""

from meshdsl import Header, Namespace, Regex, Rewrite, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)
web = Service("web", prod, port=80)

policies = [
    Timeout(api.route("beta", headers=(Header("x-beta", "1"),)), "1s"),
    Timeout(api.route("gold", headers=(Header("x-plan", "gold"),)), "2s"),
    Rewrite(web.route("item", path=Regex("/items/[0-9]+")), path="/item"),
]
