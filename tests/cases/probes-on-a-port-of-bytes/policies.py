"""A declared probe asks a port by HTTP that is bytes to everyone else: Linkerd must look at it to know the probe."""

from meshdsl import Allow, Namespace, Probe, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
raw = Service("raw", prod, port=9000, protocol="tcp", probes=(Probe("/healthz", port=9000),))

allow = Allow(raw, callers=(web,))
