"""What differs between the stages: how far a new version has come, and what is tried out before people see it."""

from collections.abc import Iterator

from meshdsl import Abort, Allow, Canary, Environment, Fault, Header, Policy, Split

from .inventory import ad, frontend, load_generator, product_catalog, recommendation


def policies(env: Environment) -> Iterator[Policy]:
    """Called once for each cluster, with the values of its `environment` table."""
    yield Canary(
        product_catalog, stable="v1", canary="v2", percent=env.canary_percent, when=Header("x-preview", "catalog")
    )
    if env.stage == "prod":
        yield Split(recommendation, weights={"v1": 1})
        return

    # In staging the new recommendations get half of the requests, a load generator may play people, and one request in
    # ten for an ad fails: the shop must do without.
    yield Split(recommendation, weights={"v1": 1, "v2": 1})
    yield Allow(frontend, callers=(load_generator,), methods=("GET", "POST"))
    yield Fault(ad, abort=Abort(503, percent=10), only=("istio",))
