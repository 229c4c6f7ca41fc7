"""On the standard channel the API server would prune `retry`, so Ambient refuses it there."""

from meshdsl import Namespace, Retry, Service

api = Service("api", Namespace("prod"), port=8080)

retry = Retry(api, attempts=2, retry_on=("5xx",))
