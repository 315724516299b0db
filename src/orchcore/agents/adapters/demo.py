"""The embedded demo agent: no account, no network, made-up answers of the right shape."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

import orchcore.agents
from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.protocol import Capabilities, Ending, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import Failure, FailureKind, TurnResult, Usage

PROGRAM = Path(orchcore.agents.__path__[0]) / "demo_agent.py"


@dataclass(frozen=True, slots=True)
class DemoAdapter:
    """Starts the demo agent, a real child process; see docs/reference/demo-agent.md."""

    @property
    def name(self) -> str:
        """``demo``."""
        return "demo"

    @property
    def capabilities(self) -> Capabilities:
        """All of them, and that its answers are made up."""
        return Capabilities(
            resume=True,
            resume_elsewhere=True,
            fork=True,
            schema=True,
            tools=True,
            chosen_session_id=True,
            max_turns=True,
            hermetic=True,
            usage_streams=True,
            money="usd",
            simulated=True,
        )

    @property
    def versions(self) -> Versions:
        """It is part of orchcore: there is no other version."""
        return Versions()

    @property
    def program(self) -> str:
        """This very Python: always installed."""
        return sys.executable

    @property
    def login_env(self) -> tuple[str, ...]:
        """``ORCHCORE_DEMO_SPEED``: what pauses are multiplied by, 0 for none."""
        return ("ORCHCORE_DEMO_SPEED",)

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn; its schema is a file in the turn's folder."""
        schema_file = invocation.folder / "demo-schema.json"
        schema = invocation.schema
        argv = (
            # -S: what else is installed is no concern of the demo agent's, and it starts faster.
            *(invocation.program or self.program, "-I", "-S", str(PROGRAM)),
            *("--sessions", str(invocation.session_folder / "demo")),
            *_session(invocation),
            *(() if schema is None else ("--schema", str(schema_file))),
            *(("--model", invocation.model) if invocation.model else ()),
            *("--permission", invocation.permission),
            *(() if invocation.tools is None else ("--tools", ",".join(invocation.tools))),
            *_limits(invocation),
            *invocation.args,
        )
        files = {} if schema is None else {str(schema_file): json.dumps(schema).encode()}
        return Launch(argv=argv, stdin=invocation.prompt.encode("utf-8", "replace"), files=files)

    def parser(self, invocation: Invocation) -> "DemoParser":
        """A fresh parser for that process's stdout."""
        return DemoParser(wants_structure=invocation.schema is not None)


@dataclass(slots=True)
class DemoParser:
    """One turn of the demo agent.

    Attributes:
        wants_structure: Whether a schema was asked for.
    """

    wants_structure: bool = False
    _session_id: str | None = None
    _usage: Usage = field(default_factory=Usage)
    _result: Fields | None = None
    _tools: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    _unknown: int = 0
    _malformed: int = 0
    _counts: Counter[str] = field(default_factory=Counter[str])

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        fields = Fields.of_line(line)
        if fields is None:
            self._malformed += bool(line.strip())
            return ()
        read = _READERS.get(fields.text("type"))
        if read is None:
            self._unknown += 1
            return ()
        events = read(self, fields)
        self._counts.update(event.kind for event in events)
        return events

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        result = self._result or Fields()
        succeeded = result.flag("ok") is True
        return TurnResult(
            text=result.text("text") if succeeded else "",
            answer=result.raw.get("answer") if succeeded and self.wants_structure else None,
            session_id=self._session_id,
            usage=self._usage,
            cost_usd=0.0,
            failure=_verdict(ending, result, wants_structure=self.wants_structure),
            tools=tuple(self._tools),
            events=dict(self._counts),
            unknown_events=self._unknown,
            malformed_lines=self._malformed,
            truncated=bool(ending.cut_line) or self._result is None,
            exit_code=ending.exit_code,
        )

    def session(self, line: Fields) -> Sequence[AgentEvent]:
        """``session``: the first line."""
        self._session_id = line.text("session_id") or None
        model, version = line.text("model") or None, line.text("version") or None
        return (SessionStarted(line.text("session_id"), model, version),)

    def thinking(self, line: Fields) -> Sequence[AgentEvent]:
        """``thinking``."""
        return (ThinkingWritten(line.text("text")),)

    def text(self, line: Fields) -> Sequence[AgentEvent]:
        """``text``: a piece of the answer."""
        return (TextWritten(line.text("text"), partial=line.flag("partial") is True),)

    def tool_start(self, line: Fields) -> Sequence[AgentEvent]:
        """``tool_start``."""
        return (ToolStarted(line.text("id"), line.text("name"), one_line(line.text("input"))),)

    def tool_end(self, line: Fields) -> Sequence[AgentEvent]:
        """``tool_end``."""
        ok, denied = line.flag("ok") is True, line.flag("denied") is True
        self._tools.append((line.text("name"), ok))
        return (ToolEnded(line.text("id"), line.text("name"), ok, denied),)

    def usage(self, line: Fields) -> Sequence[AgentEvent]:
        """``usage``: sums so far in this turn."""
        self._usage = _usage(line)
        return (UsageReported(self._usage, 0.0),)

    def result(self, line: Fields) -> Sequence[AgentEvent]:
        """``result``: the last line."""
        self._result = line
        if used := line.part("usage"):
            self._usage = _usage(used)
        return (UsageReported(self._usage, 0.0), FinalGiven(line.flag("ok") is True))


def _verdict(ending: Ending, result: Fields, *, wants_structure: bool) -> Failure | None:
    if ending.ended_by_us:
        return Failure("cancelled", "was ended before it gave its final event")
    if told := result.part("failure"):
        return _told(told)
    if ending.exit_code:
        stderr = one_line(ending.stderr_tail)
        kind: FailureKind = "bad_invocation" if stderr.startswith("error: bad") else "crashed"
        return Failure(kind, f"ended with {ending.exit_code} {stderr}".strip())
    if not result or ending.cut_line:
        return Failure("truncated", "its stream ended without a final event")
    return _incomplete(result, wants_structure=wants_structure)


def _incomplete(result: Fields, *, wants_structure: bool) -> Failure | None:
    if result.flag("ok") is not True:
        return Failure("protocol", "its final event says neither success nor failure")
    if wants_structure and "answer" not in result.raw:
        return Failure("invalid_output", "gave no structured answer")
    if not wants_structure and not result.text("text"):
        return Failure("empty_output", "gave no answer")
    return None


def _session(invocation: Invocation) -> tuple[str, ...]:
    if invocation.resume is None:
        return ("--session", invocation.new_session_id)
    if not invocation.fork:
        return ("--resume", invocation.resume)
    return ("--fork", invocation.resume, "--session", invocation.new_session_id)


def _limits(invocation: Invocation) -> tuple[str, ...]:
    turns = invocation.limits.max_turns
    return () if turns is None else ("--max-turns", str(turns))


def _usage(line: Fields) -> Usage:
    return Usage(
        line.count("input_tokens"), line.count("output_tokens"), line.count("cached_input_tokens")
    )


def _told(told: Fields) -> Failure:
    kind = told.text("kind")
    detail = one_line(told.text("detail")) or kind
    if kind not in get_args(FailureKind.__value__):
        return Failure("server_error", f"{kind}: {detail}")
    return Failure(
        cast("FailureKind", kind), detail, told.number("retry_after_s"), told.number("resets_at")
    )


_READERS: dict[str, Callable[[DemoParser, Fields], Sequence[AgentEvent]]] = {
    "session": DemoParser.session,
    "thinking": DemoParser.thinking,
    "text": DemoParser.text,
    "tool_start": DemoParser.tool_start,
    "tool_end": DemoParser.tool_end,
    "usage": DemoParser.usage,
    "result": DemoParser.result,
}
