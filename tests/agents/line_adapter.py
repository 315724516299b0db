"""A small agent CLI for tests: a Python script that prints JSON lines, and its adapter.

A line is an object with one key: ``say``, ``part``, ``tool``, ``done``, ``denied``, ``retry``,
``ping``, ``session``, ``final``.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchcore.agents.adapters.protocol import Capabilities, Ending, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.errors import Problem, UsageError
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import Failure, TurnResult

PRELUDE = """
import json, os, signal, subprocess, sys, time
def put(**line):
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + chr(10)); sys.stdout.flush()
"""


def script(body: str) -> tuple[str, ...]:
    """The command of an agent that does *body*, which may ``put(say="...")``."""
    return (sys.executable, "-S", "-E", "-c", PRELUDE + body)


EVENTS: Mapping[str, Callable[[Any], AgentEvent]] = {
    "say": lambda value: TextWritten(str(value)),
    "part": lambda value: TextWritten(str(value), partial=True),
    "tool": lambda value: ToolStarted(str(value), str(value), f"running {value}"),
    "done": lambda value: ToolEnded(str(value), str(value), ok=True),
    "denied": lambda value: ToolEnded("x", str(value), ok=False, denied=True),
    "retry": lambda value: RetryNoticed(str(value)),
    "ping": lambda _: NoticeGiven(),
    "session": lambda value: SessionStarted(str(value)),
    "final": lambda value: FinalGiven(ok=bool(value)),
}


@dataclass(frozen=True)
class LineAdapter:
    """Starts what the invocation's ``args`` say; the prompt goes to stdin."""

    name: str = "line"
    program: str = sys.executable
    capabilities: Capabilities = field(default_factory=Capabilities)
    versions: Versions = field(default_factory=Versions)
    login_env: tuple[str, ...] = ("LINE_KEY",)
    stdout_to_file: bool = False
    merged_env: Mapping[str, Callable[[str], str]] = field(
        default_factory=dict[str, Callable[[str], str]]
    )

    def command(self, invocation: Invocation) -> Launch:
        if invocation.model == "impossible":
            raise UsageError(Problem("unsupported-option", "this model is impossible"))
        return Launch(
            argv=invocation.args,
            env={"FROM_ADAPTER": "1"},
            merged_env=self.merged_env,
            stdin=invocation.prompt.encode(),
            files={str(invocation.folder / "extra" / "settings.json"): b"{}"},
            stdout_to_file=self.stdout_to_file,
        )

    def parser(self, invocation: Invocation) -> "LineParser":
        del invocation
        return LineParser()


class LineParser:
    """Counts what it reads; the last ``say`` is the answer."""

    def __init__(self) -> None:
        self.lines = 0
        self.text = ""
        self.final = False
        self.ending: Ending | None = None

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        self.lines += 1
        try:
            (kind, value), *_ = json.loads(line).items()
        except (ValueError, AttributeError):
            return ()
        return self._events(kind, value)

    def _events(self, kind: str, value: Any) -> Sequence[AgentEvent]:
        if kind == "say":
            self.text = str(value)
        if kind == "final":
            self.final = bool(value)
        make = EVENTS.get(kind)
        return (make(value),) if make else ()

    def finish(self, ending: Ending) -> TurnResult:
        self.ending = ending
        result = TurnResult(
            text=self.text,
            exit_code=ending.exit_code,
            events={"lines": self.lines},
            truncated=bool(ending.cut_line),
        )
        if not self.final:
            said = f"no final event; cut {len(ending.cut_line)}; stderr {ending.stderr_tail!r}"
            return replace(result, failure=Failure("truncated", said))
        if ending.exit_code != 0 or ending.ended_by_us:
            return replace(result, failure=Failure("crashed", f"exit {ending.exit_code}"))
        return result


@dataclass
class Stage:
    """A folder, a registry and a runner: what a test needs to run turns."""

    folder: Path
    trees: Trees = field(default_factory=Trees)
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin:/bin"})
    adapter: LineAdapter = field(default_factory=LineAdapter)
    heard: list[AgentEvent] = field(default_factory=list[AgentEvent])

    @cached_property
    def runner(self) -> LocalTurnRunner:
        """The one runner of this stage, made on first use."""
        return LocalTurnRunner({"line": self.adapter}, self.trees, self.environ)

    def invocation(
        self, argv: tuple[str, ...], limits: TurnLimits | None = None, **changes: Any
    ) -> Invocation:
        """A turn of *argv* in a folder of its own."""
        folder = self.folder / uuid4().hex
        folder.mkdir()
        invocation = Invocation(
            agent="line",
            adapter="line",
            prompt="do it",
            cwd=self.folder,
            folder=folder,
            session_folder=self.folder,
            new_session_id=str(uuid4()),
            args=argv,
            limits=limits or TurnLimits(term_grace_s=0.5),
        )
        return replace(invocation, **changes)

    async def turn(
        self, argv: tuple[str, ...], limits: TurnLimits | None = None, **changes: Any
    ) -> TurnResult:
        """Runs a turn of *argv*."""
        return await self.runner.run(self.invocation(argv, limits, **changes), self.heard.append)
