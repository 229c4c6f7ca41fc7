"""What a folder of policy files holds, or a program has built: the input of every later stage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from meshdsl.model.base import Declared


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policy objects and the inventory they speak of.

    Attributes:
        objects: in no particular order; the order never changes what they mean.
        name: of the set, a label value; written on every object that is made of it.
        root: folder that file names are shown relative to, in headers and diagnostics; empty for none.
    """

    objects: tuple[Declared, ...]
    name: str = "meshdsl"
    root: str = ""

    def relative(self, file: str) -> str:
        """A file as it is shown: relative to ``root`` with forward slashes, or its bare name outside of it."""
        return _relative(file, self.root)


@lru_cache(maxsize=1024)
def _relative(file: str, root: str) -> str:
    """Kept, because every policy of a file asks again."""
    path = PurePath(file)
    if root and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.name
