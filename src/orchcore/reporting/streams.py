"""Output of our own, beside ``sys.stdout`` and not through it."""

import os
from contextlib import suppress
from typing import TextIO


class Outlet:
    """Writes whole blocks of text to a stream; can be held while something else has it.

    Where the stream is a real file its descriptor is duplicated: a display that hangs in
    a write (a terminal stopped with ^S) then holds no lock of ``sys.stdout``, at which the
    interpreter would abort when it ends. And when a reader goes away nothing of ours waits in
    ``sys.stdout``.
    """

    def __init__(self, stream: TextIO, *, encoding: str | None = None) -> None:
        """Takes *stream*'s place; *encoding* is the stream's own unless given.

        What cannot be encoded is written as ``?``.
        """
        self.encoding = encoding or getattr(stream, "encoding", None) or "utf-8"
        self._owned = _duplicate(stream, self.encoding)
        self.stream = self._owned or stream
        self._holding = False
        self._kept = ""

    def write(self, text: str) -> None:
        """Writes what was kept and *text*, and flushes; while held, keeps it.

        Raises:
            OSError: The stream cannot be written (``BrokenPipeError``: its reader left).
        """
        text, self._kept = self._kept + text, ""
        if self._holding:
            self._kept = text
        elif text:
            self.stream.write(text)
            self.stream.flush()

    def hold(self) -> None:
        """Keeps what is written from now on; from any thread."""
        self._holding = True

    def release(self) -> None:
        """Lets the next ``write`` through, with what was kept; from any thread."""
        self._holding = False

    def close(self) -> None:
        """Releases and closes what this object opened; the original stream stays open."""
        try:
            self.release()
            self.write("")
        finally:
            if self._owned is not None:
                with suppress(OSError):  # what a reader that left did not take
                    self._owned.close()


def _duplicate(stream: TextIO, encoding: str) -> TextIO | None:
    try:
        stream.flush()
        descriptor = os.dup(stream.fileno())
    except (OSError, ValueError, AttributeError):  # StringIO, a test's capture, a closed stream
        return None
    return os.fdopen(descriptor, "w", encoding=encoding, errors="replace", newline="\n")
