"""Strict mTLS, or a DefaultDeny, where no proxy is to enforce it: on a namespace, on one service, and from above."""

from meshdsl import DefaultDeny, MutualTls, Namespace, Proxy, Service, Workload

legacy, prod, vault = Namespace("legacy"), Namespace("prod"), Namespace("vault")
job = Service("job", prod, port=80, workload=Workload("Deployment", "job"))
old = Service("old", legacy, port=80)
safe = Service("safe", legacy, port=81)

policies = [
    MutualTls(prod, mode="strict"),
    Proxy(job, enrolled=False),
    Proxy(legacy, enrolled=False),
    MutualTls(old, mode="strict"),
    Proxy(vault, enrolled=False),
    MutualTls(vault, mode="strict"),
    DefaultDeny(vault),
]
