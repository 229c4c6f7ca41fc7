from meshdsl import Service

from .b import web

api = Service("api", "prod", port=80)
