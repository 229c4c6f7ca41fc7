from meshdsl import Namespace, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=80)

x = Timeout(api, "5s", accept=("MESH9999",))  # ERROR: MESH204
