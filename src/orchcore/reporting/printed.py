"""What the program itself prints while the live view has the terminal."""

import io
import sys
from collections import deque
from threading import Lock
from typing import TextIO

from orchcore.reporting.styled import is_terminal

_KEPT_LINES = 10_000


class Printed:
    """Takes the place of ``sys.stdout`` and ``sys.stderr`` where they are terminals.

    A body's ``print`` never waits for the terminal (rich's own redirection draws in the thread that
    prints, so a stopped terminal would stop the run); the display shows the lines above its
    frame. An output that goes elsewhere, as with ``2> errors.log``, is left alone.
    """

    def __init__(self) -> None:
        """Changes nothing yet."""
        self._places: dict[str, tuple[TextIO, _Catcher]] = {}

    def catch(self) -> None:
        """Puts itself in place."""
        for name in ("stdout", "stderr"):
            stream: TextIO | None = getattr(sys, name)
            if stream is not None and is_terminal(stream):
                catcher = _Catcher(stream)
                self._places[name] = (stream, catcher)
                setattr(sys, name, catcher)

    def release(self) -> list[str]:
        """Puts the streams back, unless others were put there since; gives what is left."""
        lines = self.take(unfinished=True)
        for name, (stream, catcher) in self._places.items():
            if getattr(sys, name) is catcher:
                setattr(sys, name, stream)
        self._places.clear()
        return lines

    def take(self, *, unfinished: bool = False) -> list[str]:
        """The lines printed since the last call; with *unfinished*, what has no end yet too."""
        return [
            line
            for _, catcher in self._places.values()
            for line in catcher.take(unfinished=unfinished)
        ]


class _Catcher(io.TextIOBase):
    """Keeps whole lines, the latest 10,000 of them; the lock is never held while anything waits."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._rest = ""
        self._lock = Lock()

    def write(self, text: str, /) -> int:
        """Keeps *text*."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            self._lines.extend(lines)
        return len(text)

    def take(self, *, unfinished: bool) -> list[str]:
        """Gives the kept lines away."""
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            if unfinished and self._rest:
                lines.append(self._rest)
                self._rest = ""
        return lines

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """As the stream it stands for."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's: what is written there goes to the terminal at once."""
        return self._stream.fileno()
