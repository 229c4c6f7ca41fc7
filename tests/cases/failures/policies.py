"""Faults made on purpose, and a copy of the requests to another service."""

from meshdsl import Abort, Delay, Fault, Mirror, Namespace, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
shadow = Service("shadow", prod, port=9090)

policies = [
    Fault(api, abort=Abort(503, percent=2.5), delay=Delay("2s", percent=10)),
    Mirror(api, to=shadow, percent=5),
]
