"""A version is a Service of its own in Ambient and Linkerd: its name must be one, and free; a subset needs neither."""

from meshdsl import Namespace, Service, Split

prod = Namespace("prod")
long = Service("a" * 60, prod, port=80, versions=("blue", "green"))
api = Service("api", prod, port=80, versions=("v1", "v2"))
taken = Service("api-v1", prod, port=80)

policies = [Split(long, weights={"blue": 1, "green": 1}), Split(api, weights={"v1": 1, "v2": 1})]
