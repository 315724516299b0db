"""Places for agents on this machine: a file each, shared by all runs of this user.

Whoever has a place holds an flock on its file, which the kernel takes back if its process dies.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Places(Protocol):
    """Where places are taken."""

    def take(self, places: int) -> int | None:
        """A free one of the first *places*, to be given back; ``None`` if there is none."""
        ...

    def give_back(self, taken: int) -> None:
        """Gives back what ``take`` gave."""
        ...


class NoPlaces:
    """Everybody has one: for measuring, and for tests."""

    def take(self, places: int) -> int | None:
        """Always there."""
        del places
        return 0

    def give_back(self, taken: int) -> None:
        """Nothing to do."""


class PlaceFiles:
    """Places as files in *folder*; where none can be made, nobody has to wait.

    Args:
        folder: Made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[int, int] = {}

    def take(self, places: int) -> int | None:
        """The number of one that was free."""
        for number in range(places):
            if number in self._open:
                continue
            try:
                descriptor = self._locked(number)
            except OSError:  # no such folder can be made, or no file in it
                descriptor = -1
            if descriptor is not None:
                self._open[number] = descriptor
                return number
        return None

    def give_back(self, taken: int) -> None:
        """Lets go of a place."""
        descriptor = self._open.pop(taken)
        if descriptor >= 0:
            os.close(descriptor)

    def _locked(self, number: int) -> int | None:
        """A descriptor that holds the place *number*; ``None`` if another process does."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._folder / str(number), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            with suppress(OSError):
                os.close(descriptor)
            raise
        return descriptor
