"""What is left of a run's earlier processes: results that need not be paid for again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from orchcore.events import (
    ApprovalAsked,
    ApprovalGiven,
    AttemptStarted,
    Event,
    InstanceEnded,
    NodeEnded,
    RunStarted,
    SubStepEnded,
    SubStepStarted,
    TurnEnded,
    TurnStarted,
    event_from_json,
)
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.snapshot import snapshot

_TOLD = """
SELECT body FROM events WHERE kind IN
  ('run_started', 'attempt_started', 'turn_started', 'turn_ended', 'step_started', 'step_ended',
   'node_ended', 'instance_ended', 'approval_asked', 'approval_given')
ORDER BY seq
"""

type Ended = NodeEnded | InstanceEnded


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn whose answer is there, valid or not."""

    begun: TurnStarted
    over: TurnEnded


@dataclass(frozen=True, slots=True)
class Past:
    """What the processes before this one left of a run.

    Attributes:
        processes: How many there were before this one.
        turns: By key: turns that answered, also those whose answer was not valid.
        cut: By key: turns of which no end is recorded, or that were ended by us.
        steps: By key: steps and commands that passed.
        results: By key: nodes and instances that gave a value.
        last: By id: how each node and instance ended last.
        begun: Ids of those of which an attempt was started.
        answers: By gate and digest of what was seen: how it was answered last.
        asked: By gate: the last question that has no answer yet.
        questions: By gate: the last question.
        spent_usd: By phase: what its turns cost, those without a price as they were booked.
        costs_usd: By phase and agent (with its model): what each priced turn cost.
    """

    processes: int = 0
    turns: Mapping[str, PastTurn] = field(default_factory=dict[str, PastTurn])
    cut: Mapping[str, TurnStarted] = field(default_factory=dict[str, TurnStarted])
    steps: Mapping[str, SubStepEnded] = field(default_factory=dict[str, SubStepEnded])
    results: Mapping[str, Ended] = field(default_factory=dict[str, Ended])
    last: Mapping[str, Ended] = field(default_factory=dict[str, Ended])
    begun: frozenset[str] = frozenset()
    answers: Mapping[tuple[str, str], ApprovalGiven] = field(
        default_factory=dict[tuple[str, str], ApprovalGiven]
    )
    asked: Mapping[str, ApprovalAsked] = field(default_factory=dict[str, ApprovalAsked])
    questions: Mapping[str, ApprovalAsked] = field(default_factory=dict[str, ApprovalAsked])
    spent_usd: Mapping[str, float] = field(default_factory=dict[str, float])
    costs_usd: Mapping[tuple[str, str], list[float]] = field(
        default_factory=dict[tuple[str, str], list[float]]
    )

    @classmethod
    def told_by(cls, events: Iterable[Event]) -> Self:
        """The past that *events* tell, which are in order."""
        reading = _Reading()
        for event in events:
            reading.take(event)
        cut = {begun.key: begun for begun in reading.turns_open.values() if begun.key}
        return cls(
            reading.processes,
            reading.turns,
            {key: begun for key, begun in cut.items() if key not in reading.turns},
            reading.steps,
            reading.results,
            reading.last,
            frozenset(reading.begun),
            reading.answers,
            reading.asked,
            reading.questions,
            reading.spent_usd,
            reading.costs_usd,
        )


def read_past(folder: RunFolder) -> Past:
    """What is recorded of the run in *folder* so far that another process can build on.

    Raises:
        RecordingError: Its journal is missing, damaged, foreign, or a newer orchcore's.
    """
    with snapshot(folder) as connection:
        return Past.told_by(event_from_json(row["body"]) for row in connection.execute(_TOLD))


def answered(over: TurnEnded) -> bool:
    """Whether the agent gave its answer, be it a valid one or not."""
    return over.failure is None or over.failure.kind == "invalid_output"


@dataclass(slots=True)
class _Reading:
    """A past that is being read."""

    processes: int = 0
    turns: dict[str, PastTurn] = field(default_factory=dict[str, PastTurn])
    turns_open: dict[tuple[str, ...], TurnStarted] = field(
        default_factory=dict[tuple[str, ...], TurnStarted]
    )
    steps: dict[str, SubStepEnded] = field(default_factory=dict[str, SubStepEnded])
    steps_open: dict[tuple[str, ...], SubStepStarted] = field(
        default_factory=dict[tuple[str, ...], SubStepStarted]
    )
    results: dict[str, Ended] = field(default_factory=dict[str, Ended])
    last: dict[str, Ended] = field(default_factory=dict[str, Ended])
    begun: set[str] = field(default_factory=set[str])
    answers: dict[tuple[str, str], ApprovalGiven] = field(
        default_factory=dict[tuple[str, str], ApprovalGiven]
    )
    asked: dict[str, ApprovalAsked] = field(default_factory=dict[str, ApprovalAsked])
    questions: dict[str, ApprovalAsked] = field(default_factory=dict[str, ApprovalAsked])
    spent_usd: dict[str, float] = field(default_factory=dict[str, float])
    costs_usd: dict[tuple[str, str], list[float]] = field(
        default_factory=dict[tuple[str, str], list[float]]
    )

    def take(self, event: Event) -> None:
        """Reads one event more."""
        match event:
            case RunStarted():
                self.processes += 1
            case AttemptStarted():
                self.begun.add(event.node)
            case ApprovalAsked() | ApprovalGiven():
                self._approval(event)
            case TurnStarted() | TurnEnded():
                self._turn(event)
            case SubStepStarted() | SubStepEnded():
                self._step(event)
            case NodeEnded() | InstanceEnded():
                self.last[event.node] = event
                if event.key and event.value is not None:
                    self.results[event.key] = event
            case _:
                pass

    def _approval(self, event: ApprovalAsked | ApprovalGiven) -> None:
        if isinstance(event, ApprovalAsked):
            self.asked[event.node] = self.questions[event.node] = event
            return
        self.asked.pop(event.node, None)
        self.answers[event.node, event.digest] = event

    def _turn(self, event: TurnStarted | TurnEnded) -> None:
        place = (str(self.processes), event.node, str(event.attempt), event.turn)
        if isinstance(event, TurnStarted):
            self.turns_open[place] = event
            return
        self._spend(event, self.turns_open.get(place))
        cancelled = event.failure is not None and event.failure.kind == "cancelled"
        begun = None if cancelled else self.turns_open.pop(place, None)
        if begun is not None and begun.key and answered(event):
            self.turns[begun.key] = PastTurn(begun, event)

    def _spend(self, over: TurnEnded, begun: TurnStarted | None) -> None:
        node = over.node.partition(":")[0]
        cost_usd = over.booked_usd if over.cost_usd is None else over.cost_usd
        self.spent_usd[node] = self.spent_usd.get(node, 0.0) + (cost_usd or 0.0)
        if begun is not None and over.cost_usd is not None and answered(over):
            agent = f"{begun.agent} {begun.model or ''}"
            self.costs_usd.setdefault((node, agent), []).append(over.cost_usd)

    def _step(self, event: SubStepStarted | SubStepEnded) -> None:
        place = (event.node, str(event.attempt), event.path)
        if isinstance(event, SubStepStarted):
            self.steps_open[place] = event
            return
        begun = self.steps_open.pop(place, None)
        if begun is not None and begun.key and event.failure is None:
            self.steps[begun.key] = event
