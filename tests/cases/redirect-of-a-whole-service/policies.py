"""A redirect of every request: the one rule is a catch-all without a destination."""

from meshdsl import Namespace, Redirect, Service

api = Service("api", Namespace("prod"), port=8080)

redirect = Redirect(api, host="new.example.org", path="/moved", port=80)
