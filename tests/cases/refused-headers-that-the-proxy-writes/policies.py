"""Headers of a response that Envoy writes after all edits; what Envoy leaves alone may be edited."""

from meshdsl import Headers, Namespace, Service

api = Service("api", Namespace("prod"), port=8080)
orders = api.route("orders", path="/orders")
old = api.route("old", path="/old")

named = Headers(api, response_set={"Server": "api", "x-served-by": "api"})
dated = Headers(orders, response_remove=("date", "via"))
traced = Headers(old, response_add={"x-envoy-decorator-operation": "old", "date": "today"})
