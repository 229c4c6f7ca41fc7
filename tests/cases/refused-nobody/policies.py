"""Mistakes in arguments: each is shown with its line, all at once."""

from meshdsl import Allow, Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

nobody = Allow(api, callers=())
forever = Timeout(api, 5)
