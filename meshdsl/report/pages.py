"""The page of a diagnostic code, as ``meshdsl explain`` shows it.

A code of a stage has a page that somebody wrote (:mod:`meshdsl.codes`). The code of a feature has one that is made
from the support tables, so that it cannot say something else than the compiler does.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from textwrap import fill

from meshdsl.codes import PAGES
from meshdsl.codes.page import Page
from meshdsl.plan.features import Feature
from meshdsl.report.support import TARGETS, cell, way_out
from meshdsl.targets.base import Level

_WIDTH = 96

PROMISES = {
    Level.EXACT: "the request sees exactly what the policy means",
    Level.CONDITIONAL: "exact, if the condition holds; an error unless the cluster's profile grants it",
    Level.APPROXIMATE: "close in the ordinary case; an error unless the difference is accepted",
    Level.NOT_YET: "an error: the mesh or meshdsl could, and does not today",
    Level.NEVER: "an error: the mesh has no way",
}
"""What each level promises, in the words of the manual."""


def page(code: str) -> Page | None:
    """The page of a code, or None if there is no such code."""
    if code in PAGES:
        return PAGES[code]
    feature = {f.code: f for f in Feature}.get(code)
    return None if feature is None else Page(code, feature.title, "\n\n".join(_feature_text(feature)))


def codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    return tuple(sorted({*PAGES, *(feature.code for feature in Feature)}))


def nearest(code: str) -> str:
    """The code that was probably meant, or nothing."""
    return next(iter(get_close_matches(code, codes(), 1, 0.7)), "")


def page_text(found: Page) -> str:
    """A page for people, wrapped."""
    paragraphs = (fill(" ".join(part.split()), _WIDTH) for part in found.text.strip().split("\n\n"))
    return "\n\n".join((f"{found.code}: {found.title}", *paragraphs)) + "\n"


def code_list() -> str:
    """Every code with its title."""
    return "".join(f"{found.code}  {found.title}\n" for found in filter(None, map(page, codes())))


def pages_markdown() -> str:
    """All pages as one document, ``docs/codes.md``."""
    parts = ["# Codes\n", "Made by `meshdsl explain --codes --format markdown`; do not edit.\n"]
    parts.append("A code is stable and never reused. `meshdsl explain MESH501` shows one of these pages.\n")
    found = filter(None, map(page, codes()))
    parts += [f"## {one.code}: {one.title}\n\n{one.text.strip()}\n" for one in found]
    return "\n".join(parts)


def _feature_text(feature: Feature) -> Iterator[str]:
    yield f"A policy asks for “{feature.title}”. What each mesh can do about it:"
    for target in TARGETS:
        found = cell(target, feature)
        note = f" {found.note.strip().rstrip('.')}." if found.note else ""
        way = f" Way out: {found.help.strip().rstrip('.')}." if found.help else ""
        yield f"{target.title}: {found.level} ({PROMISES[found.level]}).{note}{way}"
    yield way_out(feature)
