"""The shape of a code's page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """What ``meshdsl explain CODE`` shows.

    Attributes:
        code: ``"MESH…"``.
        title: a few words.
        text: a paragraph or two: what is wrong, why it matters, what to do.
    """

    code: str
    title: str
    text: str
