"""An exact path, a prefix, a prefix that goes away and a host: no slash is lost or doubled; Linkerd refuses each."""

from meshdsl import Namespace, Rewrite, Service

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Rewrite(api.route("exact", path="/old"), path="/new"),
    Rewrite(api.route("below", path="/v1/*"), path="/v2"),
    Rewrite(api.route("gone", path="/strip/*"), path="/"),
    Rewrite(api.route("host", path="/host"), host="other.example.org"),
]
