"""Reads the bridge's stream; see docs/reference/agents.md.

Rules of this file:

* A tool call has no name in the protocol but a kind (``edit``), which stands for it, and a title.
  It starts once it is more than announced (OpenCode 1.18 tells its input later), and it ends once:
  a denied call at the denial, whatever the agent tells of it later. Gemini CLI 0.61 never does.
* The answer is the text after the last tool call, of the last message where messages have ids.
* Tokens are those of the prompt's answer. What ``usage_update`` tells is how full the context is.
* The cost is that of a session so far: a turn's own only where the session began with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchcore.agents.adapters.acp_failures import (
    aside_of,
    stopped_by,
    told_as_answer,
    told_by,
    told_in_text,
)
from orchcore.agents.adapters.acp_usage import UNKNOWN, cost_usd_of, usage_of
from orchcore.agents.adapters.json_fields import Fields, digest, one_line
from orchcore.agents.adapters.protocol import Ending
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

# They say nothing about how the turn goes.
_QUIET_UPDATES = (
    *("plan", "plan_update", "plan_removed", "available_commands_update", "current_mode_update"),
    *("config_option_update", "session_info_update"),
)


@dataclass(slots=True)
class _Call:
    """A tool call, as far as it was told."""

    kind: str = ""
    title: str = ""
    digest: str = ""
    started: bool = False
    ended: bool = False

    def learn(self, told: Fields) -> None:
        self.kind = told.text("kind") or self.kind
        self.title = one_line(told.text("title")) or self.title
        if not self.digest and (given := told.raw.get("rawInput")):
            self.digest = digest(given)

    @property
    def name(self) -> str:
        return self.kind or "other"


@dataclass(slots=True)
class AcpParser:
    """One turn of an ACP agent.

    Attributes:
        resumed: Whether the conversation had turns before this one.
        program: The agent's program; stands for its name until it tells that.
        clock: Unix time, for clock times in limit messages.
    """

    resumed: bool
    program: str
    clock: Callable[[], float]
    _agent: Fields = field(default_factory=Fields)
    _session_id: str | None = None
    _model: str | None = None
    _pieces: list[str] = field(default_factory=list[str])
    _message_id: str = ""
    _calls: dict[str, _Call] = field(default_factory=dict[str, _Call])
    _denied: list[str] = field(default_factory=list[str])
    _trouble: Failure | None = None
    _cost_usd: float | None = None
    _usage: Usage = UNKNOWN
    _final: Fields | None = None
    _error: Fields | None = None
    _tally: Tally = field(default_factory=Tally)
    _readers: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            **{f"update.{kind}": self.quiet for kind in _QUIET_UPDATES},
            **dict.fromkeys(("ignored", "extension"), self.quiet),
            "agent": self.agent,
            "session": self.session,
            "update.user_message_chunk": self.user_message,
            "update.agent_message_chunk": self.message,
            "update.agent_thought_chunk": self.thought,
            "update.tool_call": self.tool,
            "update.tool_call_update": self.tool,
            "update.usage_update": self.context,
            "permission": self.permission,
            "refused": self.refused,
            "malformed": self.malformed,
            "final": self.final,
            "error": self.error,
        }

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        return self._tally.read(line, self._readers)

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        now, answer = self.clock(), "".join(self._pieces)
        told = self._told(ending, now) or self._trouble or told_as_answer(self._pieces, now)
        heard = Testimony(
            pieced=True,
            ending=ending,
            tally=self._tally,
            final=None if self._ended is None else told is None,
            told=told,
            text=answer,
            denied=self._denied,
            now=now,
        )
        failure = verdict(heard)
        known = self._usage != UNKNOWN and self._model is not None
        result = TurnResult(
            text="" if failure else answer,
            session_id=self._session_id,
            usage=self._usage,
            cost_usd=self._cost_usd,
            failure=failure,
            models={self._model: self._usage} if known and self._model else {},
        )
        return self._tally.counted(
            result, ending, final=self._ended is not None and not self._broke_off
        )

    @property
    def _ended(self) -> Fields | None:
        return self._error or self._final

    @property
    def _broke_off(self) -> bool:
        return self._error is not None and self._error.text("reason") == "gone"

    @property
    def _name(self) -> str:
        return self._agent.text("name") or self.program

    def _told(self, ending: Ending, now: float) -> Failure | None:
        if self._error is not None:
            return told_by(self._error, ending, now, resumed=self.resumed)
        return None if self._final is None else stopped_by(self._final.text("stop_reason"))

    def agent(self, line: Fields) -> Sequence[AgentEvent]:
        """The agent said who it is."""
        self._agent = line
        return (NoticeGiven(),)

    def session(self, line: Fields) -> Sequence[AgentEvent]:
        """A session is open, and its model chosen."""
        self._session_id = line.text("session_id") or None
        self._model = line.text("model") or None
        version = self._agent.text("version") or None
        return (SessionStarted(line.text("session_id"), self._model, version),)

    def message(self, line: Fields) -> Sequence[AgentEvent]:
        """A piece of the answer."""
        update = line.part("update")
        text, message_id = update.part("content").text("text"), update.text("messageId")
        if not text:
            return (NoticeGiven(),)
        if self._name.lower() == "copilot" and (aside := aside_of(text)) is not None:
            return self._aside(*aside)
        self._trouble = None
        if message_id != self._message_id:
            if message_id and self._message_id:
                self._pieces.clear()
            self._message_id = message_id
        self._pieces.append(text)
        return (TextWritten(text, partial=True),)

    def _aside(self, level: str, text: str) -> Sequence[AgentEvent]:
        """A word of Copilot CLI itself: it failed, it tries again, a call was denied."""
        self._trouble = told_in_text(text, self.clock()) if level == "Error" else None
        if not text.endswith("Retrying..."):
            return (NoticeGiven(one_line(text)),)
        self._pieces.clear()  # of the try that broke off
        return (RetryNoticed(one_line(text)),)

    def thought(self, line: Fields) -> Sequence[AgentEvent]:
        """A piece of a thought."""
        return (ThinkingWritten(line.part("update").part("content").text("text"), partial=True),)

    def user_message(self, line: Fields) -> Sequence[AgentEvent]:
        """A word of the user: what was said before is no answer to it."""
        del line
        self._pieces.clear()
        return (NoticeGiven(),)

    def tool(self, line: Fields) -> Sequence[AgentEvent]:
        """A tool call is announced, goes on, or is over."""
        told = line.part("update")
        call_id, status = told.text("toolCallId"), told.text("status")
        call = self._calls.setdefault(call_id, _Call())
        call.learn(told)
        if call.ended:
            return (NoticeGiven(),)
        over = status in ("completed", "failed")
        events: list[AgentEvent] = []
        if over or status == "in_progress" or call.digest:
            events += self._start(call_id, call)
        if over:
            call.ended = True
            if status == "completed":
                self._denied.clear()
            events.append(ToolEnded(call_id, call.name, status == "completed"))
        return events or (NoticeGiven(),)

    def permission(self, line: Fields) -> Sequence[AgentEvent]:
        """The agent asked whether a call may run."""
        told = line.part("call")
        call_id = told.text("toolCallId")
        call = self._calls.setdefault(call_id, _Call())
        call.learn(told)
        events = self._start(call_id, call)
        if line.flag("allowed") is True or call.ended:
            return events or (NoticeGiven(),)
        call.ended = True
        self._denied.append(call.name)
        return (*events, ToolEnded(call_id, call.name, ok=False, denied=True))

    def _start(self, call_id: str, call: _Call) -> list[AgentEvent]:
        if call.started:
            return []
        call.started = True
        self._pieces.clear()
        self._trouble = None
        return [ToolStarted(call_id, call.name, call.title, call.digest)]

    def context(self, line: Fields) -> Sequence[AgentEvent]:
        """How full the context is, and what the session has cost."""
        cost_usd = cost_usd_of(line.part("update"))
        if self.resumed or cost_usd is None:
            return (NoticeGiven(),)
        self._cost_usd = cost_usd
        return (UsageReported(UNKNOWN, cost_usd),)

    def refused(self, line: Fields) -> Sequence[AgentEvent]:
        """The agent asked for something that is not offered."""
        return (NoticeGiven(f"asked for {one_line(line.text('method'))}, which is not offered"),)

    def malformed(self, line: Fields) -> Sequence[AgentEvent]:
        """The agent printed a line that is no message."""
        self._tally.malformed += 1
        return (NoticeGiven(line.text("start")),)

    def quiet(self, line: Fields) -> Sequence[AgentEvent]:
        """A sign of life."""
        del line
        return (NoticeGiven(),)

    def final(self, line: Fields) -> Sequence[AgentEvent]:
        """The prompt was answered, which need not be a good answer."""
        self._final = line
        usage = usage_of(line.part("usage"))
        # OpenCode 1.18 tells the tokens of its last request only
        if self._name.lower() != "opencode" or not self._calls:
            self._usage = usage
        trouble = self._trouble or told_as_answer(self._pieces, self.clock())
        ok = stopped_by(line.text("stop_reason")) is None and trouble is None
        if self._usage == UNKNOWN:
            return (FinalGiven(ok),)
        return (UsageReported(self._usage, self._cost_usd), FinalGiven(ok))

    def error(self, line: Fields) -> Sequence[AgentEvent]:
        """The bridge gave up."""
        self._error = line
        return (FinalGiven(ok=False),)
