"""A service with a policy about requests and no Retry is never tried again; the mesh's own default is not left on."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeout = Timeout(api, "2s")
