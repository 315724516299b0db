"""Reads the stream of ``copilot --output-format json``.

Rules of this file, all measured with Copilot CLI 1.0.102:

* The last line, ``result``, is the only one without an envelope and the only one that tells the
  session's id. Its ``exitCode`` is 0 after an abort, too; ``assistant.idle`` tells that one.
* Pieces of a message that failed half-way are printed and never taken back; only a whole
  ``assistant.message`` is an answer, and only one that calls no tool. The last one counts: after
  background work is done, the agent is told and speaks again.
* Events with an ``agentId`` are a sub-agent's: its tools are shown, its words are not the answer.
* ``tool.execution_partial_result`` repeats all of a tool's output so far; nothing of it is kept.
* An answer that is cut at the model's longest output gets no ``assistant.message``: the CLI asks
  for the rest in a new ``assistant.turn_start``, twice at most, and its message then holds the
  rest alone. What came before is in the pieces only.
* An empty answer that was filtered is replaced by a sentence of the CLI's, and all is well then. A
  model that refuses in its own words is not told from one that answers.
* A tool that is not offered "does not exist", which is no word about a permission for a tool that
  never did: what was taken away is told beforehand.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchcore.agents.adapters.copilot_failures import refusal_in, stopped_by, told_by
from orchcore.agents.adapters.copilot_others import OTHERS
from orchcore.agents.adapters.copilot_usage import spent
from orchcore.agents.adapters.json_fields import Fields, digest, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.reset_times import retry_after_s
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
class CopilotParser:
    """One turn of Copilot CLI.

    Attributes:
        session_id: The id that was asked for: chosen for a new session, or the resumed one's.
        resumed: Whether the session had turns before this one.
        before: Tokens of those turns; ``None`` if that is not known.
        clock: Unix time, for clock times in limit messages.
    """

    session_id: str
    resumed: bool
    before: Usage | None
    clock: Callable[[], float]
    _begun: bool = False
    _answer: str = ""
    _pieces: list[str] = field(default_factory=list[str])
    _cut_off: list[str] = field(default_factory=list[str])
    _parts: int = 1
    _result: Fields | None = None
    _error: Fields | None = None
    _stopped: Failure | None = None
    _call_failure: Fields = field(default_factory=Fields)
    _calls: list[Fields] = field(default_factory=list[Fields])
    _tool_names: dict[str, str] = field(default_factory=dict[str, str])
    _withheld: set[str] = field(default_factory=set[str])
    _denied: list[str] = field(default_factory=list[str])
    _tally: Tally = field(default_factory=Tally)
    _readers: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            **dict.fromkeys(OTHERS, self.other),
            **dict.fromkeys(("session.start", "session.tools_updated"), self.start),
            **dict.fromkeys(("user.message", "assistant.turn_start"), self.going_on),
            **dict.fromkeys(("assistant.idle", "session.idle"), self.idle),
            **dict.fromkeys(("session.info", "session.warning"), self.notice),
            "assistant.message": self.message,
            "assistant.message_delta": self.message_delta,
            "assistant.reasoning": self.reasoning,
            "assistant.reasoning_delta": self.reasoning_delta,
            "assistant.turn_retry": self.retry,
            "assistant.usage": self.usage,
            "model.call_failure": self.call_failure,
            "tool.execution_start": self.tool_start,
            "tool.execution_complete": self.tool_complete,
            "session.error": self.error,
            "session_limits_exhausted.requested": self.exhausted,
            **dict.fromkeys(("abort", "agent.interrupted"), self.abort),
            "result": self.result,
        }

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        return self._tally.read(line, self._readers)

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        final = None if self._result is None else self._result.number("exitCode") == 0
        told = self._told()
        heard = Testimony(
            ending=ending,
            tally=self._tally,
            final=final,
            told=told or self._told_by_call(),
            objection=told or self._told_by_call(),
            text=self._answer,
            denied=self._denied,
            now=self.clock(),
        )
        failure = verdict(heard)
        file = next(iter(ending.files.values()), b"")
        usage, models = spent(file, self._calls, resumed=self.resumed, before=self.before)
        result = TurnResult(
            text="" if failure else self._answer,
            session_id=self.session_id if self._begun else None,
            usage=usage,
            failure=failure,
            models=models,
            warnings=() if failure else self._warnings(),
        )
        return self._tally.counted(result, ending, final=self._result is not None)

    def _warnings(self) -> tuple[str, ...]:
        if self._parts < 2:
            return ()
        return (f"the answer was longer than one output of the model: {self._parts} parts",)

    def _told(self) -> Failure | None:
        if self._error is not None:
            return told_by(self._error, self._call_failure, self.clock())
        return self._stopped or refusal_in(self._answer)

    def _told_by_call(self) -> Failure | None:
        """A failed request alone says nothing of a stream that ends: it would be tried again."""
        if self._result is None or not self._call_failure:
            return None
        return told_by(Fields(), self._call_failure, self.clock())

    def start(self, line: Fields) -> Sequence[AgentEvent]:
        """The first lines; the session's own id is known beforehand."""
        data = line.part("data")
        if not _of_sub_agent(line):
            self.session_id = data.text("sessionId") or self.session_id
        if self._begun:
            return (NoticeGiven(),)
        self._begun = True
        version = data.text("copilotVersion") or None
        return (SessionStarted(self.session_id, data.text("model") or None, version),)

    def going_on(self, line: Fields) -> Sequence[AgentEvent]:
        """The agent begins to work, or goes on with it."""
        if not _of_sub_agent(line):
            self._result = None
            if self._pieces:
                self._cut_off.append("".join(self._pieces))
            self._pieces.clear()
        return self.start(Fields()) if not self._begun else (NoticeGiven(),)

    def message(self, line: Fields) -> Sequence[AgentEvent]:
        """A whole message: an answer unless it calls tools."""
        data = line.part("data")
        requests = data.parts("toolRequests")
        for request in requests:
            self._tool_names[request.text("toolCallId")] = request.text("name")
        text = data.text("content")
        if _of_sub_agent(line) or not (text.strip() or requests):
            return (NoticeGiven(),)
        self._pieces.clear()
        if requests:
            self._take_back()
        else:
            self._answered(text, goes_on=bool(data.count("chunkIndex")))
        return (TextWritten(text),) if text else (NoticeGiven(),)

    def _answered(self, text: str, *, goes_on: bool) -> None:
        if not goes_on:
            self._answer, self._parts = "".join(self._cut_off), 1 + len(self._cut_off)
        self._answer += text
        self._cut_off.clear()
        self._error = self._stopped = self._result = None
        self._call_failure = Fields()
        self._denied.clear()

    def _take_back(self) -> None:
        """Nothing that was said so far is the answer."""
        self._answer, self._parts = "", 1
        self._pieces.clear()
        self._cut_off.clear()

    def message_delta(self, line: Fields) -> Sequence[AgentEvent]:
        """A piece of a message, of a try that may still fail."""
        if _of_sub_agent(line):
            return (NoticeGiven(),)
        piece = line.part("data").text("deltaContent")
        self._pieces.append(piece)
        return (TextWritten(piece, partial=True),)

    def reasoning(self, line: Fields) -> Sequence[AgentEvent]:
        """A whole thought."""
        return (ThinkingWritten("" if _of_sub_agent(line) else line.part("data").text("content")),)

    def reasoning_delta(self, line: Fields) -> Sequence[AgentEvent]:
        """A piece of a thought."""
        piece = "" if _of_sub_agent(line) else line.part("data").text("deltaContent")
        return (ThinkingWritten(piece, partial=True),)

    def retry(self, line: Fields) -> Sequence[AgentEvent]:
        """The CLI tries again; why is told by the call that failed before."""
        if not _of_sub_agent(line):
            self._answer = ""
            self._pieces.clear()
        call = self._call_failure
        status, attempt = call.count("statusCode"), call.count("retryAttempt")
        told = (status, line.part("data").text("reason"))
        return (
            RetryNoticed(
                " ".join(str(part) for part in told if part) or "connection",
                None if attempt is None else attempt + 1,
                retry_after_s(call.text("errorMessage")),
            ),
        )

    def call_failure(self, line: Fields) -> Sequence[AgentEvent]:
        """A request to the model failed."""
        if not _of_sub_agent(line):
            self._call_failure = line.part("data")
            self._pieces.clear()
        return (NoticeGiven(),)

    def usage(self, line: Fields) -> Sequence[AgentEvent]:
        """Tokens of one request; 1.0.102 keeps them to itself."""
        self._calls.append(line.part("data"))
        return (UsageReported(spent(b"", self._calls, resumed=False, before=None)[0]),)

    def tool_start(self, line: Fields) -> Sequence[AgentEvent]:
        """A tool call begins: what was said before is not the answer."""
        data = line.part("data")
        if not _of_sub_agent(line):
            self._take_back()
            self._result = None
        call_id, name = data.text("toolCallId"), data.text("toolName") or "?"
        self._tool_names[call_id] = name
        asked = data.part("arguments")
        return (ToolStarted(call_id, name, asked.first_line(_TELLING), digest(asked.raw)),)

    def tool_complete(self, line: Fields) -> Sequence[AgentEvent]:
        """A tool call is over."""
        data = line.part("data")
        call_id = data.text("toolCallId")
        name = self._tool_names.get(call_id) or "?"
        ok, denied = data.flag("success") is True, self._was_denied(data.part("error"))
        if denied:
            self._denied.append(name)
        elif ok:
            self._denied.clear()
        return (ToolEnded(call_id, name, ok, denied),)

    def _was_denied(self, error: Fields) -> bool:
        missing = _MISSING.search(error.text("message"))
        withheld = missing is not None and missing["name"] in self._withheld
        return withheld or error.text("code") in ("denied", "rejected")

    def notice(self, line: Fields) -> Sequence[AgentEvent]:
        """Something for a person; what tools were taken away is told so, too."""
        message = line.part("data").text("message")
        if message.startswith(_WITHHELD):
            self._withheld.update(re.split(r",\s*", message.removeprefix(_WITHHELD).strip()))
        return (NoticeGiven(one_line(message)),)

    def error(self, line: Fields) -> Sequence[AgentEvent]:
        """An error that ended the work, unless an answer comes all the same."""
        data = line.part("data")
        if not _of_sub_agent(line):
            self._error = data
        return (NoticeGiven(one_line(data.text("message"))),)

    def exhausted(self, line: Fields) -> Sequence[AgentEvent]:
        """The limit of ``--max-ai-credits`` is reached, and nobody is there to raise it."""
        del line
        self._stopped = stopped_by("autopilot_credit_limit")
        return (NoticeGiven("its limit of AI credits is reached"),)

    def abort(self, line: Fields) -> Sequence[AgentEvent]:
        """Somebody ended the work."""
        if not _of_sub_agent(line):
            reason = line.part("data").text("reason")
            self._stopped = stopped_by(reason) if reason or not self._stopped else self._stopped
        return (NoticeGiven("aborted"),)

    def idle(self, line: Fields) -> Sequence[AgentEvent]:
        """The agent has nothing to do; after an abort only this and ``abort`` say so."""
        if line.part("data").flag("aborted") and not _of_sub_agent(line):
            self._stopped = self._stopped or stopped_by("")
        return (NoticeGiven(),)

    def result(self, line: Fields) -> Sequence[AgentEvent]:
        """The end, which need not be a good one."""
        self._result = line
        self._begun = True
        self.session_id = line.text("sessionId") or self.session_id
        return (FinalGiven(line.number("exitCode") == 0 and self._told() is None),)

    def other(self, line: Fields) -> Sequence[AgentEvent]:
        """A known kind of event that says nothing about the turn."""
        del line
        return (NoticeGiven(),)


_MISSING = re.compile(r"^Tool '(?P<name>[^']+)' does not exist")
_WITHHELD = "Disabled tools:"
_TELLING = ("command", "path", "pattern", "url", "query", "description", "prompt", "input")


def _of_sub_agent(line: Fields) -> bool:
    return bool(line.text("agentId") or line.part("data").text("parentToolCallId"))
