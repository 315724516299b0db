"""Turns whose end nobody recorded: what their transcripts hold."""

from dataclasses import dataclass
from pathlib import Path

from orchcore.agents.adapters.protocol import Adapter, Ending
from orchcore.agents.invocation import Invocation
from orchcore.agents.lines import LineSplitter
from orchcore.agents.output import found_files
from orchcore.errors import UsageError
from orchcore.events import AgentEvent, FinalGiven, SessionStarted, ToolStarted
from orchcore.results import TurnResult

_CHUNK_BYTES = 2**20
_STDERR_BYTES = 2**13


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a turn.

    Attributes:
        result: What it came to, if its final event was written and it succeeded.
        session_id: The conversation that it began or went on with, if it told one.
    """

    result: TurnResult | None = None
    session_id: str | None = None


class _Ear:
    """Notes whether the last thing said was a final event."""

    def __init__(self) -> None:
        self.final = False
        self.session_id: str | None = None

    def hear(self, event: AgentEvent) -> None:
        match event:
            case FinalGiven(ok=ok):
                self.final = ok
            case SessionStarted(session_id=session_id):
                self.final = False
                self.session_id = session_id or self.session_id
            case ToolStarted():
                self.final = False
            case _:
                pass


def salvaged(adapter: Adapter, invocation: Invocation) -> Salvaged:
    """Reads the transcript in the folder of *invocation*, as the turn itself would have."""
    ear = _Ear()
    lines = LineSplitter(invocation.limits.line_limit_bytes)
    try:
        with (invocation.folder / "stdout.jsonl").open("rb") as file:
            parser = adapter.parser(invocation)
            while chunk := file.read(_CHUNK_BYTES):
                for line in lines.feed(chunk):
                    for event in parser.parse(line):
                        ear.hear(event)
    except OSError:
        return Salvaged()
    if not ear.final or lines.overlong_lines:
        return Salvaged(session_id=ear.session_id)
    ending = Ending(
        exit_code=0,  # its final event says so; how the process ended later is no word of the CLI
        stderr_tail=_stderr(invocation.folder),
        cut_line=lines.rest,
        files=_files(adapter, invocation),
    )
    result = parser.finish(ending)
    return Salvaged(result if result.failure is None else None, ear.session_id)


def _stderr(folder: Path) -> str:
    try:
        return (folder / "stderr.log").read_bytes()[-_STDERR_BYTES:].decode("utf-8", "replace")
    except OSError:
        return ""


def _files(adapter: Adapter, invocation: Invocation) -> dict[str, bytes]:
    """What the CLI wrote beside its stdout."""
    try:
        return dict(found_files(adapter.command(invocation).read_back))
    except UsageError:
        return {}
