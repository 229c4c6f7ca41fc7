"""Loading policy files: finding them, running them under guard, keeping what they declare.

``loading.load`` has the public functions. The package is not called ``load``, so that ``meshdsl.load`` is always the
function.
"""
