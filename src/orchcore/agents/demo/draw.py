"""Choices that look random and are a function of the input."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

_64_BITS = 2**64 - 1


class Draw(NamedTuple):
    """A source of choices; the same seed and place always give the same one.

    Attributes:
        seed: Whatever the choices should depend on.
        shift: Added to every choice, so that *n* shifts of a choice among *n* are all different.

    Example:
        >>> sorted(Draw("x", shift).below("lens", 3) for shift in range(3))
        [0, 1, 2]
    """

    seed: str
    shift: int = 0

    def shifted(self, by: int) -> "Draw":
        """The same source with other choices."""
        return Draw(self.seed, self.shift + by)

    def below(self, place: str, limit: int) -> int:
        """A whole number from 0 to *limit* - 1 (0 if *limit* is less than 2)."""
        if limit < 2:
            return 0
        start = zlib.crc32(place.encode("utf-8", "replace"), _number_of(self.seed))
        return (_mixed(start) + (_mixed(start + 1) << 64) + self.shift) % limit

    def pick[T](self, place: str, among: Sequence[T]) -> T:
        """One of *among*, which must not be empty."""
        return among[self.below(place, len(among))]


def _number_of(seed: str) -> int:
    return zlib.crc32(seed.encode("utf-8", "replace"))


def _mixed(number: int) -> int:
    """The finalizer of splitmix64. A real hash would cost the child 5 ms to import."""
    number = (number * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & _64_BITS
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return number ^ (number >> 31)
