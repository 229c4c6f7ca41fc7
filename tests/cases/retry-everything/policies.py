"""Conditions, statuses and named methods in one Retry: no space in the list, and 409 for retriable-4xx."""

from meshdsl import Namespace, Retry, Service

api = Service("api", Namespace("prod"), port=8080)

retry = Retry(
    api,
    attempts=2,
    retry_on=("gateway-error", "reset", "connect-failure", "refused-stream", "retriable-4xx"),
    statuses=(429,),
    methods=("GET", "POST"),
)
