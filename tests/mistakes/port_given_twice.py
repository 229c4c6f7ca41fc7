from meshdsl import *

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6)

x = Service(  # ERROR: MESH204
    "other", prod,
    ports=(Port(80, name="a"), Port(80, name="b")),
)
