"""An HTTPRoute holds 16 rules; a second object beside it would leave the order to their age."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeouts = [Timeout(api.route(f"r{i}", path=f"/r{i}"), f"{i + 1}s") for i in range(16)]
