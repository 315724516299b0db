"""What is asked of an agent in one turn, and what all who ask share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from orchcore.agents.invocation import Invocation
from orchcore.agents.process_table import MARKER_DIGITS
from orchcore.events import AgentEvent
from orchcore.execution.accounts import Accounts
from orchcore.execution.budget import Treasury
from orchcore.execution.caching import Cache
from orchcore.execution.choosing import AgentBook, Choice
from orchcore.execution.edited_files import EditedFiles
from orchcore.execution.endings import Spent
from orchcore.execution.governor import Governor
from orchcore.execution.journalist import Journalist
from orchcore.execution.limits import Slots
from orchcore.execution.machine import Machine
from orchcore.execution.memory import Memory
from orchcore.execution.ports import Surroundings
from orchcore.execution.preparations import Preparations
from orchcore.results import Turn, TurnResult, Usage


@dataclass(frozen=True, slots=True)
class Resumed:
    """The conversation a turn goes on with.

    Attributes:
        session_id: Its id at the CLI.
        fork: Whether it is branched.
        cwd: Where it began, absolute; ``None`` if that is not known.
        spent: Tokens of its turns so far, as far as they are known.
        chain: Key of its last turn, which stands for all of them.
    """

    session_id: str
    fork: bool = False
    cwd: Path | None = None
    spent: Usage = field(default_factory=Usage)
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a conversation wants of one turn.

    Attributes:
        prompt: The text.
        schema: JSON schema of the answer.
        resumed: The conversation that goes on, if one does.
        read: Makes the answer's JSON of a successful result; may turn it into a failure.
        instructions: What is added to the prompt of a CLI that takes no schema.
        whole: The same for who knows nothing of it, if this only makes sense as what goes on.
    """

    prompt: str
    schema: Mapping[str, object] | None
    resumed: Resumed | None
    read: Callable[[TurnResult], tuple[TurnResult, str | None]]
    instructions: str = ""
    whole: "Asked | None" = None

    def of(self, choice: Choice) -> "Asked":
        """The same as it is asked of *choice*."""
        if self.schema is None or choice.adapter.capabilities.schema:
            return self
        return replace(self, prompt=self.prompt + self.instructions, schema=None)


@dataclass(frozen=True, slots=True)
class Order:
    """One turn that is to be run.

    Attributes:
        name: ``turn-1``: unique within the attempt.
        key: All that its answer depends on.
        choice: The agent and its options.
        asked: What is wanted.
        listener: Told every event, too.
    """

    name: str
    key: str
    choice: Choice
    asked: Asked
    listener: Callable[[AgentEvent], None] | None = None

    @property
    def number(self) -> int:
        """1 of ``turn-1``."""
        return int(self.name.removeprefix("turn-"))


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it.

    Attributes:
        result: The turn's; its own failure is in it, not raised.
        turn: The same for the body.
        key: All that the answer depends on.
        choice: Who gave it.
    """

    result: TurnResult
    turn: Turn
    key: str
    choice: Choice


@dataclass(frozen=True, slots=True)
class Office:
    """What all turns and commands of a run share.

    Attributes:
        around: The runner, the folders, the trees.
        slots: The run's limits.
        journalist: Told what happens.
        book: The agents.
        preparations: What a first turn of an agent is the occasion for.
        project: The project's folder.
        memory: What was paid for before.
        treasury: The budgets.
        governor: Rate limits.
        rehearsed: Those of agents that make their answers up.
        files: What agents changed.
        machine: Where they work.
        cache: What other runs made.
        accounts: Which accounts met a limit lately.
    """

    around: Surroundings
    slots: Slots
    journalist: Journalist
    book: AgentBook
    preparations: Preparations
    project: Path
    memory: Memory
    treasury: Treasury
    governor: Governor
    rehearsed: Governor
    files: EditedFiles
    machine: Machine
    cache: Cache
    accounts: Accounts = field(default_factory=Accounts)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one instance.

    Attributes:
        node: Instance id.
        number: From 1.
        spent: Where costs are added.
        moved: Folders in which agents that may edit have worked.
        asked: Keys of all turns that were wanted so far.
    """

    node: str
    number: int
    spent: Spent
    moved: list[Path] = field(default_factory=list[Path])
    asked: set[str] = field(default_factory=set[str])


def invocation_of(
    choice: Choice, asked: Asked, folder: Path, sessions: Path, session_id: str | None = None
) -> Invocation:
    """The request for a turn of *choice*.

    Args:
        choice: The agent and its options.
        asked: What is wanted.
        folder: The turn's own folder.
        sessions: The folder for sessions that all turns of the run share.
        session_id: For a new conversation; ``None``: any.
    """
    asked = asked.of(choice)
    resumed = asked.resumed
    settings = choice.settings
    invocation = Invocation(
        agent=choice.name,
        adapter=choice.adapter.name,
        prompt=asked.prompt,
        cwd=choice.cwd,
        folder=folder,
        session_folder=sessions,
        new_session_id=str(uuid4()) if session_id is None else session_id,
        program=settings.program,
        model=choice.model,
        permission=choice.permission,
        tools=choice.tools,
    )
    return replace(
        invocation,
        resume=None if resumed is None else resumed.session_id,
        resume_cwd=None if resumed is None else resumed.cwd,
        spent_before=None if resumed is None else resumed.spent,
        fork=resumed is not None and resumed.fork,
        schema=asked.schema,
        args=settings.args,
        argv=settings.argv,
        env=choice.env,
        pass_env=choice.pass_env,
        hermetic=settings.hermetic,
        limits=choice.limits,
        marker=uuid4().hex[:MARKER_DIGITS],
    )
