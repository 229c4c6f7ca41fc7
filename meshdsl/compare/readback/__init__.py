"""From objects of a mesh back to what they mean: the plan that would have been compiled to them.

What we emit is read back whole, as far as objects can tell it (:func:`told` says how far); what others wrote is read
as far as it means something in a plan, and the rest is named in a note. Only the comparison uses it: a build never
reads a cluster.
"""

from meshdsl.compare.readback.compared import Compared, compared
from meshdsl.compare.readback.draft import Doubt, Facet
from meshdsl.compare.readback.reader import plan_of
from meshdsl.compare.readback.told import told
from meshdsl.compare.readback.withheld import withheld

__all__ = ["Compared", "Doubt", "Facet", "compared", "plan_of", "told", "withheld"]
