"""Reads the stream of ``claude -p --output-format stream-json --verbose``.

Rules of this file, all measured with Claude Code 2.1.330:

* One run may have several ``init`` and several ``result`` lines (a background sub-agent reports
  back as a turn of its own). The last ``result`` is the verdict.
* Lines with a ``parent_tool_use_id`` are a sub-agent's: its tools are shown, its words are not
  the answer.
* ``total_cost_usd`` and ``modelUsage`` are sums over the session, resumed turns included. What
  this process used is the sum of ``model_usage_since_last_result`` over its ``result`` lines.
* ``usage.output_tokens`` of an ``assistant`` line is only what was known when it began.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchcore.agents.adapters.classification import kind_of
from orchcore.agents.adapters.claude_failures import Heard, succeeded, verdict
from orchcore.agents.adapters.claude_usage import models, spent
from orchcore.agents.adapters.json_fields import Fields, digest, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.tally import Reader, Tally
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    LimitNoticed,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import TurnResult

ANSWER_TOOL = "StructuredOutput"
"""The tool that carries a structured answer: the CLI's own, not one the agent works with."""


@dataclass(slots=True)
class ClaudeParser:
    """One turn of Claude Code.

    Attributes:
        resumed: Whether the session had turns before this one.
        unwrap: Gives the answer from ``structured_output``; ``None`` if no schema was asked.
        clock: Unix time, for clock times in limit messages.
    """

    resumed: bool
    unwrap: Callable[[object], object] | None
    clock: Callable[[], float]
    _session_id: str | None = None
    _tool_names: dict[str, str] = field(default_factory=dict[str, str])
    _denied: set[str] = field(default_factory=set[str])
    _steps: dict[str, object] = field(default_factory=dict[str, object])
    _results: list[Fields] = field(default_factory=list[Fields])
    _api_error: Fields | None = None
    _limit: Fields | None = None
    _background: int = 0
    _starts: int = 0
    _went_on: bool = False
    _nagged: bool = False
    _tally: Tally = field(default_factory=Tally)
    _readers: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            "system": self.system,
            "assistant": self.assistant,
            "user": self.user,
            "stream_event": self.partial,
            "rate_limit_event": self.limit,
            "result": self.result,
            **dict.fromkeys(_OTHERS, self.other),
        }

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        return self._tally.read(line, self._readers)

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        last = self._results[-1] if self._results else None
        answer = self._answer(last)
        text = _text(last, answer)
        heard = Heard(
            ending=ending,
            result=last,
            api_error=self._api_error,
            limit=self._limit,
            unfinished=self._unfinished,
            tally=self._tally,
            wants_structure=self.unwrap is not None or self._nagged,
            text=text,
            now=self.clock(),
        )
        failure = verdict(heard)
        usage, cost_usd = spent(self._results, self._usages(), resumed=self.resumed)
        result = TurnResult(
            text="" if failure else text,
            answer=None if failure else answer,
            session_id=self._session_id,
            usage=usage,
            cost_usd=cost_usd,
            failure=failure,
            models=models(self._results),
        )
        return self._tally.counted(result, ending, final=last is not None and not self._unfinished)

    def _usages(self) -> Sequence[Fields]:
        """``message.usage`` of each reply: the last line's that belongs to it."""
        return Fields({"steps": [*self._steps.values()]}).parts("steps")

    @property
    def _unfinished(self) -> bool:
        """Whether a turn of the CLI was begun that has no ``result`` yet."""
        return self._went_on or self._starts > len(self._results)

    def _answer(self, last: Fields | None) -> object:
        if last is None or not succeeded(last):
            return None
        answer = last.raw.get("structured_output")
        return answer if self.unwrap is None else self.unwrap(answer)

    def system(self, line: Fields) -> Sequence[AgentEvent]:
        """``system`` lines: the start, retries, denials, background work, ticks."""
        subtype = line.text("subtype")
        if subtype == "init":
            return self._started(line)
        if subtype == "api_retry":
            return (_retry(line),)
        if subtype == "thinking_tokens":
            return (ThinkingWritten(""),)
        if subtype == "permission_denied":
            self._denied.add(line.text("tool_use_id"))
        elif subtype == "background_tasks_changed":
            kinds = [task.text("task_type") for task in line.parts("tasks")]
            # A background shell never reports back; waiting for it would be for ever.
            self._background = len(kinds) - kinds.count("local_bash")
        return (NoticeGiven(one_line(line.text("content"))),)

    def _started(self, line: Fields) -> Sequence[AgentEvent]:
        self._starts += 1
        self._went_on = True
        self._session_id = line.text("session_id") or self._session_id
        model, version = line.text("model") or None, line.text("claude_code_version") or None
        return (SessionStarted(self._session_id or "", model, version),)

    def assistant(self, line: Fields) -> Sequence[AgentEvent]:
        """One content block of a reply, or a synthetic line that stands for an API error."""
        message = line.part("message")
        failed = line.raw.get("is_api_error_message") is True
        if failed or message.raw.get("model") == "<synthetic>":
            if failed or line.text("error"):
                self._api_error = line
            return (NoticeGiven(_words(message)),)
        of_sub_agent = bool(line.raw.get("parent_tool_use_id"))
        self._went_on = self._went_on or not of_sub_agent
        self._steps[message.text("id")] = message.raw.get("usage")
        blocks = message.parts("content")
        if len(blocks) == 1:  # mostly
            return self._block(blocks[0], of_sub_agent) or (NoticeGiven(),)
        told = [event for block in blocks for event in self._block(block, of_sub_agent)]
        return told or (NoticeGiven(),)

    def _block(self, block: Fields, of_sub_agent: bool) -> Sequence[AgentEvent]:
        match block.text("type"):
            case "text" if not of_sub_agent:
                return (TextWritten(block.text("text")),)
            case "thinking" if not of_sub_agent:
                return (ThinkingWritten(block.text("thinking")),)
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                return self._tool_started(block)
            case _:
                return ()

    def _tool_started(self, block: Fields) -> Sequence[AgentEvent]:
        call_id, name = block.text("id"), block.text("name") or "?"
        self._tool_names[call_id] = name
        if name == ANSWER_TOOL:
            return ()
        asked = block.part("input")
        return (ToolStarted(call_id, name, asked.first_line(_TELLING), digest(asked.raw)),)

    def user(self, line: Fields) -> Sequence[AgentEvent]:
        """Tool results; the CLI's own nudges come the same way and are signs of life."""
        if line.flag("isSynthetic") and ANSWER_TOOL in _words(line.part("message")):
            self._nagged = True  # a schema was asked for, whoever asked
        meta = {part.text("id"): part for part in line.parts("tool_result_meta")}
        ended: list[AgentEvent] = []
        for block in line.part("message").parts("content"):
            call_id = block.text("tool_use_id")
            name = self._tool_names.get(call_id, "?")
            if block.text("type") != "tool_result" or name == ANSWER_TOOL:
                continue
            ok = block.flag("is_error") is not True
            decision = meta.get(call_id, Fields()).part("permission_decision").text("decision")
            denied = call_id in self._denied or decision == "reject" or _is_missing(block)
            ended.append(ToolEnded(call_id, name, ok, denied))
        return ended or (NoticeGiven(),)

    def partial(self, line: Fields) -> Sequence[AgentEvent]:
        """``stream_event``: pieces of what a whole ``assistant`` line says later."""
        delta = line.part("event").part("delta")
        if not line.text("parent_tool_use_id"):
            match delta.text("type"):
                case "text_delta":
                    return (TextWritten(delta.text("text"), partial=True),)
                case "thinking_delta":
                    return (ThinkingWritten(delta.text("thinking"), partial=True),)
                case _:
                    pass
        return (NoticeGiven(),)

    def limit(self, line: Fields) -> Sequence[AgentEvent]:
        """``rate_limit_event``: only with a subscription's token, never with an API key."""
        info = line.part("rate_limit_info")
        status = info.text("status")
        self._limit = info if status == "rejected" else None
        return (LimitNoticed(status or "unknown", info.number("resetsAt")),)

    def result(self, line: Fields) -> Sequence[AgentEvent]:
        """The end of the CLI's turn, which need not be the last one of the process."""
        self._results.append(line)
        self._went_on = False
        self._session_id = line.text("session_id") or self._session_id
        usage, cost_usd = spent(self._results, (), resumed=self.resumed)
        reported = UsageReported(usage, cost_usd)
        if self._background or self._unfinished or line.count("queued_turn_count"):
            return (reported,)
        return (reported, FinalGiven(succeeded(line)))

    def other(self, line: Fields) -> Sequence[AgentEvent]:
        """A known kind of line that says nothing about the turn."""
        del line
        return (NoticeGiven(),)


_OTHERS = (
    "auth_status",
    "control_cancel_request",
    "control_request",
    "control_response",
    "keep_alive",
    "prompt_suggestion",
    "tool_progress",
    "tool_use_summary",
)


def _text(last: Fields | None, answer: object) -> str:
    if last is None or not succeeded(last):
        return ""
    return last.text("result") if answer is None else json.dumps(answer, ensure_ascii=False)


_TELLING = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")


def _is_missing(result: Fields) -> bool:
    """Whether the tool is not offered, which is how ``--tools`` forbids one."""
    return result.flag("is_error") is True and "No such tool available" in result.text("content")


def _words(message: Fields) -> str:
    return one_line(" ".join(block.text("text") for block in message.parts("content")))


def _retry(line: Fields) -> RetryNoticed:
    status, delay_ms = line.count("error_status"), line.number("retry_delay_ms")
    reason = " ".join(str(part) for part in (status, line.text("error")) if part)
    delay_s = None if delay_ms is None else delay_ms / 1000
    cause = kind_of(line.text("error"), status) or "connection"
    return RetryNoticed(reason or "connection", line.count("attempt"), delay_s, cause)
