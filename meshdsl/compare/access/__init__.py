"""Who may call what, symbolically: of a plan, of the objects of a mesh, and how two of these differ.

Nothing here enumerates pairs of callers and requests. A model keeps rules; a difference of two models cuts, service by
service, the callers and the requests that the rules of both name into classes which no rule tells apart, and computes
with sets of classes that are whole numbers.
"""

from meshdsl.compare.access.beside import Effect, beside, instead
from meshdsl.compare.access.between import MESH, between, trust_domain
from meshdsl.compare.access.difference import changes
from meshdsl.compare.access.from_objects import of_objects
from meshdsl.compare.access.from_plan import of_plan
from meshdsl.compare.access.gaps import gaps
from meshdsl.compare.access.model import AccessModel

__all__ = [
    "MESH",
    "AccessModel",
    "Effect",
    "beside",
    "between",
    "changes",
    "gaps",
    "instead",
    "of_objects",
    "of_plan",
    "trust_domain",
]
