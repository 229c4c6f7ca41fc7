"""A fault on one route, for all its requests: the percentage is written, since without one it would be none."""

from meshdsl import Abort, Delay, Fault, Namespace, Service

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Fault(api.route("late", path="/late"), delay=Delay("1500ms"), only=("istio",)),
    Fault(api.route("gone", path="/gone/*"), abort=Abort(410, percent=0.1), only=("istio",)),
]
