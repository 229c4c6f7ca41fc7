"""A method goes before a header, but not on Linkerd: what matches both is a rule of its own, so that all agree."""

from meshdsl import Header, Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Timeout(api.route("posts", methods=("POST",)), "1s"),
    Timeout(api.route("beta", headers=(Header("x-beta", "1"),)), "2s"),
]
