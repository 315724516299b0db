"""Reads the stream of ``codex exec --json``.

Rules of this file, all measured with Codex CLI 0.169.0 and 0.104.0:

* The last ``agent_message`` is the answer, unless a tool call or another try came after it: a try
  that was cut leaves its messages in the stream.
* A top-level ``error`` is final only if nothing comes of it any more: ``Reconnecting... 1/5 (...)``
  is a retry. An item of type ``error`` is a notice (an unknown model, a changed transport).
* ``turn.completed.usage`` is a sum over the thread, and a fork's begins with its parent's.
* ``resume`` of a thread that does not exist begins a new one and succeeds (0.104; in 0.169 for what
  is no UUID): only its id tells.
* A tool call that is refused (a patch under a read-only sandbox, an escalation) is not in the
  stream at all; one line of stderr tells.
* A tool is called what its item's type is called (``command_execution``, ``file_change``,
  ``web_search``), an MCP tool ``server.tool``, a collaboration by its own name (``spawn_agent``).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from orchcore.agents.adapters.classification import failure, kind_of
from orchcore.agents.adapters.codex_items import digest_of, is_ok, is_tool, name_of, summary_of
from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.strict_schema import Schema, answer_in, is_object
from orchcore.agents.adapters.tally import Reader, Tally
from orchcore.agents.adapters.verdict import Testimony, verdict
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import Failure, TurnResult, Usage


@dataclass(slots=True)
class CodexParser:
    """One turn of Codex.

    Attributes:
        resumed: Id of the thread that goes on, or is forked; ``None`` for a new one.
        forked: Whether it is forked.
        spent_before: Tokens of that thread before this turn; ``None`` if that is not known.
        schema: What the answer must fit; ``None`` for plain text.
        clock: Unix time, for clock times in limit messages.
    """

    resumed: str | None
    forked: bool
    spent_before: Usage | None
    schema: Schema | None
    clock: Callable[[], float]
    _session_id: str | None = None
    _text: str = ""
    _running: dict[str, str] = field(default_factory=dict[str, str])
    _declined: list[str] = field(default_factory=list[str])
    _error: str = ""
    _final: bool | None = None
    _usage: Usage = field(default_factory=Usage)
    _tally: Tally = field(default_factory=Tally)
    _readers: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            "thread.started": self.thread_started,
            "turn.started": self.turn_started,
            "turn.completed": self.turn_completed,
            "turn.failed": self.turn_failed,
            "item.started": self.item_started,
            "item.updated": self.item_started,
            "item.completed": self.item_completed,
            "error": self.error,
        }

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        return self._tally.read(line, self._readers)

    def parse_error(self, line: bytes) -> Sequence[AgentEvent]:
        """A refused call, of which nothing but a line of stderr tells. Never raises."""
        refused = _refused(line.decode("utf-8", "replace"))
        return [ToolEnded("", _REFUSED_CALL, ok=False, denied=True) for _ in refused]

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        refused = _refused(ending.stderr_tail)
        heard = Testimony(
            pieced=True,
            ending=ending,
            tally=self._tally,
            final=self._final,
            told=self._told(),
            objection=self._objection(),
            text=self._text,
            denied=self._declined or [_REFUSED_CALL] * bool(refused),
            now=self.clock(),
        )
        failed = verdict(heard)
        found = None if failed or self.schema is None else answer_in(self._text, self.schema)
        if failed is None and self.schema is not None and found is None:
            said = one_line(self._text)
            failed = Failure("invalid_output", f"gave no structured answer: {said}")
        result = TurnResult(
            text="" if failed else self._spoken(found),
            answer=found[0] if found else None,
            session_id=self._session_id,
            usage=self._usage,
            failure=failed,
            warnings=tuple(f"Codex refused a tool call: {reason}" for reason in refused),
        )
        return self._tally.counted(result, ending, final=self._final is not None)

    def _told(self) -> Failure | None:
        if not self._error:
            return None
        words = _URL.sub("", self._error)  # an address may hold any word
        kind = kind_of(words) or "crashed"
        return failure(kind, words, self.clock())

    def _objection(self) -> Failure | None:
        """What contradicts a ``turn.completed``."""
        if self._is_another_thread():
            detail = f"no thread {self.resumed} was found: Codex began a new one"
            return Failure("session_not_found", detail)
        return self._told()

    def _is_another_thread(self) -> bool:
        if self.resumed is None or self.forked or self._session_id is None:
            return False
        # A thread may be resumed by its name, too, and tells its id then.
        return _is_uuid(self.resumed) and self.resumed.lower() != self._session_id.lower()

    def _spoken(self, found: tuple[object] | None) -> str:
        if found is None or self.schema is None or is_object(self.schema):
            return self._text
        return json.dumps(found[0], ensure_ascii=False)

    def thread_started(self, line: Fields) -> Sequence[AgentEvent]:
        """The conversation's id; no model and no version is told."""
        self._session_id = self._session_id or line.text("thread_id") or None
        return (SessionStarted(self._session_id or ""),)

    def turn_started(self, line: Fields) -> Sequence[AgentEvent]:
        """The model is about to be asked."""
        del line
        self._final = None
        self._text = self._error = ""
        return (NoticeGiven(),)

    def turn_completed(self, line: Fields) -> Sequence[AgentEvent]:
        """The end of a turn that Codex holds for good."""
        self._final = True
        self._usage = _spent(
            line.part("usage"), self.spent_before, resumed=self.resumed is not None
        )
        return (UsageReported(self._usage), FinalGiven(ok=True))

    def turn_failed(self, line: Fields) -> Sequence[AgentEvent]:
        """The end of a turn that failed; the ``error`` before it says the same."""
        self._final = False
        self._error = line.part("error").text("message") or self._error
        return (FinalGiven(ok=False),)

    def error(self, line: Fields) -> Sequence[AgentEvent]:
        """A retry, or what a ``turn.failed`` is about to repeat."""
        message = line.text("message")
        self._text = ""
        if found := _RETRY.search(message):
            reason = found["reason"] or message[: found.start()] or "connection"
            attempt = found["attempt"] or found["nth"]
            return (RetryNoticed(one_line(reason), int(attempt) if attempt else None),)
        self._error = message or "an error without a message"
        return (NoticeGiven(one_line(message)),)

    def item_started(self, line: Fields) -> Sequence[AgentEvent]:
        """A tool call begins or goes on, and so does a plan.

        0.169.0 tells of a patch that grows while it is written by ``item.updated`` alone.
        """
        item = line.part("item")
        if is_tool(item) and item.text("id") not in self._running:
            return (self._tool_started(item),)
        return (NoticeGiven(),)

    def item_completed(self, line: Fields) -> Sequence[AgentEvent]:
        """A message, a thought, a tool call that is over, a notice."""
        item = line.part("item")
        kind, text = item.text("type"), item.text("text")
        if kind == "agent_message":
            self._text, self._error = text, ""
            return (TextWritten(text),)
        if kind == "reasoning":
            return (ThinkingWritten(text),)
        if not is_tool(item):
            return (NoticeGiven(one_line(item.text("message"))),)
        # 0.104.0 tells of a changed file only when it is done.
        before = () if item.text("id") in self._running else (self._tool_started(item),)
        return (*before, self._tool_ended(item))

    def _tool_started(self, item: Fields) -> AgentEvent:
        call_id, name = item.text("id"), name_of(item)
        self._running[call_id] = name
        self._text = self._error = ""
        return ToolStarted(call_id, name, summary_of(item), digest_of(item))

    def _tool_ended(self, item: Fields) -> AgentEvent:
        call_id = item.text("id")
        name = self._running.pop(call_id, "?")
        denied = item.text("status") == "declined"
        if denied:
            self._declined.append(name)
        return ToolEnded(call_id, name, is_ok(item), denied)


_URL = re.compile(r",? url: \S+")
_RETRY = re.compile(
    r"^Reconnecting\b[\s.…]*(?:(?P<attempt>\d{1,6})(?:/\d+)?)?\s*(?:\((?P<reason>.*)\))?\s*$"
    r"|;? retrying (?P<nth>\d{1,6})/\d+ in \S+$",
    re.DOTALL,
)
_REFUSED_CALL = "a tool call"
_REFUSED = re.compile(r"codex_core::tools::router: error=(?P<reason>.*\breject.*)", re.IGNORECASE)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _refused(stderr: str) -> tuple[str, ...]:
    """Why tool calls were refused, once each."""
    reasons = (one_line(found["reason"]) for found in _REFUSED.finditer(stderr))
    return tuple(dict.fromkeys(reasons))


def _spent(told: Fields, before: Usage | None, *, resumed: bool) -> Usage:
    """What this turn alone used, out of the sums over its thread."""
    usage = Usage(
        told.count("input_tokens"),
        told.count("output_tokens"),
        told.count("cached_input_tokens"),
    )
    if not usage.input_tokens and not usage.output_tokens:
        return Usage()  # 0.169 prints zeros where the model server told nothing
    if not resumed:
        return usage
    if before is None:
        return Usage()
    return Usage(
        _less(usage.input_tokens, before.input_tokens),
        _less(usage.output_tokens, before.output_tokens),
        _less(usage.cached_input_tokens, before.cached_input_tokens),
    )


def _less(total: int | None, before: int | None) -> int | None:
    if total is None or before is None or total < before:
        return None
    return total - before
