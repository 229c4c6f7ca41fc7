"""The codes of what gateway_api cannot do in combination."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = ()
