"""Workloads that are kept out of the mesh: a namespace, and one service of an enrolled one."""

from meshdsl import Namespace, Proxy, Service, Workload

prod, legacy = Namespace("prod"), Namespace("legacy")
batch = Service("batch", prod, port=80, workload=Workload("StatefulSet", "batch"))

policies = [Proxy(prod), Proxy(legacy, enrolled=False), Proxy(batch, enrolled=False)]
