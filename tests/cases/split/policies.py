"""Three versions by weight; the one with weight 0 gets nothing and is not mentioned."""

from meshdsl import Namespace, Service, Split

prod = Namespace("prod")
api = Service("api", prod, port=8080, versions=("v1", "v2", "v3"))

split = Split(api, weights={"v1": 9, "v2": 1, "v3": 0})
