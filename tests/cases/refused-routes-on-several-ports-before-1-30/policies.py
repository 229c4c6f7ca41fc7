"""A waypoint before 1.30 takes the routes of one port of a host and leaves out the others."""

from meshdsl import Namespace, Port, Service, Timeout

api = Service("api", Namespace("prod"), ports=(Port(80, name="http"), Port(81, name="http-b")))

timeout = Timeout(api, "1s")
