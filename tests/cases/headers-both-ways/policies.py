"""Every edit of request and response; a literal percent sign is doubled for Envoy and left alone for Linkerd."""

from meshdsl import Headers, Namespace, Service

api = Service("api", Namespace("prod"), port=8080)

headers = Headers(
    api.route("v1", path="/v1/*"),
    request_set={"X-Team": "100% pay"},
    request_add={"x-via": "mesh"},
    request_remove=("x-debug",),
    response_set={"cache-control": "no-store"},
    response_add={"vary": "x-team"},
    response_remove=("via", "x-powered-by"),
)
