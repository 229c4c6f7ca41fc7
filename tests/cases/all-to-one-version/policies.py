"""A canary of 100 % has one destination, since a lone weight is ignored and a zero weight is not written."""

from meshdsl import Canary, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"), version_label="release")

canary = Canary(api, stable="v1", canary="v2", percent=100)
