"""Nothing while the run goes on but warnings, and its summary at the end."""

import time
from collections.abc import Callable, Mapping
from typing import TextIO

from orchcore.events import Event, Warned
from orchcore.reporting.glyphs import glyphs_for
from orchcore.reporting.story import Story
from orchcore.reporting.streams import Outlet
from orchcore.reporting.styled import Line, painted, painted_lines, wants_colour
from orchcore.reporting.summary import summary


class QuietDisplay:
    """An observer that writes the summary only."""

    def __init__(
        self,
        out: TextIO,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Writes nothing yet; colours as *out* and *environ* want them."""
        self._outlet = Outlet(out)
        self._colour = wants_colour(out, environ)
        self._clock = clock
        self._story = Story()

    def on_event(self, event: Event) -> None:
        """Takes *event* in; a warning is written at once."""
        self._story.tell(event)
        if isinstance(event, Warned):
            about = f"{event.node}: " if event.node else ""
            line: Line = (("! ", "bold yellow"), (f"{about}{event.text}", "yellow"))
            self._outlet.write(f"{painted(line, colour=self._colour)}\n")

    def tick(self) -> None:
        """Writes what was held back, once it may be."""
        self._outlet.write("")

    def pause(self) -> None:
        """Holds warnings back while somebody is asked something."""
        self._outlet.hold()

    def resume(self) -> None:
        """Lets them be written at the next tick."""
        self._outlet.release()

    def close(self) -> None:
        """Writes the summary."""
        try:
            if self._story.run is not None:
                glyphs = glyphs_for(self._outlet.encoding)
                lines = summary(self._story, glyphs, self._clock())
                self._outlet.write(painted_lines(lines, colour=self._colour))
        finally:
            self._outlet.close()
