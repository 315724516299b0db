"""What bodies print: told as events in order with everything else, or written line by line."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOBase
from typing import IO, TextIO, cast

from orchcore.declarations.body import BODY
from orchcore.events import Event, Printed

type Tell = Callable[[str, str], object]
"""Takes a line, without its end, and the id of the node that printed it."""


class PrintStream(TextIOBase):
    """Takes the place of ``sys.stdout`` or ``sys.stderr`` and hands on whole lines.

    Several bodies may print at once, also from threads they started with ``asyncio.to_thread``.

    Args:
        tell: Told each line, on the thread that printed it.
        original: For whoever needs the real file: its number, its bytes.
    """

    def __init__(self, tell: Tell, original: TextIO) -> None:
        super().__init__()
        self._tell = tell
        self._original = original
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

    def flush(self) -> None:
        """Flushes the original; a line that has no end yet waits for it."""
        self._original.flush()

    def write(self, text: str, /) -> int:
        """Keeps *text* until its line is whole."""
        body = BODY.get()
        node = body.node_id if body is not None else ""
        *lines, begun = (self._begun.pop(node, "") + text).split("\n")
        if begun:
            self._begun[node] = begun
        for line in lines:
            self._tell(line, node)
        return len(text)

    def tell_rest(self) -> None:
        """Tells lines that were begun and never ended."""
        rest, self._begun = self._begun, {}
        for node, line in rest.items():
            self._tell(line, node)


def published(publish: Callable[[Event], None]) -> Tell:
    """Makes ``Printed`` events of lines; *publish* is called on this thread, a loop's."""
    loop, thread = asyncio.get_running_loop(), threading.get_ident()

    def tell(line: str, node: str) -> None:
        event = Printed(time.time(), line, node)
        if threading.get_ident() == thread:
            publish(event)
        else:
            loop.call_soon_threadsafe(publish, event)

    return tell


def written(stream: TextIO, shown: Callable[[str], str]) -> Tell:
    """Writes lines to *stream*, each as *shown* gives it."""
    return lambda line, _node: stream.write(f"{shown(line)}\n")


@contextmanager
def handed_on(tells: Mapping[str, Tell]) -> Generator[None]:
    """Within the block, lines that are printed to the streams named in *tells* go there."""
    originals: dict[str, TextIO] = {name: getattr(sys, name) for name in tells}
    streams = {name: PrintStream(tell, originals[name]) for name, tell in tells.items()}
    for name, stream in streams.items():
        setattr(sys, name, cast("TextIO", stream))
    try:
        yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, originals[name])
            stream.tell_rest()
            with suppress(OSError, ValueError):  # a reader that left, a stream that a body closed
                stream.flush()
