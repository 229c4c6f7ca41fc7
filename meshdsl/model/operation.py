"""Operation: how workloads are in the mesh."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from meshdsl.model.base import Policy
from meshdsl.model.inventory import Namespace, Service
from meshdsl.model.types import DnsLabel, Quantity, instance


class Proxy(Policy):
    """The workloads of a namespace or service are in the mesh, and what their sidecars may use.

    Args:
        subject: a Namespace, or a Service (its :class:`Workload` must be known).
        enrolled: in the mesh (True) or kept out (False). On a namespace the default is True, on a service it is as
            its namespace has it.
        revision: of the control plane, for meshes that run several; the default one if not given.
        cpu_request: of the sidecar, a Kubernetes quantity such as ``"100m"``.
        cpu_limit: of the sidecar.
        memory_request: of the sidecar, such as ``"128Mi"``.
        memory_limit: of the sidecar.
    """

    subject: Annotated[
        Namespace | Service | str,
        instance(Namespace, Service, str, expected='a Namespace, a Service or "namespace/service"'),
    ] = Field(kw_only=False, description="a Namespace or a Service")
    enrolled: bool | None = Field(default=None, strict=True, description="in the mesh (True) or kept out (False)")
    revision: DnsLabel | None = Field(default=None, description="revision of the control plane")
    cpu_request: Quantity | None = Field(default=None, description='a quantity such as "100m"')
    cpu_limit: Quantity | None = Field(default=None, description='a quantity such as "1"')
    memory_request: Quantity | None = Field(default=None, description='a quantity such as "128Mi"')
    memory_limit: Quantity | None = Field(default=None, description='a quantity such as "512Mi"')

    @model_validator(mode="after")
    def _says_something(self) -> Proxy:
        resources = (self.cpu_request, self.cpu_limit, self.memory_request, self.memory_limit)
        if self.enrolled is False and (self.revision or any(resources)):
            raise ValueError("a workload that is kept out of the mesh has no revision and no sidecar")
        if not isinstance(self.subject, Namespace) and self.enrolled is None and not any(resources):
            raise ValueError("on a service, say enrolled=… or the resources of its sidecar")
        return self
