"""Listens to one agent's process until the turn is over, and says what it came to.

The rules:

1. A turn ends by the exit of its process, a verdict of the watchdog, too much output, a tool denied
   again and again, or a grace after its final event. Then its tree is ended, while its last words
   are still read.
2. A final event that was read counts, whatever had to be done to the process later. Without one an
   ended process is never a success.
3. A flood is parsed in slices of half a millisecond, one slice of all turns per round of the
   event loop: what others wait for does not depend on how many agents print.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from orchcore.agents.adapters.protocol import Ending, ErrorParser, Parser
from orchcore.agents.invocation import Listener
from orchcore.agents.lines import LineSplitter
from orchcore.agents.output import Tail, found_files
from orchcore.agents.process import ChildProcess
from orchcore.agents.tree import Trees
from orchcore.agents.watchdog import Watchdog
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    SessionStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import Failure, TurnResult

SLICE_S = 0.0005
DENIALS = 3
_LAST_LINE_CHARS = 120
_CPU_LOOK_S = 15.0


@dataclass(slots=True, eq=False)
class Conversation:
    """One turn of a running child.

    Attributes:
        child: The process, just started; the caller leaves its block afterwards.
        stderr: Where its stderr goes.
        trees: The registry that knows the child's tree.
        parser: Understands its lines.
        listener: Is told every event.
        limits: When it is ended.
        slot: Held while a slice is parsed; shared by all turns of an event loop.
        read_back: Files the CLI writes beside its stdout.
    """

    child: ChildProcess
    stderr: Tail
    trees: Trees
    parser: Parser
    listener: Listener
    limits: TurnLimits
    slot: asyncio.Lock
    read_back: Sequence[str] = ()
    _lines: LineSplitter = field(init=False)
    _error_lines: LineSplitter = field(init=False)
    _watchdog: Watchdog = field(init=False)
    _stdout_bytes: int = 0
    _stderr_bytes: int = 0
    _cpu_looked_s: float = 0.0
    _said: str = ""
    _said_partly: bool = False
    _tool_calls: int = 0
    _denials: Counter[str] = field(default_factory=Counter[str])
    _final: bool = False
    _final_s: float | None = None
    _stopped: bool = False
    _failure: Failure | None = None

    def __post_init__(self) -> None:
        self._lines = LineSplitter(self.limits.line_limit_bytes)
        self._error_lines = LineSplitter(self.limits.line_limit_bytes)
        self._watchdog = Watchdog(self.limits, _now_s())

    async def hold(self) -> TurnResult:
        """Listens until the turn is over and its whole tree is gone.

        Raises:
            asyncio.CancelledError: Cancelled; the tree goes with the child's block.
        """
        limits = self.limits
        shortest_s = min(limits.idle_s, limits.tool_idle_s, limits.timeout_s, limits.result_grace_s)
        tick_s = min(1.0, max(0.05, shortest_s / 4))
        while not self._stopped and self.child.exit_code is None:
            await self.child.activity(tick_s)
            await self._read()
            await self._feel()
            self._judge()
        await self._wind_up()
        return self._result()

    async def _wind_up(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.child.end(), name=f"end the tree of {self.child.pid}")
            while not self.child.over:
                await self.child.activity(timeout_s=1.0)
                await self._read()

    async def _read(self) -> None:
        chunk = self.child.take()
        if not chunk or self._too_much:
            return
        self._stdout_bytes += len(chunk)
        lines = self._lines.feed(chunk)
        if lines:
            await self._parse(lines)
        else:
            self._watchdog.heard(_now_s())
        if self._lines.overlong_lines:
            limit_bytes = self.limits.line_limit_bytes
            self._end(Failure("output_limit", f"printed a line of more than {limit_bytes} bytes"))
        elif self._stdout_bytes > self.limits.output_limit_bytes:
            limit_bytes = self.limits.output_limit_bytes
            self._end(Failure("output_limit", f"printed more than {limit_bytes} bytes"))

    @property
    def _too_much(self) -> bool:
        return self._failure is not None and self._failure.kind == "output_limit"

    async def _parse(self, lines: Sequence[bytes]) -> None:
        rest = iter(lines)
        more = True
        while more:
            async with self.slot:
                more = self._parse_slice(rest)
                if more:  # kept while others run: one slice per round of the event loop
                    await asyncio.sleep(0)

    def _parse_slice(self, lines: Iterator[bytes]) -> bool:
        """Parses *lines* for ``SLICE_S``; whether there may be more. It runs for every line."""
        parse, note, listener = self.parser.parse, self._note, self.listener
        until_s = monotonic() + SLICE_S
        heard: list[AgentEvent] = []
        unexplained = more = False
        for line in lines:
            events = parse(line)
            for event in events:
                note(event)
                listener(event)
            heard += events
            unexplained = unexplained or not (events or not line.strip())
            if monotonic() > until_s:
                more = True
                break
        self._tell_watchdog(heard, unexplained=unexplained)
        return more

    def _tell_watchdog(self, heard: Sequence[AgentEvent], *, unexplained: bool) -> None:
        now_s = _now_s()
        if heard:
            self._watchdog.heard(now_s, heard)
        if unexplained:
            self._watchdog.heard(now_s)
        elif not heard:
            self._watchdog.murmured(now_s)

    def _note(self, event: AgentEvent) -> None:
        if isinstance(event, TextWritten):  # by far the commonest
            text = self._said + event.text if event.partial and self._said_partly else event.text
            self._said = text[-2 * _LAST_LINE_CHARS :]
            self._said_partly = event.partial
            return
        match event:
            case FinalGiven():
                self._final = self._final or not self._stopped
                self._final_s = _now_s()
            case SessionStarted():
                self._take_back()  # Claude 2.1.330 goes on when a background agent reports
            case ToolStarted(name=name, summary=summary):
                self._take_back()
                self._said, self._said_partly = summary or name, False
                self._called()
            case ToolEnded(name=name, denied=True):
                self._denied(name)
            case _:
                pass

    def _take_back(self) -> None:
        """The agent goes on after what looked like its end."""
        self._final_s = None
        self._final = self._final and self._stopped

    def _called(self) -> None:
        self._tool_calls += 1
        limit = self.limits.max_tool_calls
        if limit is not None and self._tool_calls > limit:
            detail = f"called tools more than {limit} times (max_tool_calls={limit})"
            self._end(Failure("turn_limit", detail))

    def _denied(self, tool: str) -> None:
        self._denials[tool] += 1
        if self._denials[tool] >= DENIALS:
            how = 'permission="edit" or permission="full", or its name in tools=, may allow it'
            self._end(Failure("permission_denied", f"{tool} was denied {DENIALS} times; {how}"))

    def _overhear(self) -> None:
        fresh = self.stderr.since(self._stderr_bytes)
        self._stderr_bytes = self.stderr.total_bytes
        if not isinstance(self.parser, ErrorParser):
            return
        for line in self._error_lines.feed(fresh):
            for event in self.parser.parse_error(line):
                self._note(event)
                self.listener(event)

    async def _feel(self) -> None:
        """Looks for signs of life beside stdout."""
        now_s = _now_s()
        if self.stderr.total_bytes > self._stderr_bytes:
            self._watchdog.murmured(now_s)
            self._overhear()
        limit_s = self._watchdog.idle_limit_s
        look_s = min(_CPU_LOOK_S, max(0.2, limit_s / 8))
        silent = self._watchdog.silent_s(now_s) > limit_s / 4
        if silent and self._final_s is None and now_s - self._cpu_looked_s > look_s:
            self._cpu_looked_s = now_s
            cpu_s = await self.trees.cpu_s(self.child.tree)
            self._watchdog.worked(_now_s(), cpu_s)

    def _judge(self) -> None:
        now_s = _now_s()
        verdict = self._watchdog.tick(now_s, drained=self.child.drained)
        if self._final_s is not None:
            self._stopped = now_s - self._final_s > self.limits.result_grace_s
        elif verdict is not None:
            said = _last_line(self._said) or _last_line(self.stderr.text)
            last = f', last line "{said}"' if said else ""
            self._end(Failure(verdict.kind, f"{verdict.detail}{last}"))

    def _end(self, failure: Failure) -> None:
        self._failure = self._failure or failure
        self._stopped = True

    def _result(self) -> TurnResult:
        code = self.child.exit_code
        counted = self._stopped and self._final
        ending = Ending(
            # An adapter takes any other code for a crash; how we ended it is no word of the CLI.
            exit_code=0 if counted else code,
            stderr_tail=self.stderr.text,
            cut_line=self._lines.rest,
            ended_by_us=self._stopped and not self._final,
            files=dict(found_files(self.read_back)),
        )
        result = self.parser.finish(ending)
        failure = self._failure if ending.ended_by_us else result.failure
        warnings = (*result.warnings, *self._warnings(counted=counted))
        return replace(result, failure=failure, exit_code=code, warnings=warnings)

    def _warnings(self, *, counted: bool) -> Iterator[str]:
        if counted and self._failure is not None:
            yield f"ended after its final event, which counts: {self._failure.detail}"
        elif counted:
            yield f"did not exit within {self.limits.result_grace_s:g} s of its final event: ended"
        for left in self.child.leftovers:
            yield f"process {left.pid} could not be ended: {left.command}"


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _last_line(text: str) -> str:
    """The last line of *text* with something on it, short and printable."""
    line = text.rstrip().rpartition("\n")[2].strip()
    shown = "".join(char if char.isprintable() else " " for char in line[-_LAST_LINE_CHARS:])
    return f"...{shown}" if len(line) > _LAST_LINE_CHARS else shown
