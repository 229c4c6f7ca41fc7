"""One service in every cluster of the fleet; how far its new version has come is a column of the table."""

from collections.abc import Iterator

from meshdsl import Allow, Canary, Environment, Header, MutualTls, Namespace, Policy, Proxy, Service, Timeout

shop = Namespace("shop")
web = Service("web", shop, port=80)
api = Service("api", shop, port=8080, versions=("v1", "v2"))

everywhere = [
    Proxy(shop),
    MutualTls(shop, mode="strict"),
    Timeout(api, "5s"),
    Allow(api, callers=(web,), methods=("GET", "POST")),
]


def policies(env: Environment) -> Iterator[Policy]:
    """The canary: a region's share, and the region's testers."""
    yield Canary(
        api, stable="v1", canary="v2", percent=env.canary_percent, when=Header("x-tester", f"{env.region}-team")
    )
