"""Hosts, as istiod reads them: short names, wildcards, who sees an object, and which service a host is.

A name without a dot is completed with the namespace of the object that says it; a name with one is taken as it is, so
``api.prod`` is not the service ``api`` of ``prod`` (``ResolveShortnameToFQDN`` in ``pilot/pkg/model/config.go``).
"""

from __future__ import annotations

from meshdsl.simulate.fields import Body, mapping, namespace_of, sequence, title
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.words import NotModelled


class Hosts:
    """The names of the services of a mesh.

    Args:
        inventory: with the services.
        cluster_domain: of the cluster.
    """

    def __init__(self, inventory: Inventory, cluster_domain: str) -> None:
        self.inventory = inventory
        self._suffix = f".svc.{cluster_domain}"

    def fqdn(self, service: KubeService) -> str:
        """The full name of a service."""
        return f"{service.name}.{service.namespace}{self._suffix}"

    def resolved(self, host: str, namespace: str) -> str:
        """A host as an object of that namespace means it."""
        return host if "." in host or "*" in host else f"{host}.{namespace}{self._suffix}"

    def service(self, host: str) -> KubeService | None:
        """The service with that full name."""
        if not host.endswith(self._suffix):
            return None
        name, _, namespace = host.removesuffix(self._suffix).partition(".")
        return self.inventory.services.get(f"{namespace}/{name}")

    def is_short_name(self, host: str) -> bool:
        """Whether a host is a name that callers use for a known service, and istiod does not complete."""
        name, _, rest = host.partition(".")
        return f"{rest.removesuffix('.svc')}/{name}" in self.inventory

    def authorities(self, service: KubeService, port: int) -> tuple[str, ...]:
        """Every authority with which callers name a service: each of its names, with and without the port."""
        name, namespace = service.name, service.namespace
        names = (name, f"{name}.{namespace}", f"{name}.{namespace}.svc", self.fqdn(service))
        return tuple(text for one in names for text in (one, f"{one}:{port}"))


def matches(pattern: str, host: str) -> bool:
    """Whether a host, or a wildcard such as ``*.prod.svc.cluster.local``, takes a full name."""
    return host.endswith(pattern[1:]) if pattern.startswith("*") else pattern == host


def seen_by(body: Body, namespace: str) -> str | None:
    """How ``exportTo`` shows an object to the proxies of a namespace.

    Returns:
        ``"private"`` (``.``, its own namespace), ``"exported"`` (to that namespace by name), ``"public"`` (``*``, or
        nothing said), or None if they do not see it. With nothing said, the mesh may have another default; it is
        taken to have none (``defaultVirtualServiceExportTo``).
    """
    where = f"{title(body)} spec.exportTo"
    given = [str(one) for one in sequence(mapping(body.get("spec"), where).get("exportTo"), where)]
    own = namespace_of(body)
    if not given or "*" in given:
        return "public"
    if ("." in given or own in given) and own == namespace:
        return "private" if "." in given else "exported"
    if "~" in given and len(given) > 1:
        raise NotModelled(where, "~ beside other namespaces is not modelled")
    return "exported" if namespace in given else None
