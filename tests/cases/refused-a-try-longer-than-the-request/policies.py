"""A try that may take longer than the whole request is never tried again."""

from meshdsl import Namespace, Retry, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [Timeout(api, "1s"), Retry(api, attempts=1, statuses=(503,), per_try_timeout="2s")]
