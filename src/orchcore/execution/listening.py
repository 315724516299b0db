"""Hears what an agent says in one turn, on behalf of everybody who wants to know."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from orchcore.events import (
    AgentEvent,
    AgentSaid,
    LoopSuspected,
    RetryNoticed,
    TextWritten,
    ToolStarted,
)
from orchcore.execution.journalist import Journalist
from orchcore.results import FailureKind

LAST_LINES = 15
_LOOP_CALLS = 5


@dataclass(slots=True)
class Listening:
    """One turn's listener.

    Attributes:
        journalist: Told every event.
        node: The instance whose turn it is.
        turn: The turn's name.
        last: The last lines of the attempt, continued here.
        onward: Told every event, too.
        begun: Called at the first event.
        retried: Told why, whenever the CLI itself tries a request again.
    """

    journalist: Journalist
    node: str
    turn: str
    last: list[str]
    onward: Callable[[AgentEvent], None] | None = None
    begun: Callable[[], None] = lambda: None
    retried: Callable[[FailureKind | None], None] = lambda _: None
    _silent: bool = True
    _calls: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def __call__(self, event: AgentEvent) -> None:
        """Hears *event*."""
        if self._silent:
            self._silent = False
            self.begun()
        self.journalist.show(AgentSaid(time.time(), self.node, self.turn, event))
        if isinstance(event, TextWritten) and not event.partial:
            self.last.extend(event.text.splitlines()[-LAST_LINES:])
        elif isinstance(event, ToolStarted):
            self.last.append(f"▸ {event.name} {event.summary}".rstrip())
            self._suspect(event)
        elif isinstance(event, RetryNoticed):
            self.retried(event.cause)
        del self.last[: -4 * LAST_LINES]
        if self.onward is not None:
            self.onward(event)

    def _suspect(self, call: ToolStarted) -> None:
        """Tells once of a tool that is called with the same input again and again."""
        key = call.name, call.digest or call.summary
        self._calls[key] += 1
        if self._calls[key] == _LOOP_CALLS:
            facts = (self.node, self.turn, call.name, call.summary, _LOOP_CALLS)
            self.journalist.say(LoopSuspected(time.time(), *facts))
