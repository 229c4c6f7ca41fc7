from meshdsl import *

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6)

import urllib.request

urllib.request.urlopen("http://127.0.0.1:9/")  # ERROR: MESH130
