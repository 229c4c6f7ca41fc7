"""Before Gateway API 1.5 the standard HTTPRoute takes 301 and 302 alone."""

from meshdsl import Namespace, Redirect, Service

api = Service("api", Namespace("prod"), port=8080)

redirect = Redirect(api.route("old", path="/old"), path="/new", status=308)
