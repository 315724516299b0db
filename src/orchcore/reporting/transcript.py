"""What an agent wrote, kept until its node ends; a bounded number of lines."""

from collections import deque
from collections.abc import Iterator

from orchcore.events import (
    AgentEvent,
    AgentSaid,
    Event,
    NoticeGiven,
    RetryNoticed,
    SubStepEnded,
    SubStepStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from orchcore.reporting.sanitize import clean_lines


class Transcript:
    """The lines of one node or instance, the latest *kept* of them.

    Some CLIs tell a message in pieces, some whole, some both ways: pieces are kept aside and
    count only when no whole message follows.
    """

    def __init__(self, kept: int = 400) -> None:
        """Starts empty."""
        self._lines: deque[str] = deque(maxlen=kept)
        self._seen = 0
        self._pieces: list[str] = []

    def lines(self) -> Iterator[str]:
        """What was kept, cleaned, with a note of how much was not."""
        self._end_pieces()
        if self._seen > len(self._lines):
            yield f"({self._seen - len(self._lines):,} earlier lines are in the full log)"
        yield from self._lines

    def take(self, *, over: bool = False) -> list[str]:
        """The lines that have come since the last time.

        Args:
            over: Nothing more comes: a message that came in pieces has ended.
        """
        if over:
            self._end_pieces()
        lines = list(self._lines)
        self._lines.clear()
        return lines

    def hear(self, said: AgentEvent) -> None:
        """Takes in what an agent said."""
        self._hear(said)

    def note(self, event: Event) -> None:
        """Takes *event* in, if it has something to read."""
        match event:
            case AgentSaid():
                self._hear(event.event)
            case TurnStarted():
                self._add(f"[{event.turn}: {event.agent}]")
            case TurnEnded():
                self._end_pieces()
                if event.failure is not None:
                    self._add(f"[{event.turn} failed: {event.failure}]")
            case SubStepStarted():
                self._add(f"{'$ ' if event.step == 'command' else 'step '}{event.label}")
            case SubStepEnded() if event.failure is not None:
                self._add(f"[{event.path} failed: {event.failure}]")
            case _:
                pass

    def _hear(self, said: AgentEvent) -> None:
        match said:
            case TextWritten(partial=True):
                self._pieces.append(said.text)
            case TextWritten():
                self._pieces.clear()
                self._add(said.text)
            case ToolStarted():
                self._end_pieces()
                self._add(f"> {said.name} {said.summary}")
            case ToolEnded(ok=False):
                self._add(f"  ({said.name} {'was denied' if said.denied else 'failed'})")
            case NoticeGiven() if said.text:
                self._add(f"({said.text})")
            case RetryNoticed():
                self._add(f"(the CLI retries: {said.reason})")
            case _:
                pass

    def _end_pieces(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        if text:
            self._add(text)

    def _add(self, text: str) -> None:
        lines = [line.rstrip() for line in clean_lines(text)]
        self._seen += len(lines)
        self._lines.extend(lines)
