"""Two routes overlap, neither is more specific, and only one of them is tried again."""

from meshdsl import Header, Namespace, Retry, Service

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Retry(api.route("batch", headers=(Header("x-batch"),)), attempts=2, retry_on=("5xx",)),
    Retry.never(api.route("trial", headers=(Header("x-trial"),))),
]
