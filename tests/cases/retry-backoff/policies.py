"""The interval before a retry; Linkerd has its own and refuses."""

from meshdsl import Namespace, Retry, Service

api = Service("api", Namespace("prod"), port=8080)

retry = Retry(api, attempts=2, statuses=(503,), backoff="100ms", methods="any")
