"""Copies to a version of a service that nothing else splits: its subset, or its Service, is written all the same."""

from meshdsl import Mirror, Namespace, Service

api = Service("api", Namespace("prod"), port=80)
shadow = Service("shadow", Namespace("lab"), port=9090, versions=("v1", "v2"))

mirror = Mirror(api, to=shadow, version="v2", only=("istio", "ambient"))
