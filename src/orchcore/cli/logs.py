"""``logs``: what agents wrote, out of their transcripts, also while they write. No import."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from orchcore.agents.adapters.protocol import Adapter
from orchcore.cli.output import say_lines
from orchcore.cli.recorded import project_at
from orchcore.cli.resuming import RUN_WORD
from orchcore.errors import Problem, UsageError, did_you_mean, shell_word
from orchcore.journal.folder import ProjectFolder, RunFolder
from orchcore.journal.reader import read_run
from orchcore.journal.record import RecordedTurn, RunRecord

_LOOK_S = 0.2
_CHUNK_BYTES = 2**20


@click.command(
    "logs",
    help="""Show what the agents of a run wrote: text, tool calls, failures.

RUN is its id, the beginning of one, or `latest`, which is meant without it. NODE is a phase or an
instance; without it all are shown, each line with its node.

\b
Examples:
  orchcore logs review:codex
  orchcore logs 7f3c -f                 follow it until the run ends
""",
)
@click.option("--file", metavar="PATH", type=click.Path(), help="The orchfile, or its folder.")
@click.argument("run", default="latest", metavar="[RUN]")
@click.argument("node", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
def logs_command(file: str | None, run: str, node: str | None, follow: bool) -> None:
    """Prints what there is, and what comes."""
    from orchcore.agents.adapters.finder import find_adapters
    from orchcore.cli.run_records import mask_of

    folder, node = _meant(project_at(file), run, node)
    adapters = find_adapters()
    followed: dict[int, _Followed] = {}
    while True:
        record = read_run(folder)
        _ensure_known(record, node)
        mask = mask_of(record, os.environ)
        over = record.summary.state != "running"
        for turn in _turns(record, node):
            if turn.started_seq not in followed:
                followed[turn.started_seq] = _Followed(turn, adapters)
            prefix = "" if node is not None and node == turn.node else f"{turn.node}  "
            lines = followed[turn.started_seq].lines(over=over or turn.ended_at is not None)
            say_lines(mask(f"{prefix}{line}") for line in lines)
        if over or not follow:
            return
        time.sleep(_LOOK_S)


def _meant(project: ProjectFolder, run: str, node: str | None) -> tuple[RunFolder, str | None]:
    """The run and the node of the two words; a first one that is no run's may be the node."""
    if "/" in run or run.endswith(".py"):
        hint = f"orchcore logs --file {shell_word(run)}   (-f follows a run)"
        raise UsageError(Problem("unknown-run", f"'{run}' is no run", None, (hint,)))
    if node is None and not RUN_WORD.fullmatch(run):
        return project.find_run("latest"), run
    try:
        return project.find_run(run), node
    except UsageError:
        if node is not None or not RUN_WORD.fullmatch(run):
            raise
        latest = project.find_run("latest")
        if not any(_turns(read_run(latest), run)):  # ``add`` may be a phase, too
            raise
        return latest, run


@dataclass(slots=True)
class _Followed:
    """The transcript of one turn, read as it grows."""

    turn: RecordedTurn
    adapters: Mapping[str, Adapter]
    _offset_bytes: int = 0
    _begun: bool = False
    _told_end: bool = False
    _reader: "_Reader | None" = field(default=None)

    def lines(self, *, over: bool) -> Iterator[str]:
        """What is new of it; *over*: nothing more comes."""
        if not self._begun:
            self._begun = True
            yield f"[{self.turn.turn}: {self.turn.agent}]"
        adapter = self.adapters.get(self.turn.adapter)
        if adapter is None:
            return
        reader = self._reader = self._reader or _Reader(adapter)
        try:
            with (Path(self.turn.folder) / "stdout.jsonl").open("rb") as file:
                file.seek(self._offset_bytes)
                while chunk := file.read(_CHUNK_BYTES):
                    self._offset_bytes += len(chunk)
                    yield from reader.lines(chunk)
        except OSError:
            return
        if over and not self._told_end:
            self._told_end = True
            yield from reader.rest()
            if self.turn.state == "failed":
                yield f"[{self.turn.turn} failed]"


class _Reader:
    """Bytes into lines for people, by the parser of an adapter."""

    def __init__(self, adapter: Adapter) -> None:
        from orchcore.agents.lines import LineSplitter
        from orchcore.agents.replaying import Recorded, parser_of
        from orchcore.policies import TurnLimits
        from orchcore.reporting.transcript import Transcript

        self._parser = parser_of(adapter, Recorded(()))
        self._lines = LineSplitter(TurnLimits().line_limit_bytes)
        self._transcript = Transcript()

    def lines(self, chunk: bytes) -> list[str]:
        """What *chunk* adds."""
        for line in self._lines.feed(chunk):
            for event in self._parser.parse(line):
                self._transcript.hear(event)
        return self._transcript.take()

    def rest(self) -> list[str]:
        """A message that came in pieces and has no end."""
        return self._transcript.take(over=True)


def _turns(record: RunRecord, node: str | None) -> Iterator[RecordedTurn]:
    for turn in record.turns:
        if node is None or node in (turn.node, turn.node.partition(":")[0]):
            yield turn


def _ensure_known(record: RunRecord, node: str | None) -> None:
    known = {turn.node for turn in record.turns}
    known |= {name.partition(":")[0] for name in known}
    if node is None or node in known or record.summary.state == "running":
        return
    message = f"no agent of run {record.summary.id} worked on '{node}'"
    raise UsageError(Problem("unknown-target", message, None, did_you_mean(node, known)))
