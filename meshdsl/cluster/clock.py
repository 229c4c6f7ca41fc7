"""Time, as far as waiting needs it: how long is left, and sleeping.

Only the monotonic clock is read, so a clock that is set back or runs wrong changes nothing. Tests bring their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


class Clock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment after which nothing is waited for.

    Attributes:
        clock: that it is read from.
        at: the moment, on that clock.
        seconds: how long it was when it began, for messages.
    """

    clock: Clock
    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        """So many seconds from now."""
        return cls(clock, clock.now() + seconds, seconds)

    def left(self) -> float:
        """Seconds that are left; not below zero."""
        return max(0.0, self.at - self.clock.now())
