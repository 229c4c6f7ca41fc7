"""An HTTPRoute holds 128 matches in all its rules."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)
methods = ("GET", "PUT", "POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "TRACE")

timeouts = [Timeout(api.route(f"r{i}", path=f"/r{i}", methods=methods), "1s") for i in range(17)]
