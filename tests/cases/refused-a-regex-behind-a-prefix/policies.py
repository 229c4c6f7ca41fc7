"""A regular expression goes before a prefix here; istiod would sort it behind, and Linkerd by its length."""

from meshdsl import Namespace, Regex, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Timeout(api.route("below", path="/items/*"), "1s"),
    Timeout(api.route("one", path=Regex("/items/[0-9]+")), "2s"),
]
