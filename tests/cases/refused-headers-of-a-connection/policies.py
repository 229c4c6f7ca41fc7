"""Headers of one connection, or of the framing of a message: no proxy passes them on, so no edit of one is kept."""

from meshdsl import Headers, Namespace, Service

api = Service("api", Namespace("prod"), port=8080)
upload = api.route("upload", methods=("PUT",), path="/files/*")
old = api.route("old", path="/old")

upgraded = Headers(api, request_set={"Upgrade": "websocket", "x-upgrade": "websocket"})
sized = Headers(upload, request_add={"te": "trailers"}, request_remove=("transfer-encoding", "x-size"))
closed = Headers(old, response_set={"connection": "close"}, response_remove=("content-length",))
