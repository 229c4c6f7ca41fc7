"""Redirects that answer a request with the URL that it asked for: the caller would never arrive."""

from meshdsl import Namespace, Port, Redirect, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
www = Service("www", prod, ports=(Port(80, name="old"), Port(8080, name="new")))

policies = [
    Redirect(api.route("below", path="/moved/*"), path="/moved"),
    Redirect(api.route("form", methods=("POST",), path="/form"), path="/form", status=303),
    Redirect(api.route("named", path="/named"), host="api.prod.svc.cluster.local"),
    Redirect(www, port=8080),
]
