"""Questions about who may call what: who can call this service, what can that caller call, and all of it at once.

The answers come from the engine of the access diff (:mod:`meshdsl.compare.access`): its models, classes and rows. What
is added here is which rule decides. Nothing is enumerated but what rules name, so a mesh of a thousand services is
answered in the time that reading its rules takes. How an answer is shown is not known here.
"""
