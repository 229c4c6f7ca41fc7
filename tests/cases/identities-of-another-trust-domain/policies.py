"""Identities carry the profile's trust domain and never match another one; hosts carry the cluster's domain."""

from meshdsl import Allow, MutualTls, Namespace, Service, Timeout

prod, jobs = Namespace("prod"), Namespace("jobs")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [MutualTls(prod, mode="strict"), Timeout(api, "1s"), Allow(api, callers=(web, jobs))]
