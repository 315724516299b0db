"""What happened in a run, one class per happening; all of them together, and their JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Literal

from pydantic import Discriminator, TypeAdapter

from orchcore.events.turns import (
    AgentSaid,
    AgentStalled,
    LimitAwaited,
    LoopSuspected,
    SubStepEnded,
    SubStepStarted,
    TurnEnded,
    TurnReused,
    TurnStarted,
)
from orchcore.results import Failure, FileState, NodeState, SessionRef

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class NodeDrawn:
    """One node of the plan, as much as a display needs.

    Attributes:
        id: Node id.
        role: ``phase``, ``agent`` or ``gate``.
        needs: Ids of the nodes it is wired to.
        fan: Whether it has instances.
        instances: Ids of its instances known before the run, else empty.
        where: ``file:line`` of its declaration.
        optional: Whether its failure leaves the run green.
    """

    id: str
    role: Literal["phase", "agent", "gate"]
    needs: tuple[str, ...]
    fan: bool
    instances: tuple[str, ...]
    where: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The plan is complete and its first node is about to start.

    Attributes:
        jobs: How many turns and commands may run at once.
        folder: The run's folder, absolute; empty when nothing is recorded.
        budget_usd: What the run may cost; ``None``: no limit.
        secrets: Names of the variables whose values are masked wherever the run is shown.
        resumes: How many processes worked on it before this one.
        files: What the files are where agents of those could edit, as far as they are kept.
    """

    at: float
    run: str
    orchfile: str
    jobs: int
    nodes: tuple[NodeDrawn, ...]
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: str = ""
    budget_usd: float | None = None
    secrets: tuple[str, ...] = ()
    resumes: int = 0
    files: tuple[FileState, ...] = ()
    schema_version: int = SCHEMA_VERSION
    kind: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True)
class NodeExpanded:
    """A fan-out's instances are known: *instances* are their ids, in order."""

    at: float
    node: str
    instances: tuple[str, ...]
    kind: Literal["node_expanded"] = "node_expanded"


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An instance (or a node without instances) starts its *attempt*-th attempt, from 1.

    Attributes:
        place: What tells the instance from others, whatever their order: by its element.
    """

    at: float
    node: str
    attempt: int
    place: str = ""
    kind: Literal["attempt_started"] = "attempt_started"


@dataclass(frozen=True, slots=True)
class Queued:
    """All that a started instance does waits for a free slot (``-j``, limits), or no longer.

    Told of real waits only. Such waits count for no ``timeout`` and no ``duration_s``.

    Attributes:
        waits: Whether a wait begins; else it is over.
    """

    at: float
    node: str
    waits: bool
    kind: Literal["queued"] = "queued"


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """An attempt failed; the next starts after *delay_s*."""

    at: float
    node: str
    attempt: int
    attempts: int
    delay_s: float
    failure: Failure
    kind: Literal["retry_scheduled"] = "retry_scheduled"


@dataclass(frozen=True, slots=True)
class Ended:
    """What the two kinds of ending have in common.

    Attributes:
        duration_s: From its start to its end, without the time in which all that it did waited
            for a free slot; of a gate, how long the answer took.
        reason: Why it is not ``passed``, one line; of a skip, its root cause: the whole chain is
            in the failure.
        value: Its result as JSON; ``None`` if there is none or it cannot be stored.
        brief: Its result in a few words, for people.
        trace: The user's own frames of an exception, one per line.
        last_lines: The last lines an agent said before a failure.
        simulated: Whether a demo agent had a part in it.
        key: Digest of all that it depends on; empty if something of that has none.
        key_parts: What *key* is made of, by name; ``no digest`` has the reason for an empty one.
        session: An agent's conversation, for those who go on with it.
    """

    at: float
    node: str
    state: NodeState
    duration_s: float = 0.0
    attempt: int = 1
    reason: str = ""
    failure: Failure | None = None
    value: str | None = None
    brief: str = ""
    trace: str = ""
    last_lines: tuple[str, ...] = ()
    cost_usd: float | None = None
    turns: int = 0
    unpriced_turns: int = 0
    folder: str = ""
    simulated: bool = False
    key: str = ""
    key_parts: Mapping[str, str] = field(default_factory=dict[str, str])
    session: SessionRef | None = None


@dataclass(frozen=True, slots=True)
class InstanceEnded(Ended):
    """An instance of a fan-out reached its final state."""

    kind: Literal["instance_ended"] = "instance_ended"


@dataclass(frozen=True, slots=True)
class NodeEnded(Ended):
    """A node reached its final state; a fan-out's figures are sums over its instances."""

    optional: bool = False
    kind: Literal["node_ended"] = "node_ended"


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """A gate waits for a person.

    Attributes:
        value: What is to be approved, pretty-printed.
        digest: Of that value: an answer is for it alone.
    """

    at: float
    node: str
    question: str
    value: str
    digest: str = ""
    kind: Literal["approval_asked"] = "approval_asked"


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """A gate was answered.

    Attributes:
        approved: Whether it lets the value, or an edited one, through.
        by: A person, or ``--yes``.
        digest: Of the value that was seen.
        edited: The value that goes on in its place, as JSON; ``None``: that one itself.
        comment: What is to be revised before it is asked again; empty: nothing.
        left: What revisions of it left of the files, if they could edit: a digest.
    """

    at: float
    node: str
    approved: bool
    by: str
    digest: str = ""
    edited: str | None = None
    comment: str = ""
    left: str = ""
    kind: Literal["approval_given"] = "approval_given"


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a person should know; *node* is empty when it concerns the run."""

    at: float
    text: str
    node: str = ""
    kind: Literal["warned"] = "warned"


@dataclass(frozen=True, slots=True)
class Printed:
    """A body printed a line; *node* is empty where no body did."""

    at: float
    text: str
    node: str = ""
    kind: Literal["printed"] = "printed"


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The run is being ended early: a signal, ``-x``, ``--maxfail``, a cancellation."""

    at: float
    reason: str
    forced: bool = False
    kind: Literal["stop_requested"] = "stop_requested"


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Nothing of the run is pending any more.

    Attributes:
        states: How many nodes ended in each state. A fan-out counts once per instance, and once
            more if it is partial, or failed although none of its instances did.
        cost_usd: What the priced turns cost together.
        faults: What went wrong and is no node's state, one line each: a person said no, a
            resource did not close.
        files: What the files are where agents could edit, as far as they are kept.
    """

    at: float
    run: str
    exit_code: int
    duration_s: float
    states: Mapping[str, int]
    cost_usd: float = 0.0
    turns: int = 0
    unpriced_turns: int = 0
    simulated: bool = False
    faults: tuple[str, ...] = ()
    files: tuple[FileState, ...] = ()
    kind: Literal["run_ended"] = "run_ended"


type Event = (
    RunStarted
    | NodeExpanded
    | AttemptStarted
    | Queued
    | RetryScheduled
    | InstanceEnded
    | NodeEnded
    | TurnStarted
    | AgentSaid
    | TurnEnded
    | TurnReused
    | SubStepStarted
    | SubStepEnded
    | ApprovalAsked
    | ApprovalGiven
    | LimitAwaited
    | AgentStalled
    | LoopSuspected
    | Warned
    | Printed
    | StopRequested
    | RunEnded
)


@cache
def _adapter() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Discriminator("kind")])


def event_json(event: Event) -> bytes:
    """*event* as one line of JSON, without its newline."""
    return _adapter().dump_json(event)


def event_from_json(line: bytes | str) -> Event:
    """The event that ``event_json`` wrote.

    Raises:
        pydantic.ValidationError: *line* is not an event of this schema version.
    """
    return _adapter().validate_json(line)
