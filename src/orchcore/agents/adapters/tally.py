"""Counts what is read of one turn's stream, and hands each line to who understands it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchcore.agents.adapters.json_fields import Fields
from orchcore.agents.adapters.protocol import Ending
from orchcore.events import AgentEvent, ToolEnded
from orchcore.results import TurnResult

type Reader = Callable[[Fields], Sequence[AgentEvent]]


@dataclass(slots=True)
class Tally:
    """What was read so far.

    Attributes:
        known: Lines of a known type.
        unknown: Lines of an unknown type.
        malformed: Lines that are no JSON object.
        torn: Those of them that begin like one: a piece of the stream is lost.
        events: Events given, by kind.
        tools: ``(name, ok)`` of every finished tool call, in order.
    """

    known: int = 0
    unknown: int = 0
    malformed: int = 0
    torn: int = 0
    events: dict[str, int] = field(default_factory=dict[str, int])
    tools: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])

    def read(
        self, line: bytes, readers: Mapping[str, Reader], key: str = "type"
    ) -> Sequence[AgentEvent]:
        """The events of one whole *line*, by the reader of its type. Never raises.

        Args:
            line: Without its newline; a blank one is nothing.
            readers: By the value of the field *key*.
            key: The field that tells a line's type.
        """
        fields = Fields.of_line(line)
        if fields is None:
            self.malformed += bool(line.strip())
            self.torn += line.lstrip().startswith(b"{")
            return ()
        reader = readers.get(fields.text(key))
        if reader is None:
            self.unknown += 1
            return ()
        self.known += 1
        events = reader(fields)
        counts = self.events
        for event in events:
            kind = event.kind
            counts[kind] = counts.get(kind, 0) + 1
            if isinstance(event, ToolEnded):
                self.tools.append((event.name, event.ok))
        return events

    def counted(self, result: TurnResult, ending: Ending, *, final: bool) -> TurnResult:
        """*result* with all that was counted, and how its process ended.

        Args:
            result: What the turn came to.
            ending: How the process ended.
            final: Whether its final event was read.
        """
        return replace(
            result,
            tools=tuple(self.tools),
            events=dict(self.events),
            unknown_events=self.unknown,
            malformed_lines=self.malformed,
            truncated=self.cut(ending, final=final),
            exit_code=ending.exit_code,
        )

    def cut(self, ending: Ending, *, final: bool) -> bool:
        """Whether the stream was cut: in the middle of a line, or before its *final* event.

        One that never began is not: its process could not do what it was asked.
        """
        return bool(ending.cut_line) or (self.known > 0 and not final)
