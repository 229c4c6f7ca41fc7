"""Callers as bits: everybody whom the rules at hand could tell apart, and one for each kind of those whom they do not.

A set of callers is a whole number. The universe is made of the patterns of two models' rules about one service: each
account that is named, for each namespace an account that is not, one of the mesh, one of another trust domain, and one
without identity. What is not named is stood for by a character that no name has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from meshdsl.compare.access.model import IN_MESH, Who, holds

ANOTHER: Final = "\x01"
"""A name that is none of those named."""
_FOREIGN: Final = "\x02"
"""A trust domain that is none of those named."""
_NOBODY_ELSE: Final = f"/ns/{ANOTHER}/sa/{ANOTHER}"
_ACCOUNT: Final = re.compile(r"(.*?)/ns/([^/]*)/sa/(.*)", re.DOTALL)

PLAIN: Final = 1
"""The bit of callers without an identity."""


class Callers:
    """The callers that some patterns tell apart.

    Args:
        patterns: of the rules; the order does not matter.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        distinct = sorted(set(patterns))
        self.identities = _identities(distinct)
        self._bits = {identity: 2 << index for index, identity in enumerate(self.identities)}
        self.unnamed = self._bits[_NOBODY_ELSE]
        self.meshed = (2 << len(self.identities)) - 2
        self.everyone = self.meshed | PLAIN
        self._masks = {pattern: self._mask(pattern) for pattern in distinct}
        self._terms: dict[Who, int] = {}

    def _mask(self, pattern: str) -> int:
        if pattern == IN_MESH:
            return self.meshed
        if not pattern.startswith("~") and "*" not in pattern:
            return self._bits.get(pattern, 0)  # nobody has an identity of another form
        return sum(bit for identity, bit in self._bits.items() if holds(pattern, identity))

    def mask(self, who: Who) -> int:
        """The bits of a set of callers."""
        known = self._terms.get(who)
        if known is not None:
            return known
        found = 0
        for term in who:
            mine = self.everyone
            for field in term.fields:
                mine &= self._union(field)
            found |= mine & ~self._union(term.excluded)
        self._terms[who] = found
        return found

    def _union(self, patterns: Iterable[str]) -> int:
        found = 0
        for pattern in patterns:
            found |= self._masks[pattern]
        return found

    def is_rest(self, mask: int) -> bool:
        """Whether a set is of everyone but some who are named."""
        return bool(mask & PLAIN and mask & self._bits[_NOBODY_ELSE])

    def words(self, mask: int) -> tuple[str, ...]:
        """A set of callers for people, in a fixed order."""
        if not mask & self._bits[_NOBODY_ELSE]:
            return (*self._names(mask), *(["callers outside the mesh"] if mask & PLAIN else []))
        whole, word = (self.everyone, "everyone") if mask & PLAIN else (self.meshed, "everyone in the mesh")
        rest = self._names(whole & ~mask)
        return (f"{word} except {' and '.join(rest)}" if rest else word,)

    def _names(self, mask: int) -> list[str]:
        """Callers in the mesh, without the one that stands for everybody who is not named."""
        rest = [one for one in self.identities if mask & self._bits[one] and one != _NOBODY_ELSE]
        found: list[str] = []
        of_mesh_first = sorted(dict.fromkeys(_parts(one)[:2] for one in rest), key=lambda one: bool(one[0]))
        for domain, namespace in of_mesh_first:
            every = [one for one in self.identities if _parts(one)[:2] == (domain, namespace)]
            of_it = [one for one in rest if one in every]
            if of_it == every and ANOTHER not in namespace and f"{domain}/ns/{namespace}/sa/{ANOTHER}" in of_it:
                found.append(f"every account of {namespace}{_of(domain)}")
                rest = [one for one in rest if one not in of_it]
        named = [_word(one) for one in rest if ANOTHER not in one]
        return [*named, *found, *(_word(one) for one in rest if ANOTHER in one)]


def _identities(patterns: list[str]) -> tuple[str, ...]:
    """An identity of each kind that the patterns can tell apart."""
    bare = [pattern.removeprefix("~") for pattern in patterns if pattern != IN_MESH]
    whole = [one if "*" not in one else _completed(one[:-1]) for one in bare if not one.startswith("*")]
    named = {_parts(one) for one in whole if _ACCOUNT.fullmatch(one)}
    ends = [one[1:] for one in bare if one.startswith("*")]
    tails = {(namespace, name) for _, namespace, name in named} | {(ANOTHER, ANOTHER)}
    domains = {domain for domain, _, _ in named} | {"", _FOREIGN}
    for end in ends:
        domain, found, rest = end.partition("/ns/")
        domains |= {ANOTHER + domain} if found and domain else set()
        namespace, slash, name = (rest if found else end).rpartition("/sa/")
        if slash and found:
            tails.add((namespace, name))
        elif slash and namespace:
            tails |= {(where, name) for where, _ in set(tails) if where.endswith(namespace)}
            tails |= {(where + namespace, name) for where, _ in set(tails) if where.endswith(ANOTHER)}
        elif not slash:
            tails |= {(where, who + end) for where, who in set(tails) if who.endswith(ANOTHER)}
    for end in ends:  # names without a namespace occur in each
        if "/ns/" not in end and ("/sa/" not in end or end.startswith("/sa/")):
            name = end.removeprefix("/sa/") if end.startswith("/sa/") else ANOTHER + end
            tails |= {(namespace, name) for namespace, _ in set(tails)}
    if any(pattern.startswith(("~", "*")) and pattern != IN_MESH for pattern in patterns):
        found_all = {(domain, *tail) for domain in domains for tail in tails}
    else:
        found_all = named | {(domain, ANOTHER, ANOTHER) for domain in domains}
    return tuple(sorted(f"{domain}/ns/{namespace}/sa/{name}" for domain, namespace, name in found_all))


def _completed(start: str) -> str:
    """An identity that begins so, and is otherwise nobody's that is named."""
    if "/sa/" in start:
        return start + ANOTHER
    if "/ns/" in start:
        domain, _, rest = start.partition("/ns/")
        namespace, slash, _ = rest.partition("/")
        return f"{domain}/ns/{namespace if slash else namespace + ANOTHER}/sa/{ANOTHER}"
    domain = start.partition("/")[0] if "/" in start else start + ANOTHER
    return f"{domain}/ns/{ANOTHER}/sa/{ANOTHER}"


def _parts(identity: str) -> tuple[str, str, str]:
    found = _ACCOUNT.fullmatch(identity)
    assert found is not None, identity
    return found[1], found[2], found[3]


def _of(domain: str) -> str:
    """A trust domain after a name; the mesh's own is not named."""
    return "" if not domain else " of other trust domains" if _FOREIGN in domain else f" of trust domain {domain}"


def _word(identity: str) -> str:
    domain, namespace, name = _parts(identity)
    where = _of(domain)
    if ANOTHER not in namespace + name:
        return f"{namespace}/{name}{where}"
    if namespace == ANOTHER and name == ANOTHER:
        return f"every account{where}"
    if name == ANOTHER:
        return f"every other account of {namespace.replace(ANOTHER, '*')}{where}"
    return f"{namespace.replace(ANOTHER, '*')}/{name.replace(ANOTHER, '*')}{where}"
