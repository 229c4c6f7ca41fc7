"""The timeout of a try never stands without the retry beside it, which would make it the timeout of the request."""

from meshdsl import Namespace, Retry, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

retry = Retry(api, attempts=1, statuses=(503,), per_try_timeout="500ms")
timeout = Timeout(api, "1500ms")
