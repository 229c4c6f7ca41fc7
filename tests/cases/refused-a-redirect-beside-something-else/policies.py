"""A redirected request is not sent on: what else is attached to the same route would be lost."""

from meshdsl import Mirror, Namespace, Redirect, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
shadow = Service("shadow", prod, port=8080)
old = api.route("old", path="/old")

policies = [Redirect(old, path="/new"), Mirror(old, to=shadow, only=("istio", "ambient"))]
