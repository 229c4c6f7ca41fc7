from meshdsl import *

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6)

def seconds(n):
    return f"{10 // n}s"  # ERROR: MESH113


x = Timeout(api, seconds(0))
