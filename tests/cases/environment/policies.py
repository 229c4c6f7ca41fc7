"""Policies from a function of the environment, and references by name."""

from meshdsl import Allow, Service, Split

api = Service("api", "prod", port=8080, versions=("v1", "v2"))
web = Service("web", "prod", port=80)


def policies(env):
    yield Split("prod/api", weights={"v1": 100 - env.share, "v2": env.share})
    yield Allow("prod/api", callers=("prod/web",))
