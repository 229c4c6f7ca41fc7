from meshdsl import *

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6)

x = Canary(
    api, stable="v1", canary="v2", percent=1,
    when=Header("x-canary:", "true"),  # ERROR: MESH204
)
