"""Lines for a log: one per change of state, and what an agent wrote in one block at its end."""

import time
from collections.abc import Callable, Mapping
from typing import TextIO

from orchcore.events import (
    AgentSaid,
    AgentStalled,
    ApprovalAsked,
    AttemptStarted,
    Event,
    InstanceEnded,
    LimitAwaited,
    LimitNoticed,
    LoopSuspected,
    NodeEnded,
    Printed,
    Queued,
    RetryScheduled,
    RunStarted,
    StopRequested,
    Warned,
)
from orchcore.reporting.ci import dialect_for
from orchcore.reporting.figures import shown_dollars, shown_duration
from orchcore.reporting.glyphs import STATE_STYLE, glyphs_for
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.sanitize import clean_line, harmless_in_logs
from orchcore.reporting.step_summary import write_step_summary
from orchcore.reporting.story import Story
from orchcore.reporting.streams import Outlet
from orchcore.reporting.styled import Line, Style, painted, painted_lines, wants_colour
from orchcore.reporting.summary import summary
from orchcore.reporting.transcript import Transcript
from orchcore.reporting.wording import (
    handled_text,
    header,
    limit_text,
    loop_text,
    reason_of,
    retry_text,
    row_of,
    waiting_text,
)

_BUSY_NAMED = 5
"""How many running nodes a heartbeat names."""


class PlainDisplay:
    """An observer that writes a log: no cursor codes, nothing is ever rewritten."""

    def __init__(
        self,
        out: TextIO,
        environ: Mapping[str, str],
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.time,
        heartbeat_s: float = 30.0,
    ) -> None:
        """Writes nothing yet.

        Args:
            out: Where the lines go.
            environ: Tells the CI system and whether colours are wanted.
            verbose: Whether what agents wrote is shown for passed nodes too.
            clock: Gives unix seconds.
            heartbeat_s: Silence after which a line says that the run goes on.
        """
        self._outlet = Outlet(out)
        self._environ = environ
        self._colour = wants_colour(out, environ)
        self._glyphs = glyphs_for(self._outlet.encoding)
        self._dialect = dialect_for(environ)
        self._verbose, self._clock, self._heartbeat_s = verbose, clock, heartbeat_s
        self._story = Story()
        self._transcripts: dict[str, Transcript] = {}
        self._id_cells = 0
        self._due: list[str] = []
        self._fresh: dict[str, int] = {}
        self._held: set[str] = set()
        self._wrote_at = clock()

    def on_event(self, event: Event) -> None:
        """Takes *event* in; what is to be said of it is written at the next tick."""
        self._story.tell(event)
        match event:
            case AgentSaid():
                self._hear(event)
            case AttemptStarted():
                self._start(event)
            case Queued():
                self._queue(event)
            case InstanceEnded():
                self._finish(event.at, self._story.leaf(event.node))
            case NodeEnded():
                self._finish_node(event)
            case RunStarted():
                self._say(header(event, self._story, self._glyphs))
                self._id_cells = min(
                    max((len(leaf.id) for leaf in self._story.leaves), default=0), 40
                )
            case _:
                self._tell_rarer(event)

    def tick(self) -> None:
        """Writes what is due, or a sign of life after a long silence."""
        now = self._clock()
        if self._due:
            text, self._due = "".join(self._due), []
            self._fresh.clear()
            self._wrote_at = now
            self._outlet.write(text)
        elif now - self._wrote_at >= self._heartbeat_s and self._is_on():
            self._wrote_at = now
            self._outlet.write(f"{painted(self._heartbeat(now), colour=self._colour)}\n")
        else:
            self._outlet.write("")

    def pause(self) -> None:
        """Holds the lines back while somebody is asked something."""
        self._outlet.hold()

    def resume(self) -> None:
        """Lets what was held back be written at the next tick."""
        self._outlet.release()

    def close(self) -> None:
        """Writes the summary, and GitHub's step summary where one is wanted."""
        if self._story.run is not None:
            lines = summary(self._story, self._glyphs, self._clock())
            self._due.append(painted_lines(lines, colour=self._colour))
            self._due.append(write_step_summary(self._story, self._environ))
        try:
            self.tick()
        finally:
            self._outlet.close()

    def _is_on(self) -> bool:
        return self._story.run is not None and self._story.ended is None

    def _tell_rarer(self, event: Event) -> None:
        match event:
            case RetryScheduled() | ApprovalAsked() | LimitAwaited():
                self._tell_wait(event)
            case AgentStalled():
                self._tell_stall(event)
            case LoopSuspected():
                self._tell_loop(event)
            case Warned():
                self._warn(event)
            case Printed():
                self._tell_print(event)
            case StopRequested():
                text = "killing what has not ended" if event.forced else "stopping"
                self._warn_line(event.at, f"{text}: {event.reason}")
            case _:
                self._note(event)

    def _hear(self, event: AgentSaid) -> None:
        self._note(event)
        if isinstance(event.event, LimitNoticed):
            leaf = self._story.leaf(event.node)
            if leaf.limited:
                self._change(
                    event.at, self._glyphs.limited, "yellow", leaf, limit_text(leaf, event.at)
                )

    def _note(self, event: Event) -> None:
        node: str = getattr(event, "node", "")
        if node:
            self._transcripts.setdefault(node, Transcript()).note(event)

    def _start(self, event: AttemptStarted) -> None:
        self._fresh[event.node] = len(self._due)
        self._tell_start(event.at, self._story.leaf(event.node))

    def _tell_start(self, at: float, leaf: Leaf) -> None:
        text = f"attempt {leaf.attempt} started" if leaf.attempt > 1 else "started"
        self._change(at, self._glyphs.states["running"], "cyan", leaf, text)

    def _queue(self, event: Queued) -> None:
        """What waits before it does anything is said to wait now, and to start when it may."""
        leaf = self._story.leaf(event.node)
        if event.waits and leaf.id in self._fresh:
            self._held.add(leaf.id)
            self._change(
                event.at,
                self._glyphs.states["waiting"],
                "dim",
                leaf,
                waiting_text(leaf, self._story),
            )
            self._due[self._fresh[leaf.id]] = self._due.pop()
        elif not event.waits and leaf.id in self._held:
            self._held.remove(leaf.id)
            self._tell_start(event.at, leaf)

    def _tell_wait(self, event: RetryScheduled | ApprovalAsked | LimitAwaited) -> None:
        leaf, glyphs, at = self._story.leaf(event.node), self._glyphs, event.at
        match event:
            case RetryScheduled():
                self._change(at, glyphs.retry, "yellow", leaf, retry_text(leaf, at))
            case ApprovalAsked():
                self._change(at, glyphs.asks, "bold yellow", leaf, f"asks: {event.question}")
            case LimitAwaited():
                self._change(at, glyphs.limited, "yellow", leaf, limit_text(leaf, at))

    def _tell_stall(self, event: AgentStalled) -> None:
        leaf = self._story.leaf(event.node)
        last = f", last line {event.last_line!r}" if event.last_line else ""
        text = f"stalled: said nothing for {event.silent_s:g} s (idle={event.limit_s:g}){last}"
        self._change(event.at, "!", "yellow", leaf, text)

    def _tell_loop(self, event: LoopSuspected) -> None:
        leaf = self._story.leaf(event.node)
        self._change(event.at, "!", "yellow", leaf, loop_text(event))

    def _tell_print(self, event: Printed) -> None:
        if event.node:
            leaf = self._story.leaf(event.node)
            self._change(event.at, self._glyphs.bar, "dim", leaf, event.text)
        else:
            self._due.append(f"{harmless_in_logs(clean_line(event.text))}\n")

    def _finish_node(self, event: NodeEnded) -> None:
        node = self._story.nodes[event.node]
        # The instances of a fan-out have told all there is, unless it failed as a whole.
        if not node.instances:
            self._finish(event.at, node.own)
        elif event.state not in {"passed", "reused"}:
            self._tell_end(event.at, node.own)

    def _tell_end(self, at: float, leaf: Leaf) -> None:
        row = row_of(leaf, self._story, at, self._glyphs)
        figures = f"{row.time:<5}  {'  '.join(filter(None, (row.cost, row.marked_text)))}"
        where = f"  {row.note}" if row.note else ""
        self._change(at, row.glyph, STATE_STYLE[leaf.state], leaf, f"{figures}{where}")

    def _finish(self, at: float, leaf: Leaf) -> None:
        self._tell_end(at, leaf)
        if self._verbose:
            for text in handled_text(leaf):
                self._change(at, "!", "yellow", leaf, text)
        transcript = self._transcripts.pop(leaf.id, None)
        if transcript is not None and (self._verbose or leaf.state == "failed"):
            self._print_block(at, leaf, transcript)
        if leaf.state == "failed":
            node = self._story.node_of(leaf)
            level = "warning" if node.drawn.optional else "error"
            text = f"{leaf.id} failed: {reason_of(leaf)}"
            self._due.append(self._dialect.marked(level, text, node.drawn.where))

    def _print_block(self, at: float, leaf: Leaf, transcript: Transcript) -> None:
        lines = list(transcript.lines())
        if not lines:
            return
        title = f"output of {leaf.id}"
        self._due.append(self._dialect.opened(title, at))
        margin = f"  {self._glyphs.bar} "
        for line in lines:
            self._say(((margin, "dim"), (harmless_in_logs(line), "")))
        self._due.append(self._dialect.shut(title, at))

    def _warn(self, event: Warned) -> None:
        about = f"{event.node}: " if event.node else ""
        self._warn_line(event.at, f"{about}{event.text}")
        self._due.append(self._dialect.marked("warning", f"{about}{event.text}"))

    def _warn_line(self, at: float, text: str) -> None:
        self._say((self._stamp(at), ("! ", "bold yellow"), (harmless_in_logs(text), "yellow")))

    def _change(self, at: float, glyph: str, style: Style, leaf: Leaf, text: str) -> None:
        name = f"{leaf.id:<{self._id_cells}}  "
        self._say((self._stamp(at), (f"{glyph} ", style), (name, ""), (harmless_in_logs(text), "")))

    def _stamp(self, at: float) -> tuple[str, Style]:
        return f"{shown_duration(self._story.elapsed_s(at)):>6}  ", "dim"

    def _say(self, line: Line) -> None:
        self._due.append(f"{painted(line, colour=self._colour)}\n")

    def _heartbeat(self, now: float) -> Line:
        running = [leaf for leaf in self._story.leaves if leaf.state == "running"]
        named = [
            f"{leaf.id} {shown_duration(leaf.elapsed_s(now))}" for leaf in running[:_BUSY_NAMED]
        ]
        if len(running) > _BUSY_NAMED:
            named.append(f"{len(running) - _BUSY_NAMED} more")
        counts = ", ".join(f"{count} {state}" for state, count in self._story.tally().items())
        cost = self._story.cost_usd()
        parts = [counts, ", ".join(named), "" if cost is None else shown_dollars(cost)]
        dot = f" {self._glyphs.dot} "
        return (
            self._stamp(now),
            (f"{self._glyphs.ellipsis} {dot.join(filter(None, parts))}", "dim"),
        )
