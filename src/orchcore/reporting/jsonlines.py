"""Events as JSON lines, for programs."""

import json
from dataclasses import asdict
from typing import TextIO

from orchcore.events import Event, event_json
from orchcore.reporting.audience import Observer
from orchcore.reporting.streams import Outlet


class JsonLines:
    """An observer that writes one event per line, in UTF-8, and flushes after each batch.

    ``schema_version`` is in the first line, ``run_started``.
    """

    def __init__(self, out: TextIO, human: Observer) -> None:
        """Writes nothing yet.

        Args:
            out: Gets the events and nothing else.
            human: Gets the same events, for people, elsewhere; owned from now on.
        """
        self._outlet: Outlet | None = Outlet(out, encoding="utf-8")
        self._human = human
        self._due: list[str] = []

    def on_event(self, event: Event) -> None:
        """Takes *event* in; it is written at the next tick."""
        if self._outlet is not None:
            self._due.append(json_line(event))
        self._human.on_event(event)

    def tick(self) -> None:
        """Writes what is due. Once the reader has left, only people are told."""
        due, self._due = self._due, []
        if due and self._outlet is not None:
            try:
                self._outlet.write("".join(due))
            except BrokenPipeError:
                self._outlet.close()
                self._outlet = None
        self._human.tick()

    def pause(self) -> None:
        """Nothing: questions are asked elsewhere."""

    def resume(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Ends both."""
        try:
            if self._outlet is not None:
                self._outlet.close()
        finally:
            self._human.close()


def json_line(event: Event) -> str:
    """*event* as one line of JSON, with its line end.

    Half a surrogate pair (an agent cut a text in the middle of an emoji) cannot be written in
    UTF-8; such an event is written in ASCII with escapes, which is the same JSON.
    """
    try:
        return f"{event_json(event).decode()}\n"
    except ValueError:
        return f"{json.dumps(asdict(event), separators=(',', ':'), default=dict)}\n"
