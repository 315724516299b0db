"""Reads the stream of ``gemini --output-format stream-json``.

Rules of this file, measured with Gemini CLI 0.61.0:

* Text comes in pieces only, those of tries that failed included; see ``gemini_tries``. The answer
  is what came after the last tool call.
* ``error`` lines are warnings or the reason of what follows; the verdict is the ``result`` line.
* ``stats`` are this process's alone, also in a resumed session. ``input_tokens`` includes the
  cached; ``output_tokens`` leaves out the thoughts, which only ``total_tokens`` has.
* A shell command that failed is a tool call that succeeded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchcore.agents.adapters.gemini_failures import (
    objection,
    refused_tool,
    told,
    without_noise,
)
from orchcore.agents.adapters.gemini_tries import EventLog, Piece, last_try, unix_time
from orchcore.agents.adapters.json_fields import Fields, digest, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.tally import Reader, Tally
from orchcore.agents.adapters.verdict import Testimony, verdict
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    NoticeGiven,
    SessionStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import TurnResult, Usage


@dataclass(slots=True)
class GeminiParser:
    """One turn of Gemini CLI.

    Attributes:
        clock: Unix time, for times of day in limit messages.
    """

    clock: Callable[[], float]
    _session_id: str | None = None
    _tool_names: dict[str, str] = field(default_factory=dict[str, str])
    _denied: list[str] = field(default_factory=list[str])
    _pieces: list[Piece] = field(default_factory=list[Piece])
    _trouble: Fields | None = None
    _result: Fields | None = None
    _answered: bool = False
    _tally: Tally = field(default_factory=Tally)
    _readers: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        self._readers = {
            "init": self.init,
            "message": self.message,
            "tool_use": self.tool_use,
            "tool_result": self.tool_result,
            "error": self.error,
            "result": self.result,
        }

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The events of one whole line. Never raises."""
        return self._tally.read(line, self._readers)

    def finish(self, ending: Ending) -> TurnResult:
        """The verdict over the turn. Never raises."""
        ending = without_noise(ending)
        log = _event_log(ending)
        pieces, guessed = last_try(self._pieces, log)
        text = "".join(piece.text for piece in pieces)
        now = self.clock()
        final = None if self._result is None else self._result.text("status") == "success"
        failure = verdict(
            Testimony(
                pieced=True,
                ending=ending,
                tally=self._tally,
                final=final,
                told=told(self._result, self._trouble, ending, now),
                objection=objection(self._trouble, log, now) if final else None,
                text=text,
                denied=self._denied,
                now=now,
            )
        )
        result = TurnResult(
            text="" if failure else text,
            session_id=self._session_id,
            usage=self._usage(),
            models=self._models(),
            failure=failure,
            warnings=(_GUESSED,) if guessed and not failure else (),
        )
        return self._tally.counted(result, ending, final=final is not None)

    def init(self, line: Fields) -> Sequence[AgentEvent]:
        """The first line: session and model."""
        self._session_id = line.text("session_id") or self._session_id
        return (SessionStarted(self._session_id or "", line.text("model") or None),)

    def message(self, line: Fields) -> Sequence[AgentEvent]:
        """The prompt's echo, or a piece of a reply."""
        if line.text("role") != "assistant":
            return (NoticeGiven(),)
        self._went_on()
        text, partial = line.text("content"), line.flag("delta") is True
        if not partial:
            self._pieces.clear()
        self._pieces.append(Piece(text, unix_time(line.text("timestamp"))))
        return (TextWritten(text, partial),)

    def tool_use(self, line: Fields) -> Sequence[AgentEvent]:
        """A tool call: what was said before it is not the answer."""
        self._went_on()
        self._pieces.clear()
        call_id, name = line.text("tool_id"), line.text("tool_name") or "?"
        self._tool_names[call_id] = name
        asked = line.part("parameters")
        return (ToolStarted(call_id, name, asked.first_line(_TELLING), digest(asked.raw)),)

    def tool_result(self, line: Fields) -> Sequence[AgentEvent]:
        """The end of a tool call."""
        self._went_on()
        self._pieces.clear()
        call_id = line.text("tool_id")
        name = self._tool_names.get(call_id) or call_id.partition("__")[0] or "?"
        ok = line.text("status") == "success"
        denied = not ok and refused_tool(name, line.part("error"))
        self._denied = [*self._denied, name] if denied else []
        return (ToolEnded(call_id, name, ok, denied),)

    def error(self, line: Fields) -> Sequence[AgentEvent]:
        """A warning, or why the turn is about to end."""
        self._trouble = line
        return (NoticeGiven(one_line(line.text("message"))),)

    def result(self, line: Fields) -> Sequence[AgentEvent]:
        """The last line."""
        self._result = line
        return (UsageReported(self._usage()), FinalGiven(line.text("status") == "success"))

    def _went_on(self) -> None:
        """What was in the way was not, as the agent goes on."""
        self._answered = True
        self._trouble = None
        self._result = None

    def _usage(self) -> Usage:
        return self._counted((self._result or Fields()).part("stats"))

    def _models(self) -> Mapping[str, Usage]:
        by_model = (self._result or Fields()).part("stats").part("models")
        return {name: self._counted(by_model.part(name)) for name in by_model.raw}

    def _counted(self, stats: Fields) -> Usage:
        usage = _usage(stats)
        # A reply that broke off is not counted: nothing is known of it, not that it was free.
        counted = usage.input_tokens or usage.output_tokens
        return usage if counted or not self._answered else Usage()


_GUESSED = "what came before a pause was left out of the answer: the reply seemed to begin again"
_TELLING = ("command", "file_path", "dir_path", "path", "pattern", "query", "prompt", "description")


def _usage(stats: Fields) -> Usage:
    total, given = stats.count("total_tokens"), stats.count("input_tokens")
    output = stats.count("output_tokens")
    if total is not None and given is not None:
        output = max(total - given, output or 0)
    return Usage(given, output, stats.count("cached"))


def _event_log(ending: Ending) -> EventLog | None:
    logs = (EventLog.of(content) for content in ending.files.values())
    return next((log for log in logs if log is not None), None)
