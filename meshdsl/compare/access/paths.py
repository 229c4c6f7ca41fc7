"""Paths as bits: the classes that exact paths, prefixes and regular expressions cut all paths into.

An exact path is a class of its own. What begins with a prefix and with no longer one that is named is a class, or,
where regular expressions may match some of it, one for each set of them. Whether a regular expression matches an exact
path is known; whether two of them overlap is not, and is taken to be possible. All that begins with a text stands side
by side in the order of classes, so that a set of paths is a range of bits.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations
from typing import Final

from meshdsl.compare.access.model import PathTest
from meshdsl.plan.matching import literal_start

_LAST: Final = "\U0010ffff"
_MANY: Final = 4
"""Of more regular expressions than this, not every set is tried but each alone and none."""

_Atom = tuple[str, bool, frozenset[str]]
"""A text, whether it is a prefix, and the regular expressions that match."""


class Paths:
    """The classes of the paths that some conditions tell apart. The one of every other path is always there."""

    def __init__(self, tests: Iterable[PathTest]) -> None:
        distinct = set(tests)
        exacts = {value for kind, value in distinct if kind == "exact"}
        self._prefixes = sorted({"", *(value for kind, value in distinct if kind == "starts")})
        self.regexes = sorted(value for kind, value in distinct if kind == "regex")
        atoms: list[_Atom] = []
        for text, is_prefix in sorted([*((e, False) for e in exacts), *((p, True) for p in self._prefixes)]):
            atoms += self._atoms_of(text, is_prefix=is_prefix)
        self.atoms = atoms
        self._texts = [text for text, _, _ in atoms]
        self.all = (1 << len(atoms)) - 1
        self._exact = {text: 1 << index for index, (text, is_prefix, _) in enumerate(atoms) if not is_prefix}
        self.tests = tuple(sorted(distinct))
        self._masks = {test: self._mask(test) for test in self.tests}

    def _atoms_of(self, text: str, *, is_prefix: bool) -> list[_Atom]:
        if not is_prefix:
            return [(text, False, frozenset(r for r in self.regexes if matches(r, text)))]
        possible = [regex for regex in self.regexes if self._may_match(regex, text)]
        most = len(possible) if len(possible) <= _MANY else 1
        return [(text, True, frozenset(some)) for size in range(most + 1) for some in combinations(possible, size)]

    def _may_match(self, regex: str, prefix: str) -> bool:
        """Whether a regular expression may match something of a prefix that is in no longer one."""
        start = literal_start(regex)
        if not (start.startswith(prefix) or prefix.startswith(start)):
            return False
        return not any(len(p) > len(prefix) and start.startswith(p) for p in self._prefixes)

    def _mask(self, test: PathTest) -> int:
        kind, value = test
        if kind == "exact":
            return self._exact[value]
        if kind == "starts":
            first, end = self._range(value)
            return (1 << end) - (1 << first)
        return sum(1 << index for index, atom in enumerate(self.atoms) if value in atom[2])

    def _range(self, prefix: str) -> tuple[int, int]:
        return bisect_left(self._texts, prefix), bisect_left(self._texts, prefix + _LAST)

    def exact(self, path: str) -> int:
        """The bit of an exact path that is named; 0 if it is not."""
        return self._exact.get(path, 0)

    def mask(self, tests: Iterable[PathTest]) -> int:
        """The bits of a union of conditions."""
        found = 0
        for test in tests:
            found |= self._masks[test]
        return found

    # ------------------------------------------------------------------------------------------------- for people

    def words(self, mask: int) -> tuple[str, ...]:
        """A set of paths as policies write them; empty for every path."""
        if mask == self.all:
            return ()
        left = mask
        found: list[str] = []
        for regex in self.regexes:
            mine = self._masks["regex", regex]
            if mine and mine & ~mask == 0:
                found.append(f"Regex({regex!r})")
                left &= ~mine
        # What a regular expression covers does not count as missing from a prefix around it.
        return tuple(sorted(self._prefix_words(left, mask)) + found)

    def _prefix_words(self, left: int, mask: int) -> list[str]:
        found: list[str] = []
        done = 0
        for prefix in self._prefixes:
            region = self._region(prefix)
            if not region & left & ~done or region & ~mask:
                continue
            first, end = self._range(prefix)
            subtree = (1 << end) - (1 << first)
            missing = subtree & ~mask
            itself = self.exact(prefix[:-1]) if prefix.endswith("/") else 0
            found.append(self._prefix_word(prefix, missing, itself=bool(itself & mask)))
            done |= (subtree | itself) & mask
        for index, (text, is_prefix, regexes) in enumerate(self.atoms):
            if left & ~done & 1 << index:
                found.append(text if not is_prefix else self._partly(text, regexes))
        return found

    def _region(self, prefix: str) -> int:
        return sum(1 << i for i, atom in enumerate(self.atoms) if atom[1] and atom[0] == prefix)

    def _prefix_word(self, prefix: str, missing: int, *, itself: bool) -> str:
        """A prefix without what is missing below it."""
        if not prefix:
            words = self._prefix_words(missing, missing)
            return "every other path" if len(words) > _MANY else f"every path except {', '.join(words)}"
        word = f"{prefix}*" if itself or not prefix.endswith("/") else f"{prefix}* without {prefix[:-1]}"
        if missing:
            except_ = ", ".join(self._prefix_words(missing, missing))
            return f"{word}{',' if ' without ' in word else ''} except {except_}"
        return word

    def _partly(self, prefix: str, regexes: frozenset[str]) -> str:
        others = [one for one in self._possible(prefix) if one not in regexes]
        whole = "every path" if all(text == prefix for text, _, _ in self.atoms) else "every other path"
        where = f"{prefix}*" if prefix else "paths" if regexes else whole
        if not others and not regexes:
            return where
        if not regexes:
            return f"{where} not matching {_regexes(others, 'or')}"
        but = f" and not {_regexes(others, 'or')}" if others else ""
        return f"{where} matching {_regexes(regexes, 'and')}{but}"

    def _possible(self, prefix: str) -> list[str]:
        return sorted({one for text, is_prefix, some in self.atoms if is_prefix and text == prefix for one in some})

    def undecided(self, mask: int) -> tuple[str, ...]:
        """Regular expressions on whose overlap it depends what a set of paths is."""
        found: set[str] = set()
        for prefix in self._prefixes:
            region, possible = self._region(prefix), self._possible(prefix)
            if len(possible) > 1 and mask & region not in (0, region):
                found |= set(possible)
        return tuple(sorted(found))


def _regexes(patterns: Iterable[str], last: str) -> str:
    return f" {last} ".join(f"Regex({one!r})" for one in sorted(patterns))


@lru_cache(maxsize=65536)
def matches(regex: str, text: str) -> bool:
    """Whether a regular expression matches a whole text; one that Python cannot read matches nothing."""
    try:
        return re.fullmatch(regex, text) is not None
    except re.error:
        return False
