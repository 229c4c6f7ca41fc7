"""Callers alone on a named target port: the name is enough where the mesh knows it, and no number is guessed."""

from meshdsl import Allow, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=80, target_port="http")

allow = Allow(api, callers=(web,))
