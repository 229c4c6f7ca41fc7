"""Compound and long durations are written in a form that every mesh reads: no 1m30s, no fraction."""

from datetime import timedelta

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Timeout(api, "1m30s"),
    Timeout(api.route("slow", path="/slow"), "2h"),
    Timeout(api.route("odd", path="/odd"), "1s500ms"),
    Timeout(api.route("exact", path="/exact"), timedelta(milliseconds=250)),
]
