"""Redirects to a path, a host, a scheme with its port, and a port; the port of the service stays unless another is given."""

from meshdsl import Namespace, Redirect, Service

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Redirect(api.route("path", path="/path"), path="/other"),
    Redirect(api.route("host", path="/host/*"), host="www.example.org", status=301),
    Redirect(api.route("secure", path="/secure"), scheme="https", port=443, status=308),
    Redirect(api.route("port", path="/port"), port=9090, status=307),
    Redirect(api.route("see", methods=("POST",), path="/form"), path="/done", status=303),
]
