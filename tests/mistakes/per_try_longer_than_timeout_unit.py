from meshdsl import *

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6)

x = Retry(
    api, attempts=2, retry_on=("5xx",),
    per_try_timeout="2 s",  # ERROR: MESH204
)
