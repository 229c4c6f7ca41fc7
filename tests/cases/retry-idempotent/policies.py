"""Retries apply to idempotent methods unless the policy says otherwise; one route is never retried."""

from meshdsl import Namespace, Retry, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)
checkout = api.route("checkout", path="/checkout")

policies = [
    Timeout(api, "10s"),
    Retry(api, attempts=3, per_try_timeout="2s", retry_on=("5xx", "reset", "connect-failure")),
    Retry.never(checkout),
]
