"""A route of gold customers cannot send the requests of silver ones to the canary: the condition would be lost."""

from meshdsl import Canary, Header, Namespace, Service, any_of

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"))
gold = api.route("gold", path="/v1/*", headers=(Header("x-tier", "gold"),))
silver, bronze = Header("x-tier", "silver"), Header("x-tier", "bronze")

lost = Canary(gold, stable="v1", canary="v2", percent=1, when=any_of(silver, bronze))
