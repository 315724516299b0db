"""``^C`` before there is a run to be ended in order: the process just goes.

Python raises ``KeyboardInterrupt`` wherever it is, and forgets it where nothing can be raised (a
callback of the import system or of the garbage collector). So it is noted as well: a run that
begins all the same ends at once.
"""

import signal
from types import FrameType

heard: list[int] = []
"""Signals that came so far."""


def heed_early() -> None:
    """Notes what comes from now on, unless somebody has decided otherwise."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, _: FrameType | None) -> None:
    heard.append(number)
    raise KeyboardInterrupt
