"""Callers outside the mesh do not come through a waypoint: a rule about their requests would be passed, or cut them off."""

from meshdsl import Allow, Anyone, Namespace, Service

api = Service("api", Namespace("prod"), port=8080)

allow = Allow(api, callers=Anyone.at_all(), paths=("/public/*",))
