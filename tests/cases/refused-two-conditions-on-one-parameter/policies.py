"""Two conditions on one query parameter contradict each other or need one regular expression; one would be forgotten."""

from meshdsl import Namespace, Query, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeout = Timeout(api.route("page", query=(Query("page", "1"), Query("page", "2"))), "1s")
