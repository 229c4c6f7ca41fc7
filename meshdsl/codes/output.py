"""The codes of writing output."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = ()
