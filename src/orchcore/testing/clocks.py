"""A clock that does not wait."""

import asyncio
import time


class VirtualClock:
    """Implements ``Clock``: time passes when everybody sleeps, and then at once.

    For runs in memory: what real processes do meanwhile takes no time.

    Args:
        unix: What it shows at first; now, if not told.

    Example:
        >>> clock = VirtualClock()
        >>> await clock.sleep(6 * 3600)  # a moment
    """

    _QUIET_ROUNDS = 20
    """So many rounds of the event loop without another sleeper, and everybody sleeps."""

    def __init__(self, unix: float | None = None) -> None:
        self._unix = time.time() if unix is None else unix
        self._passed_s = 0.0
        self._waking: list[float] = []
        self._slept = 0

    def unix(self) -> float:
        """Seconds since 1970."""
        return self._unix + self._passed_s

    def boot(self) -> float:
        """Seconds since its machine's start, an hour before it was made."""
        return 3600.0 + self._passed_s

    def jump(self, seconds: float) -> None:
        """Sets the time of day forward or back: no time passes."""
        self._unix += seconds

    async def sleep(self, seconds: float) -> None:
        """Returns when so much has passed."""
        until_s = self._passed_s + max(seconds, 0.0)
        self._waking.append(until_s)
        self._slept += 1
        quiet, seen = 0, self._slept
        try:
            while self._passed_s < until_s:
                await asyncio.sleep(0)
                quiet = quiet + 1 if self._slept == seen else 0
                seen = self._slept
                if quiet >= self._QUIET_ROUNDS and min(self._waking) == until_s:
                    self._passed_s = until_s
        finally:
            self._waking.remove(until_s)
