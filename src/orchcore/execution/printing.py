"""What bodies print, told as events: in order with everything else, and by whom."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import TextIOBase
from typing import IO, TextIO, cast

from orchcore.declarations.body import BODY
from orchcore.events import Event, Printed


class PrintStream(TextIOBase):
    """Takes the place of ``sys.stdout``: whole lines become ``Printed`` events.

    Several bodies may print at once, also from threads they started with ``asyncio.to_thread``.

    Args:
        publish: Told the events, on the thread that made this stream.
        original: For whoever needs the real file: its number, its bytes.
    """

    def __init__(self, publish: Callable[[Event], None], original: TextIO) -> None:
        super().__init__()
        self._publish = publish
        self._original = original
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._begun: dict[str, str] = {}

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The original's."""
        return self._original.encoding

    @property
    def buffer(self) -> IO[bytes]:
        """The original's bytes, written at once and told by nobody."""
        return self._original.buffer

    def fileno(self) -> int:
        """The original's, for programs that inherit it."""
        return self._original.fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str, /) -> int:
        """Keeps *text* until its line is whole."""
        body = BODY.get()
        node = body.facts().id if body is not None else ""
        *lines, begun = (self._begun.pop(node, "") + text).split("\n")
        if begun:
            self._begun[node] = begun
        for line in lines:
            self._tell(Printed(time.time(), line, node))
        return len(text)

    def tell_rest(self) -> None:
        """Tells lines that were begun and never ended."""
        rest, self._begun = self._begun, {}
        for node, line in rest.items():
            self._tell(Printed(time.time(), line, node))

    def _tell(self, event: Printed) -> None:
        if threading.get_ident() == self._thread:
            self._publish(event)
        else:
            self._loop.call_soon_threadsafe(self._publish, event)


@contextmanager
def told_prints(publish: Callable[[Event], None]) -> Generator[None]:
    """Within the block, what is printed to ``sys.stdout`` is published."""
    original = sys.stdout
    stream = PrintStream(publish, original)
    sys.stdout = cast("TextIO", stream)
    try:
        yield
    finally:
        sys.stdout = original
        stream.tell_rest()
