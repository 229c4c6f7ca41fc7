"""A share of the requests is copied to another service's port in another namespace; the percentage is written."""

from meshdsl import Mirror, Namespace, Port, Service

api = Service("api", Namespace("prod"), port=8080)
shadow = Service("shadow", Namespace("lab"), ports=(Port(80, name="http"), Port(81, name="http-b")))

mirror = Mirror(api, to="lab/shadow", port=81, percent=12.5, only=("istio", "ambient"))
