from meshdsl import Allow, Service

from .a import api  # ERROR: MESH114

web = Service("web", "prod", port=80)
x = Allow(api, callers=(web,))
