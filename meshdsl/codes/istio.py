"""The codes of what a mesh cannot do in combination."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = ()
