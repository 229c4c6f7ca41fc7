"""Prefixes by several headers overlap in more ways than a table can hold; what both match would be a rule each."""

from meshdsl import Header, Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeouts = [
    Timeout(api.route(f"r{i}", path="/a/" + "b/" * i + "*", headers=(Header(f"x-{i}", "1"),)), f"{i + 1}s")
    for i in range(9)
]
