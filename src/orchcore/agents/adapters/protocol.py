"""What every adapter answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from orchcore.agents.invocation import Invocation
from orchcore.events import AgentEvent
from orchcore.policies import Permission
from orchcore.results import TurnResult


@dataclass(frozen=True, slots=True)
class Launch:
    """The process that makes one turn.

    Attributes:
        argv: Program and arguments; the program is looked up in the child's PATH.
        env: Variables the adapter sets, over the environment policy's.
        merged_env: Variables that are made of what the child would have in them, be it ours or the
            user's: name to a function of that value (empty if there is none); the last word.
        stdin: Bytes fed to the child, after which its stdin is closed.
        files: Files to write before the start: absolute path to content.
        stdout_to_file: Whether stdout is a file that is read behind its back instead of a pipe:
            what was written is there, whoever of the two is killed then. Some CLIs exit with output
            still queued and lose what does not fit into a pipe.
        read_back: Files the CLI writes beside its stdout, absolute; their ends are read when it has
            exited.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    merged_env: Mapping[str, Callable[[str], str]] = field(
        default_factory=dict[str, Callable[[str], str]]
    )
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    stdout_to_file: bool = True
    read_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Extra:
    """A part of orchcore that is installed only where it is asked for.

    Attributes:
        name: As in ``pip install 'orchcore[NAME]'``.
        distribution: What it brings, by whose presence it is known.
    """

    name: str
    distribution: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a CLI can do; asking for anything else is refused before a process starts.

    Attributes:
        resume: Continues a conversation by id.
        resume_elsewhere: Does so from another working directory than the one it began in.
        fork: Branches a conversation.
        schema: Takes a JSON schema for the answer (else it goes into the prompt).
        tools: Takes a list of allowed tools.
        permissions: The permissions it takes.
        enforced: Whether it can be held to them; else they are the user's own concern.
        chosen_session_id: Takes a session id chosen beforehand.
        max_turns: Takes a limit of model turns.
        tool_calls: Tells of each tool call, so that they can be counted.
        hermetic: Can be kept from reading the user's own configuration of it.
        stdin: Takes the prompt by stdin (else as an argument: 128 KiB at most on Linux).
        usage_streams: Reports usage while it works, not only at the end.
        money: What it tells of its price: ``usd``, ``tokens`` to be priced, or nothing.
        starts_alone: The first one of a run must have begun its work before others start.
        simulated: Answers are made up; everything they touch is marked.
        extra: The part of orchcore that it needs beside the program; ``None``: none.
    """

    resume: bool = False
    resume_elsewhere: bool = False
    fork: bool = False
    schema: bool = False
    tools: bool = False
    permissions: tuple[Permission, ...] = ("read-only", "edit", "full")
    enforced: bool = True
    chosen_session_id: bool = False
    max_turns: bool = False
    tool_calls: bool = True
    hermetic: bool = False
    stdin: bool = True
    usage_streams: bool = False
    money: Literal["usd", "tokens", "nothing"] = "nothing"
    starts_alone: bool = False
    simulated: bool = False
    extra: Extra | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of a CLI an adapter was tested with.

    Attributes:
        oldest: The oldest, inclusive, as dotted numbers; empty where nothing is known.
        newest: The newest, inclusive.
        argv: What is added to the program to make it print its version.
    """

    oldest: str = ""
    newest: str = ""
    argv: tuple[str, ...] = ("--version",)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, as far as it is known to a parser.

    Attributes:
        exit_code: Negative for a signal; ``None`` if it was never known.
        stderr_tail: The last 8 KiB of stderr, decoded with replacement.
        cut_line: A last line without its newline, or empty.
        ended_by_us: Whether the tree was ended by orchcore *before* a final event was read.
        files: What was found in the launch's ``read_back``; a file that is missing is not there.
    """

    exit_code: int | None
    stderr_tail: str = ""
    cut_line: bytes = b""
    ended_by_us: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


class Parser(Protocol):
    """Reads one turn's stream. Stateful, made anew for each turn, does no I/O."""

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line (without its newline). Never raises on any bytes."""
        ...

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict, once the stream is over. Never raises, never falsely succeeds."""
        ...


@runtime_checkable
class ErrorParser(Protocol):
    """What a parser is as well if its CLI tells some things on stderr alone."""

    def parse_error(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line of stderr, while the process runs. Never raises.

        Lines of a flood may be missing: the ending's ``stderr_tail`` is what a verdict rests on.
        """
        ...


class Adapter(Protocol):
    """One kind of agent CLI."""

    @property
    def name(self) -> str:
        """The adapter's name, as in configuration: ``claude``."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def versions(self) -> Versions:
        """The versions it was tested with."""
        ...

    @property
    def program(self) -> str:
        """The program looked up in PATH to tell whether it is installed; may be empty."""
        ...

    @property
    def login_env(self) -> tuple[str, ...]:
        """Variables of ours that the CLI needs for its own login and endpoint."""
        ...

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn.

        Raises:
            UsageError: The CLI cannot honour *invocation* (``unsupported-option``).
        """
        ...

    def parser(self, invocation: Invocation) -> Parser:
        """A fresh parser for that process's stdout."""
        ...
