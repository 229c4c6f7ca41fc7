from meshdsl import Namespace, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=80)

x = Timeout(api, None)  # ERROR: MESH204
