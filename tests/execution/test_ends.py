"""How runs end: exit codes, recording, stops, cancellation, events."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchcore.declarations.body import BODY
from orchcore.errors import Location, Problem, RecordingError
from orchcore.events import (
    AttemptStarted,
    Event,
    InstanceEnded,
    NodeEnded,
    NodeExpanded,
    RunEnded,
    RunStarted,
    StopRequested,
    TurnEnded,
)
from orchcore.execution.control import Control
from orchcore.execution.endings import Ending, Verdict, combined, exit_code, got
from orchcore.execution.janitor import Janitor
from orchcore.execution.patience import Patience
from orchcore.execution.ports import Answer, Question
from orchcore.results import Failure, NodeState
from orchcore.testing import MemoryRecorder, replied
from orchfiles import played, rehearsal


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["passed", "skipped", "reused"], 0),
        (["passed", "failed"], 1),
        (["blocked"], 1),
        (["partial"], 1),
        (["cancelled"], 1),
        (["paused", "passed"], 10),
        (["paused", "failed"], 1),
    ],
)
def test_exit_codes(states: list[NodeState], code: int) -> None:
    """The gravest wins: 3, 2, 1, 10, 0."""
    verdicts: list[Verdict] = [(state, False, False) for state in states]
    assert exit_code(verdicts, interrupted=False, internal=False) == code
    assert exit_code(verdicts, interrupted=True, internal=False) == 2
    assert exit_code(verdicts, interrupted=True, internal=True) == 3


def test_optional_and_declined_nodes_in_exit_codes() -> None:
    """An optional failure is none; a person's no fails the run."""
    assert exit_code([("failed", True, False)], interrupted=False, internal=False) == 0
    assert exit_code([("skipped", False, True)], interrupted=False, internal=False) == 1


def _ending(state: NodeState, **more: Any) -> Ending:
    return Ending(state, failure=None if state == "passed" else Failure("error", state), **more)


@pytest.mark.parametrize(
    ("states", "quorum", "expected", "reason"),
    [
        ("ppp", None, "passed", ""),
        ("", None, "passed", ""),
        ("ss", None, "passed", ""),
        ("pfc", None, "failed", "1 of 3 passed; failed: n1; cancelled: n2"),
        ("pcc", None, "cancelled", "1 of 3 passed; cancelled: n1, n2"),
        ("pbb", None, "blocked", "why n1"),
        ("pbf", None, "failed", "1 of 3 passed; blocked: n1; failed: n2"),
        ("pwf", None, "paused", "why n1"),
        ("ppf", 2, "partial", "2 of 3 passed, quorum 2; failed: n2"),
        ("pps", 2, "passed", ""),
        ("", 1, "passed", ""),
        ("ffffffff", 9, "failed", "0 of 8 passed, quorum 9; failed: n0, n1, n2, n3, n4 and 3 more"),
    ],
)
def test_what_instances_come_to_together(
    states: str, quorum: int | None, expected: str, reason: str
) -> None:
    """Letters: passed, failed, cancelled, skipped, blocked, waiting for a person."""
    names: dict[str, NodeState] = {
        "p": "passed", "f": "failed", "c": "cancelled", "s": "skipped", "b": "blocked", "w": "paused",
    }  # fmt: skip
    endings = [(f"n{n}", _ending(names[s], reason=f"why n{n}")) for n, s in enumerate(states)]
    found = combined(endings, quorum)
    assert (found.state, found.reason) == (expected, reason)


def test_a_node_that_needs_what_was_cancelled_is_cancelled() -> None:
    """And says which."""
    missing = got("plan", _ending("cancelled"))
    assert "plan was cancelled" in str(missing)


EVERY = """
@agent
async def plan(ai: Agent) -> str: return await ai.ask("plan")
@phase(parallel=2)
async def work(p: str = use(plan), x: int = each([1, 2, 3])) -> int: return x
@phase(when=plan.where(lambda p: False))
async def skipped() -> int: return 1
@phase
async def bad() -> int: raise ValueError
@phase
async def blocked(b: int = use(bad)) -> int: return b
"""


def _said_at(event: Event) -> tuple[float, str]:
    return event.at, repr(event)


async def test_the_events_of_a_run_are_complete(tmp_path: Path) -> None:
    """One start, one end for every node and instance, one end of the run; the record has them all."""
    recorder = MemoryRecorder()
    done = await played(tmp_path, EVERY, recorder=recorder, params={})
    assert isinstance(done.events[0], RunStarted)
    assert isinstance(done.events[-1], RunEnded)
    assert sorted(event.node for event in done.of(NodeEnded)) == [
        "bad",
        "blocked",
        "plan",
        "skipped",
        "work",
    ]
    assert [event.node for event in done.of(InstanceEnded)] == ["work:1", "work:2", "work:3"]
    assert {event.node: event.state for event in done.of(NodeEnded)}["work"] == "passed"
    ended = done.of(RunEnded)[0]
    assert (ended.exit_code, dict(ended.states)) == (
        1,
        {"passed": 4, "skipped": 1, "failed": 1, "blocked": 1},
    )
    assert (ended.turns, ended.unpriced_turns) == (1, 1)
    told = [event for event in done.events if event.kind != "agent_said"]
    # what is durable first is told a little later, when others have said something
    assert sorted(recorder.events, key=_said_at) == sorted(told, key=_said_at)


async def test_what_a_run_says_at_its_start(tmp_path: Path) -> None:
    """Nodes, needs, known instances, parameters without secrets."""
    body = (
        EVERY
        + """
@phase
async def last(t: SecretStr = param(), n: int = param(3), w: list[int] = use(work)) -> int: return n
"""
    )
    done = await played(tmp_path, body, params={"t": "hunter2"})
    started = done.of(RunStarted)[0]
    drawn = {node.id: node for node in started.nodes}
    assert drawn["work"].instances == ("work:1", "work:2", "work:3")
    assert (drawn["work"].fan, drawn["work"].needs, drawn["plan"].role) == (
        True,
        ("plan",),
        "agent",
    )
    assert started.parameters == {"t": "***", "n": "3"}
    assert "orchfile.py:" in drawn["plan"].where
    done = await played(tmp_path, body, targets=["plan"])
    assert done.of(RunStarted)[0].parameters == {"n": "3"}


async def test_costs_add_up(tmp_path: Path) -> None:
    """Turns of all instances and attempts, also of those that were cancelled."""
    body = """
    @agent(parallel=2, fail_fast=True)
    async def work(ai: Agent, x: str = each(["a", "b"])) -> None:
        await ai.ask(x)
        if x == "b": raise ValueError
        await asyncio.sleep(60)
    """
    done = await played(tmp_path, body, lambda asked: replied(asked.prompt, cost_usd=0.25))
    assert done.states["work:a"] == "cancelled"
    assert (done.ended("work:a").cost_usd, done.ended("work").cost_usd) == (0.25, 0.5)
    assert done.of(RunEnded)[0].cost_usd == 0.5


class Recorder(MemoryRecorder):
    """Slow, or failing from the first event that *fails* says."""

    def __init__(self, fails: Callable[[Event], bool] | None = None, delay_s: float = 0.0) -> None:
        super().__init__()
        self._fails = fails
        self._delay_s = delay_s
        self.committed: list[Event] = []

    async def commit(self, event: Event) -> None:
        await asyncio.sleep(self._delay_s)
        if self._fails is not None and self._fails(event):
            raise RecordingError(Problem("disk-full", "no space", Location(Path("x"), 1)))
        self.committed.append(event)
        await super().commit(event)


async def test_a_result_is_durable_before_anything_uses_it(tmp_path: Path) -> None:
    """However slow the recorder is; observers are told when it is recorded."""
    recorder = Recorder(delay_s=0.02)
    starts: list[tuple[str, list[str]]] = []

    def observe(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            durable = [e.node for e in recorder.committed if isinstance(e, NodeEnded)]
            starts.append((event.node, durable))

    body = """
    @agent
    async def plan(ai: Agent) -> str: return await ai.ask("x")
    @phase
    async def then(p: str = use(plan)) -> int: return 1
    @phase
    async def last(t: int = use(then)) -> int: return 1
    """
    done = await played(tmp_path, body, recorder=recorder, observe=observe)
    assert done.exit_code == 0
    assert starts == [("plan", []), ("then", ["plan"]), ("last", ["plan", "then"])]


@pytest.mark.parametrize("kind", [TurnEnded, NodeEnded, RunEnded])
async def test_a_record_that_cannot_be_written_ends_the_run(
    tmp_path: Path, kind: type[Event]
) -> None:
    """Nothing new starts, what runs is ended, and the error is raised when all is in order."""
    body = """
    closed: list[int] = []
    @resource
    async def db() -> AsyncIterator[int]:
        yield 1
    @agent
    async def plan(ai: Agent, d: int = use(db)) -> str: return await ai.ask("x")
    @phase
    async def other() -> int:
        await asyncio.sleep(0.03)
        return 1
    @phase
    async def never(p: str = use(plan), o: int = use(other)) -> int: return 1
    """
    recorder = Recorder(lambda event: isinstance(event, kind))
    told: list[Event] = []
    with pytest.raises(RecordingError, match="no space"):
        await rehearsal(tmp_path, body, recorder=recorder, observe=told.append).run()
    ended = [event for event in told if isinstance(event, RunEnded)]
    assert len(ended) == 1
    assert len([event for event in told if isinstance(event, NodeEnded)]) == 3
    started = {event.node for event in told if isinstance(event, AttemptStarted)}
    assert ("never" in started) == (kind is RunEnded)
    if kind is not RunEnded:
        assert ended[0].exit_code == 3
        assert [event.reason for event in told if isinstance(event, StopRequested)] == [
            "the run cannot be recorded"
        ]


async def test_a_recorder_with_a_bug_is_no_recording_error(tmp_path: Path) -> None:
    """A bug stays a bare exception, and the run ends in order."""

    def broken(event: Event) -> bool:
        return isinstance(event, TurnEnded) and int("bug") > 0

    told: list[Event] = []
    body = "@agent\nasync def plan(ai: Agent) -> str: return await ai.ask('x')\n"
    done = await rehearsal(tmp_path, body, recorder=Recorder(broken), observe=told.append).run()
    assert (
        done.endings["plan"].reason
        == "error: ValueError: invalid literal for int() with base 10: 'bug'"
    )


async def test_stopping_ends_what_runs_and_starts_nothing(tmp_path: Path) -> None:
    """Every node has its end, instances before their node; exit code 2."""
    body = """
    @phase(parallel=2)
    async def work(x: int = each([1, 2, 3, 4])) -> int:
        if x > 1: await asyncio.sleep(60)
        return x
    @phase
    async def then(xs: list[int] = use(work)) -> int: return 1
    @phase
    async def outcome(xs: Any = use(settled(work))) -> int: return 1
    """
    control = Control()

    def observe(event: Event) -> None:
        if isinstance(event, InstanceEnded) and event.node == "work:1":
            control.stop("SIGTERM")
            control.stop("again")

    done = await rehearsal(tmp_path, body, observe=observe).run(control)
    assert done.exit_code == 2
    assert done.states == {
        "work": "cancelled", "then": "cancelled", "outcome": "cancelled",
        "work:1": "passed", "work:2": "cancelled", "work:3": "cancelled", "work:4": "cancelled",
    }  # fmt: skip
    assert [event.reason for event in done.of(StopRequested)] == ["SIGTERM"]
    order = [e.node for e in done.events if isinstance(e, NodeEnded | InstanceEnded)]
    assert order.index("work") > max(order.index(f"work:{n}") for n in range(1, 5))
    assert done.endings["work:3"].reason == "the run was ended"


async def test_a_run_that_is_stopped_before_it_starts(tmp_path: Path) -> None:
    """Nothing starts, everything has its end."""
    control = Control()
    control.stop("SIGINT")
    done = await rehearsal(tmp_path, EVERY).run(control)
    assert set(done.states.values()) == {"cancelled"}
    assert not done.of(AttemptStarted)
    assert (done.exit_code, done.of(RunEnded)[0].states) == (2, {"cancelled": 5})


async def test_a_result_that_is_being_recorded_survives_a_stop(tmp_path: Path) -> None:
    """It is paid: it is recorded and told although the run is ended meanwhile."""
    control = Control()

    class Stopping(Recorder):
        async def commit(self, event: Event) -> None:
            if isinstance(event, NodeEnded | TurnEnded):
                asyncio.get_running_loop().call_soon(control.stop, "SIGINT")
                await asyncio.sleep(0.01)
            await super().commit(event)

    recorder = Stopping()
    body = "@phase\nasync def plan() -> int: return 1\n@phase\nasync def then(x: int = use(plan)) -> int: return x\n"
    done = await rehearsal(tmp_path, body, recorder=recorder).run(control)
    assert done.states == {"plan": "passed", "then": "cancelled"}
    assert [event.state for event in done.of(NodeEnded) if event.node == "plan"] == ["passed"]
    assert any(
        isinstance(event, NodeEnded) and event.node == "plan" for event in recorder.committed
    )


async def test_suspending_and_hurrying_without_processes(tmp_path: Path) -> None:
    """They reach the trees of the run; before it starts they do nothing."""
    control = Control()
    control.suspend()
    control.resume()
    control.hurry()

    def observe(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            control.suspend()
            control.resume()
            control.stop("SIGINT")
            control.hurry()

    body = (
        "@phase(timeout=60)\nasync def plan() -> int:\n    await asyncio.sleep(60)\n    return 1\n"
    )
    done = await rehearsal(tmp_path, body, observe=observe).run(control)
    assert done.exit_code == 2
    assert [event.forced for event in done.of(StopRequested)] == [False, True]


async def test_tasks_that_do_not_end_do_not_keep_a_run() -> None:
    """A forgotten task that swallows its cancellation is told and left behind."""
    told: list[str] = []
    patience = Patience()
    janitor = Janitor(lambda text, node: told.append(f"{node}: {text}"), patience)
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    body: Any = object()
    token = BODY.set(body)
    task = asyncio.create_task(stubborn(), name="stubborn")
    BODY.reset(token)
    await asyncio.sleep(0)
    janitor.body_ended(body, "work")
    patience._until = time.monotonic() + 0.05
    await janitor.finish()
    assert janitor.left == {task}
    assert told == [
        "work: task 'stubborn' was left running and is cancelled",
        ": left behind, they do not end although cancelled: tasks 'stubborn'",
    ]
    release.set()
    await task


async def test_instances_are_known_before_they_start(tmp_path: Path) -> None:
    """NodeExpanded first, then the attempts of its instances."""
    done = await played(tmp_path, EVERY)
    kinds = [
        e
        for e in done.events
        if isinstance(e, NodeExpanded | AttemptStarted) and e.node.startswith("work")
    ]
    assert isinstance(kinds[0], NodeExpanded)
    assert len(kinds) == 4


async def test_a_large_fan_out_takes_no_quadratic_time(tmp_path: Path) -> None:
    """Two thousand instances behind each other, element-wise, in a second or two."""
    body = """
    @phase
    async def items() -> list[int]: return [1] * 2000
    @phase(parallel=50)
    async def work(x: int = each(items)) -> int: return x
    @phase(parallel=50)
    async def more(x: int = each(work), y: int = each(items)) -> int: return x + y
    @phase
    async def end(xs: list[int] = use(more)) -> int: return sum(xs)
    """
    async with asyncio.timeout(30):
        done = await played(tmp_path, body)
    assert done.values["end"] == 4000


def test_a_resource_that_did_not_close_is_graver_than_a_pause() -> None:
    """Whoever answers the gate later must not take the run for a good one."""
    paused: list[Verdict] = [("paused", False, False)]
    assert exit_code(paused, interrupted=False, internal=False, untidy=True) == 1


async def test_the_end_tells_what_no_node_tells(tmp_path: Path) -> None:
    """A gate that was declined and a resource that did not close: why the run exits 1."""
    body = """
    @resource
    async def db() -> AsyncIterator[int]:
        yield 1
        raise OSError("gone")
    @phase
    async def plan(db: int = use(db)) -> list[str]: return ["one", "two"]
    checked = approve(plan, "ok?", each=True)
    """
    done = await played(tmp_path, body, approver=_Nay())
    (end,) = done.of(RunEnded)
    assert done.exit_code == 1
    assert end.faults == (
        "checked:one was not approved by ann",
        "checked:two was not approved by ann",
        "resource 'db' failed to close: OSError: gone",
    )


class _Nay:
    async def ask(self, question: Question) -> Answer:
        del question
        return Answer(approved=False, by="ann")


async def test_a_fan_out_counts_itself_where_no_instance_tells(tmp_path: Path) -> None:
    """Partial is no instance's state; a failure is, so it is not counted twice."""
    body = """
    @phase(parallel=4, quorum={quorum})
    async def work(x: int = each([1, 2, 3])) -> int: return 1 // (x - 1)
    """
    (end,) = (await played(tmp_path, body.format(quorum=2))).of(RunEnded)
    assert end.states == {"passed": 2, "failed": 1, "partial": 1}
    done = await played(tmp_path, body.format(quorum=3))
    assert done.of(RunEnded)[0].states == {"passed": 2, "failed": 1}
    failure = done.endings["work"].failure
    assert failure is not None
    assert failure.kind == "quorum"
