"""Two policies of one kind on one subject."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

first = Timeout(api, "5s")
second = Timeout(api, "6s")
