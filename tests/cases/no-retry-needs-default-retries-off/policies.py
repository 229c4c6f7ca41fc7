"""Ambient has no word for "never again", so it must know that the operator switched the mesh's default off."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeout = Timeout(api, "2s")
