"""A policy in Istio's root namespace holds for the whole mesh; one for that namespace alone cannot be had."""

from meshdsl import Allow, DefaultDeny, MutualTls, Namespace, Service

root = Namespace("istio-system")
api = Service("api", root, port=8080)
web = Service("web", Namespace("prod"), port=80)

policies = [MutualTls(root, mode="strict"), DefaultDeny(root), Allow(api, callers=(web,))]
