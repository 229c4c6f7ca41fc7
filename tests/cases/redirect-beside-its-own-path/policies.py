"""A redirect to a path below its own route, which another route takes: nobody is sent in a circle."""

from meshdsl import Namespace, Port, Redirect, Service, Timeout

api = Service("api", Namespace("prod"), ports=(Port(80, name="old"), Port(8080, name="new")))

policies = [
    Redirect(api.route("below", path="/moved/*"), path="/moved", accept=("MESH538",)),
    Timeout(api.route("moved", path="/moved"), "2s"),
    Redirect(api.route("port", path="/port", port=80), port=8080, accept=("MESH538",)),
    Redirect(api.route("elsewhere", path="/elsewhere"), host="api.other.svc.cluster.local", accept=("MESH538",)),
]
