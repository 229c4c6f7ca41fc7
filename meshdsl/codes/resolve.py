"""The codes of resolving and checking."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = ()
