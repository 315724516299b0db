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
    RunEnded,
    RunStarted,
    SubStepEnded,
    SubStepStarted,
    TurnEnded,
    TurnStarted,
    event_from_json,
)
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.snapshot import snapshot
from orchcore.results import LIMITS, FileState

_TOLD = """
SELECT body FROM events WHERE kind IN
  ('run_started', 'attempt_started', 'turn_started', 'turn_ended', 'step_started', 'step_ended',
   'node_ended', 'instance_ended', 'approval_asked', 'approval_given', 'run_ended')
ORDER BY seq
"""

_UNFINISHED = LIMITS | {"cancelled"}
"""Failures of turns that can be gone on with, in their own conversations."""

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
        edits: Turns that answered and could edit, in the order of their ends.
        edits_in: By key of a node, instance or step that is over: those of *edits* within it.
        looks: What files were seen to be, in order, each with the number of the process.
        before: By key of a turn that has no answer: what the files were when it was begun first.
        last: By id: how each node and instance ended last.
        begun: Those of which an attempt was started, by what tells them apart.
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
    edits: tuple[PastTurn, ...] = ()
    edits_in: Mapping[str, tuple[PastTurn, ...]] = field(
        default_factory=dict[str, tuple["PastTurn", ...]]
    )
    looks: tuple[tuple[int, FileState], ...] = ()
    before: Mapping[str, FileState] = field(default_factory=dict[str, FileState])
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
            tuple(reading.edits),
            reading.edits_in,
            tuple(reading.looks),
            reading.before,
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
    steps_open: dict[tuple[str, ...], tuple[SubStepStarted, int]] = field(
        default_factory=dict[tuple[str, ...], tuple[SubStepStarted, int]]
    )
    results: dict[str, Ended] = field(default_factory=dict[str, Ended])
    edits: list[PastTurn] = field(default_factory=list[PastTurn])
    edits_of: dict[str, list[PastTurn]] = field(default_factory=dict[str, list[PastTurn]])
    edits_in: dict[str, tuple[PastTurn, ...]] = field(
        default_factory=dict[str, tuple[PastTurn, ...]]
    )
    looks: list[tuple[int, FileState]] = field(default_factory=list[tuple[int, FileState]])
    before: dict[str, FileState] = field(default_factory=dict[str, FileState])
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
            case RunStarted() | RunEnded():
                self._process(event)
            case AttemptStarted():
                self.begun.add(event.place or event.node)
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
                    self._made(event.key, self.edits_of.get(event.node, ()))
            case _:
                pass

    def _process(self, event: RunStarted | RunEnded) -> None:
        self.processes += isinstance(event, RunStarted)
        self.looks += [(self.processes, files) for files in event.files]

    def _approval(self, event: ApprovalAsked | ApprovalGiven) -> None:
        if isinstance(event, ApprovalAsked):
            self.asked[event.node] = self.questions[event.node] = event
            return
        self.asked.pop(event.node, None)
        self.answers[event.node, event.digest] = event

    def _turn(self, event: TurnStarted | TurnEnded) -> None:
        place = (str(self.processes), event.node, str(event.attempt), event.turn)
        began_before = isinstance(event, TurnStarted) and event.key in self.before
        if event.files is not None and not began_before:  # else it is a look of that time
            self.looks.append((self.processes, event.files))
        if isinstance(event, TurnStarted):
            self.turns_open[place] = event
            if event.files is not None:
                self.before.setdefault(event.key, event.files)
            return
        self._spend(event, self.turns_open.get(place))
        unfinished = event.failure is not None and event.failure.kind in _UNFINISHED
        begun = None if unfinished else self.turns_open.pop(place, None)
        if begun is not None and begun.key and answered(event):
            self.turns[begun.key] = turn = PastTurn(begun, event)
            self.before.pop(begun.key, None)
            if begun.permission != "read-only":
                self.edits.append(turn)
                self.edits_of.setdefault(event.node, []).append(turn)

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
            self.steps_open[place] = event, len(self.edits_of.get(event.node, ()))
            return
        begun, edits = self.steps_open.pop(place, (None, 0))
        if begun is not None and begun.key and event.failure is None:
            self.steps[begun.key] = event
            self._made(begun.key, self.edits_of.get(event.node, [])[edits:])

    def _made(self, key: str, edits: Iterable[PastTurn]) -> None:
        """*edits* were made within what has *key*, which may have been reused since."""
        known = self.edits_in.get(key, ())
        if added := [turn for turn in edits if turn not in known]:
            self.edits_in[key] = (*known, *added)
