"""The codes of configuration and the command line."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = ()
