"""Time, so that a test can make six hours of it in a moment."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What tells the time and lets it pass."""

    def unix(self) -> float:
        """Seconds since 1970; may jump."""
        ...

    def boot(self) -> float:
        """Seconds since the machine's start, also those in which it slept; never jumps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after so long."""
        ...


class SystemClock:
    """The machine's own."""

    def unix(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def boot(self) -> float:
        """Seconds since the machine's start; of macOS those in which it slept are missing."""
        kind = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime(kind)

    async def sleep(self, seconds: float) -> None:
        """Returns after so long."""
        await asyncio.sleep(seconds)
