"""Copies of all requests of a route go to another version; Linkerd would drop the whole route and refuses."""

from meshdsl import Mirror, Namespace, Service

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"))

mirror = Mirror(api.route("reads", methods=("GET",)), to=api, version="v2")
