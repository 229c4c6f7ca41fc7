"""`/a/*` is /a and what is below it; /ab is another path and belongs to the rest of the service."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

below = Timeout(api.route("below", path="/a/*"), "1s")
beside = Timeout(api.route("beside", path="/ab"), "2s")
