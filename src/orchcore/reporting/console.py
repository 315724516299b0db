"""The live view of a terminal: finished rows scroll away, what goes on stays below and moves."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from typing import TextIO

from rich.console import ConsoleDimensions
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from orchcore.events import (
    Event,
    InstanceEnded,
    LoopSuspected,
    NodeEnded,
    Printed,
    RunEnded,
    RunStarted,
    Warned,
)
from orchcore.reporting.glyphs import glyphs_for
from orchcore.reporting.layout import (
    Size,
    clip_line,
    frame,
    id_width,
    line_cells,
    reflowed_rows,
    row_line,
)
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.sanitize import clean_line
from orchcore.reporting.story import Story
from orchcore.reporting.streams import Outlet
from orchcore.reporting.styled import Line, painted_lines, plain_line, wants_colour
from orchcore.reporting.summary import summary
from orchcore.reporting.terminal import terminal_console, terminal_size
from orchcore.reporting.wording import header, loop_text, row_of

_KEPT_PRINTS = 10_000
"""Lines that bodies print between two frames; of more, the latest are shown."""


class ConsoleDisplay:
    """An observer that draws on a terminal.

    ``on_event``, ``tick`` and ``close`` come from one thread; ``pause`` and ``resume`` may come
    from another. The frame never shrinks by more lines than were printed above it, so the
    status line stays where it is.
    """

    def __init__(
        self,
        out: TextIO,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
        frame_s: float = 0.2,
    ) -> None:
        """Draws nothing yet.

        Args:
            out: The terminal.
            environ: ``NO_COLOR``, ``FORCE_COLOR``, ``TERM``, ``COLUMNS`` and ``LINES`` count.
            clock: Gives unix seconds.
            frame_s: The least time between two frames.
        """
        self._outlet = Outlet(out)
        self._colour = wants_colour(out, environ)
        self._glyphs = glyphs_for(self._outlet.encoding)
        self._environ = environ
        self._console = terminal_console(self._outlet.stream, environ, colour=self._colour)
        self._live: Live | None = None
        self._story = Story()
        self._due: list[Leaf | Line] = []
        self._prints: deque[str] = deque(maxlen=_KEPT_PRINTS)
        self._clock, self._frame_s = clock, frame_s
        self._drawn_at = float("-inf")
        self._drawn: list[int] = []
        self._drawn_width = 0
        self._paused = False
        self._lock = Lock()

    def on_event(self, event: Event) -> None:
        """Takes *event* in; what it makes permanent is printed with the next frame."""
        with self._lock:
            self._story.tell(event)
            self._note(event)

    def tick(self) -> None:
        """Draws a frame, if one is due."""
        now = self._clock()
        if abs(now - self._drawn_at) < self._frame_s or self._story.run is None:
            return
        with self._lock:
            if not self._paused:
                self._drawn_at = now
                self._draw(now)

    def pause(self) -> None:
        """Prints what is due and leaves the terminal to somebody else; see ``resume``.

        Gives up after two seconds if the terminal takes nothing.
        """
        self._paused = True
        if self._lock.acquire(timeout=2):
            try:
                with suppress(OSError):  # met again by the display's own thread, which ends it
                    self._end_live()
            finally:
                self._lock.release()

    def resume(self) -> None:
        """Goes on, at the next tick, below whatever was written since ``pause``."""
        self._drawn_at = float("-inf")
        self._paused = False

    def close(self) -> None:
        """Ends the live view and prints the summary."""
        try:
            with self._lock:
                self._end_live()
            if self._story.run is not None:
                lines = summary(self._story, self._glyphs, self._clock())
                self._outlet.write(painted_lines(lines, colour=self._colour))
        finally:
            self._outlet.close()

    def _note(self, event: Event) -> None:
        match event:
            case RunStarted():
                cells = self._size().width - 1
                self._due.append(header(event, self._story, self._glyphs, cells))
            case InstanceEnded():
                self._due.append(self._story.leaf(event.node))
            case NodeEnded():
                self._note_node(event)
            case Warned():
                about = f"{event.node}: " if event.node else ""
                self._due.append(((" ! ", "bold yellow"), (f"{about}{event.text}", "yellow")))
            case LoopSuspected():
                text = f"{event.node}: {loop_text(event)}"
                self._due.append(((" ! ", "bold yellow"), (text, "yellow")))
            case Printed():
                self._prints.append(event.text)
            case RunEnded():
                self._drawn_at = float("-inf")
            case _:
                pass

    def _note_node(self, event: NodeEnded) -> None:
        # The instances of a fan-out have told all there is, unless it failed as a whole.
        if not self._story.nodes[event.node].instances or event.state not in {"passed", "reused"}:
            self._due.append(self._story.leaf(event.node))

    def _draw(self, now: float) -> None:
        if self._story.ended is not None:
            self._end_live()
            return
        size = self._size()
        above = self._take_due(now, size)
        lines = frame(self._story, now, size, self._glyphs)
        missing = len(self._drawn) - len(above) - len(lines)
        padding: list[Line] = [()] * min(missing, size.height - 1 - len(lines))
        lines = [*padding, *lines]
        live = self._started_live()
        # One write for all of it: rich draws the old frame below what it prints, then the new one.
        with self._console:
            self._undo_reflow(size.width)
            if above:
                self._console.print(_text(above), soft_wrap=True)
            live.update(_text(lines), refresh=True)
        self._drawn, self._drawn_width = [line_cells(line) for line in lines], size.width

    def _size(self) -> Size:
        """The terminal's size now; told to rich, which would look at other files for it."""
        size = terminal_size(self._outlet.stream, self._environ)
        self._console.size = ConsoleDimensions(size.width, size.height)
        return size

    def _take_due(self, now: float, size: Size) -> list[Line]:
        due, self._due = self._due, []
        id_cells = id_width(self._story, size.width)
        rows = [
            row_line(row_of(item, self._story, now, self._glyphs), id_cells, size.width)
            if isinstance(item, Leaf)
            else clip_line(item, size.width)
            for item in due
        ]
        rows += map(plain_line, self._prints)
        self._prints.clear()
        return rows

    def _started_live(self) -> Live:
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self._live

    def _end_live(self) -> None:
        """Leaves the terminal as if there had been no frame, with all that is due printed."""
        above = self._take_due(self._clock(), self._size())
        if self._live is not None:
            self._undo_reflow(self._size().width)
            self._live.stop()
            self._live, self._drawn = None, []
        self._outlet.write(painted_lines(above, colour=self._colour))

    def _undo_reflow(self, width: int) -> None:
        """Goes up to where the frame begins now that a narrower terminal has wrapped its lines.

        rich goes up by as many rows as it has drawn; the rows the wrapping added come on top.
        """
        if not self._drawn or width >= self._drawn_width:
            return
        extra = reflowed_rows(self._drawn, width) - len(self._drawn)
        up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * extra
        self._console.control(
            Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up)
        )


def _text(lines: list[Line]) -> Text:
    joined = Text("\n").join(
        Text.assemble(*((clean_line(text), style) for text, style in line)) for line in lines
    )
    joined.no_wrap, joined.overflow = True, "ignore"
    return joined
