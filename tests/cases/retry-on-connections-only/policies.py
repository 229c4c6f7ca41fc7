"""Failed connections alone: no status is named in Ambient, and Istio and Linkerd, where they arrive as one, refuse."""

from meshdsl import Namespace, Retry, Service

api = Service("api", Namespace("prod"), port=8080)

retry = Retry(api, attempts=2, retry_on=("connect-failure", "refused-stream"), methods="any")
