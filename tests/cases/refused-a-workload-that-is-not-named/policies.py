"""What a single service says of its proxy stands in a pod template, whose kind and name a Service does not tell."""

from meshdsl import Namespace, Proxy, Service

api = Service("api", Namespace("prod"), port=80)

proxy = Proxy(api, enrolled=True)
