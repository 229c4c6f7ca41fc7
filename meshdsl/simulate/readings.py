"""The reading of each mesh, by its target. A reading is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.words import Reading
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.base import Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.linkerd import Linkerd


def reading_of(target: Target, objects: Sequence[Mapping[str, Any]], inventory: Inventory) -> Reading:
    """What a mesh does with objects.

    Args:
        target: the mesh with its profile.
        objects: any of that mesh; where it lets the older of two win, and they do not say when they were created, the
            first is the oldest.
        inventory: the Services and pods that are there.

    Raises:
        TypeError: nobody has written down what that mesh does.
    """
    if isinstance(target, Istio):
        from meshdsl.simulate.istio import IstioReading

        return IstioReading(objects, inventory, target)
    if isinstance(target, Ambient):
        from meshdsl.simulate.ambient import AmbientReading

        return AmbientReading(objects, inventory, target)
    if isinstance(target, Linkerd):
        from meshdsl.simulate.linkerd import LinkerdReading

        return LinkerdReading(objects, inventory, target)
    raise TypeError(f"there is no reading of {target.name}")
