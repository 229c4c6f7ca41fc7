"""What the service sees and what the caller gets: headers, path and host."""

from meshdsl import Headers, Namespace, Redirect, Rewrite, Service

api = Service("api", Namespace("prod"), port=8080)
old = api.route("old", path="/old/*")

policies = [
    Headers(
        api,
        request_set={"x-team": "payments 100%"},
        request_add={"x-via": "mesh"},
        request_remove=("x-debug",),
        response_remove=("x-powered-by",),
    ),
    Rewrite(old, path="/new", host="api.internal", only=("istio", "ambient")),
    Redirect(api.route("moved", path="/moved"), path="/here", status=301, accept=("MESH538",)),
]
