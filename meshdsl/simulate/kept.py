"""What was made of the last few plans and bundles, so that who asks often waits once.

They are known by their identity: both never change, and to compare two of them would take longer than to ask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MOST: Final = 8
"""So many are kept; of a plan with 1,000 services one is some 100 MB."""
_found: OrderedDict[Hashable, tuple[object, Any]] = OrderedDict()
_lock: Final = Lock()


def kept(of: K, make: Callable[[K], V]) -> V:
    """What ``make`` makes of something that never changes; made anew if it was not asked for lately.

    Args:
        of: a plan or a bundle.
        make: a function or class of a module, which is part of what it is kept by.
    """
    key = (make, id(of))
    with _lock:
        if key in _found:
            _found.move_to_end(key)
            made: V = _found[key][1]
            return made
    made = make(of)
    with _lock:
        _found[key] = (of, made)  # with ``of``, so that nothing else gets its id
        while len(_found) > _MOST:
            _found.popitem(last=False)
    return made
