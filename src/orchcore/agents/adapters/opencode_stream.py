"""Reads the stream of ``opencode run --format json``.

Rules of this file, all measured with OpenCode 1.18.33:

* There is no final event. A turn is over when its last step finished with ``stop``, the stream
  is at its end and the exit code is 0. Any ``error`` line makes the exit code 1.
* A step that finished with ``stop`` need not be the last: a step with tool calls is followed by
  another whatever its reason, and a compaction goes on with a ``synthetic`` text of its own.
* ``step_start`` again for the same message is a retry of the same request: nothing else is told
  of it, and what the failed try had said does not count.
* Lines of one step are not in the order in which its parts were made; the ids of parts are.
* Tokens and cost are those of one step. A sub-agent's are not told at all.
* A call of a tool that is not offered becomes a call of the tool ``invalid``, which succeeds.
* Releases after 1.18.33 end with a ``done`` line that names the permissions they rejected.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchcore.agents.adapters.json_fields import Fields, digest, one_line
from orchcore.agents.adapters.opencode_failures import (
    message_of,
    of_errors,
    of_reason,
    of_silence,
    plain,
)
from orchcore.agents.adapters.opencode_steps import (
    Part,
    Spent,
    Step,
    call_of,
    summary_of,
)
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.tally import Reader, Tally
from orchcore.agents.adapters.verdict import Testimony, not_allowed, verdict
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
from orchcore.results import Failure, TurnResult

_LAST = ("stop", "length", "content-filter")
_SUB_AGENT = "what its sub-agents used is not told: tokens and cost are too low"


@dataclass(slots=True)
class OpenCodeParser:
    """One turn of OpenCode.

    Attributes:
        model: As requested: the stream tells none.
        clock: Unix time, for times in limit messages.
    """

    model: str | None
    clock: Callable[[], float]
    _session_id: str | None = None
    _step: Step | None = None
    _goes_on: bool = False
    _tries: int = 1
    _spent: Spent = field(default_factory=Spent)
    _errors: list[Fields] = field(default_factory=list[Fields])
    _denied: list[str] = field(default_factory=list[str])
    _sub_agents: bool = False
    _tally: Tally = field(default_factory=Tally)
    _readers: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            "step_start": self._in_session(self.step_start),
            "text": self._in_session(self.text),
            "reasoning": self._in_session(self.reasoning),
            "tool_use": self._in_session(self.tool_use),
            "step_finish": self._in_session(self.step_finish),
            "error": self._in_session(self.error),
            "done": self._in_session(self.done),
        }

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        return self._tally.read(line, self._readers)

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        ending = replace(ending, stderr_tail=plain(ending.stderr_tail))
        final = self._final()
        text = self._step.text if final and self._step is not None else ""
        heard = Testimony(
            pieced=True,
            ending=ending,
            tally=self._tally,
            final=final,
            told=self._told(ending),
            objection=_unknown_end(ending),
            text=text,
            denied=self._denied,
            now=self.clock(),
        )
        failure = verdict(heard)
        usage = self._spent.usage
        result = TurnResult(
            text="" if failure else text,
            session_id=self._session_id,
            usage=usage,
            cost_usd=self._spent.cost_usd,
            models={self.model: usage} if self.model and self._spent.steps else {},
            failure=failure,
            warnings=(_SUB_AGENT,) if self._sub_agents else (),
        )
        return self._tally.counted(result, ending, final=final is not None or self._gave_up(ending))

    def _in_session(self, reader: Reader) -> Reader:
        """*reader*, with the session told before its first line: every line has its id."""

        def read(line: Fields) -> Sequence[AgentEvent]:
            session_id = line.text("sessionID")
            if self._session_id is not None or not session_id:
                return reader(line)
            self._session_id = session_id
            return (SessionStarted(session_id, self.model), *reader(line))

        return read

    def step_start(self, line: Fields) -> Sequence[AgentEvent]:
        """``step_start``: a request to the model is being answered, perhaps not the first time."""
        message_id = line.part("part").text("messageID")
        before, was_final = self._step, self._final() is not None
        self._step, self._goes_on = Step(message_id), False
        if before is not None and not before.reason and before.message_id == message_id:
            self._tries += 1
            return (RetryNoticed("the request to the model failed", self._tries - 1),)
        self._tries = 1
        return self._on_again() if was_final else (NoticeGiven(),)

    def text(self, line: Fields) -> Sequence[AgentEvent]:
        """``text``: a whole part of a message; a ``synthetic`` one is OpenCode's own prompt."""
        part = line.part("part")
        text = part.text("text")
        if part.flag("synthetic"):
            self._goes_on = True
            return (*self._on_again(), NoticeGiven(one_line(text)))
        self._at(part).add(Part(part.text("id"), text))
        return (TextWritten(text),)

    def reasoning(self, line: Fields) -> Sequence[AgentEvent]:
        """``reasoning``: only with ``--thinking``."""
        return (ThinkingWritten(line.part("part").text("text")),)

    def tool_use(self, line: Fields) -> Sequence[AgentEvent]:
        """``tool_use``: a call that is over, its result included."""
        part = line.part("part")
        call_id, state = part.text("callID"), part.part("state")
        name, ok, denied = call_of(part)
        step = self._at(part)
        step.add(Part(part.text("id")))
        step.waits |= not part.part("metadata").flag("providerExecuted")
        if denied:
            step.denied.append(name)
            self._denied.append(name)
        elif ok:
            self._denied.clear()
        self._sub_agents |= bool(state.part("metadata").text("sessionId"))
        asked = digest(state.part("input").raw)
        started = ToolStarted(call_id, name, summary_of(state), asked)
        return (started, ToolEnded(call_id, name, ok, denied))

    def step_finish(self, line: Fields) -> Sequence[AgentEvent]:
        """``step_finish``: why a step ended, and what it used."""
        part = line.part("part")
        step = self._at(part)
        step.reason = part.text("reason") or "unknown"
        self._spent.add(part)
        reported = UsageReported(self._spent.usage, self._spent.cost_usd)
        if step.waits or step.reason not in _LAST:
            return (reported,)
        return (reported, FinalGiven(self._final() is True))

    def error(self, line: Fields) -> Sequence[AgentEvent]:
        """``error``: the end of the turn, but for a context that is too long and is compacted."""
        error = line.part("error")
        self._errors.append(error)
        notice = NoticeGiven(one_line(message_of(error)))
        if error.text("name") == "ContextOverflowError":
            return (notice,)
        return (notice, FinalGiven(ok=False))

    def done(self, line: Fields) -> Sequence[AgentEvent]:
        """``done``: the session is idle."""
        rejected = line.words("rejected")
        if self._step is not None:
            self._step.denied.extend(rejected)
        self._denied.extend(rejected)
        return (FinalGiven(self._final() is True),)

    def _at(self, part: Fields) -> Step:
        """The step of *part*, made anew if no ``step_start`` told of it."""
        message_id = part.text("messageID")
        step = self._step
        if step is None or (message_id and step.message_id != message_id):
            step = self._step = Step(message_id)
            self._goes_on = False
        return step

    def _on_again(self) -> Sequence[AgentEvent]:
        """Takes back that the turn was over."""
        return (SessionStarted(self._session_id or "", self.model),)

    def _final(self) -> bool | None:
        """Whether all that was read so far is a turn that is over and well; ``None``: not over."""
        if self._errors:
            return False
        step = self._step
        if step is None or self._goes_on or step.waits:
            return None
        return step.reason == "stop" if step.reason in _LAST else None

    def _told(self, ending: Ending) -> Failure | None:
        """The failure that the stream or stderr tells of."""
        if self._errors:
            return of_errors(self._errors, ending.stderr_tail, self.clock())
        if not self._tally.known:
            return of_silence(ending)
        step = self._step
        if step is None or not step.reason or self._goes_on:
            return None
        return not_allowed(step.denied) if self._gave_up(ending) else of_reason(step.reason)

    def _gave_up(self, ending: Ending) -> bool:
        """Whether it ended by itself without an answer, because a permission was rejected."""
        step = self._step
        over = step is not None and step.waits and bool(step.reason) and not self._goes_on
        return over and step is not None and bool(step.denied) and ending.exit_code == 0


def _unknown_end(ending: Ending) -> Failure | None:
    """The exit code is half of the only sign that a turn is over."""
    if ending.exit_code is None:
        return Failure("crashed", "ended with an unknown exit code")
    return None
