"""What is left, counted and told when a run is ended, by others or by its own bodies."""

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest

import orchcore
from orchcore import phase
from orchcore.agents.invocation import Invocation, Listener
from orchcore.errors import UsageError
from orchcore.events import (
    Event,
    RunEnded,
    StopRequested,
    TextWritten,
    TurnEnded,
    TurnStarted,
    Warned,
)
from orchcore.execution.control import Control
from orchcore.execution.ports import Question
from orchcore.pipeline import RunSetup, execute
from orchcore.results import TurnResult
from orchcore.testing import MemoryRecorder, ScriptedRunner, replied
from orchfiles import planned, played, rehearsal


class SlowRecorder(MemoryRecorder):
    """A disk that takes its time for everything that is over."""

    async def commit(self, event: Event) -> None:
        if not isinstance(event, TurnStarted):
            await asyncio.sleep(0.2)
        await super().commit(event)


class HangingRunner(ScriptedRunner):
    """Says a line and never answers."""

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        listener(TextWritten("npm test is running"))
        await asyncio.sleep(1000)
        return await super().run(invocation, listener)


async def test_a_turn_of_a_forgotten_task_is_recorded(tmp_path: Path) -> None:
    """The task is ended while the record is written: the paid turn is in the record."""
    body = """
    tasks: list[Any] = []
    @agent
    async def work(ai: Agent) -> int:
        tasks.append(asyncio.create_task(ai.ask("paid"), name="forgotten"))
        await asyncio.sleep(0.05)
        return 1
    """
    recorder = SlowRecorder()
    done = await played(tmp_path, body, lambda _: replied("ok", cost_usd=1.0), recorder=recorder)
    assert len(done.of(TurnEnded)) == 1
    assert [event.cost_usd for event in recorder.events if isinstance(event, TurnEnded)] == [1.0]


async def test_forgotten_tasks_of_a_body_that_is_stopped_while_it_closes_end(
    tmp_path: Path,
) -> None:
    """A stop during the tear-down of an attempt leaves no task behind."""
    body = """
    async def forever() -> None: await asyncio.sleep(1000)
    tasks: list[Any] = []
    @resource(scope="instance")
    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.3)
    @phase
    async def work(x: int = use(slow)) -> int:
        tasks.append(asyncio.create_task(forever(), name="forgotten"))
        return x
    """
    control = Control()
    asyncio.get_running_loop().call_later(0.1, control.stop, "SIGINT")
    await rehearsal(tmp_path, body).run(control)
    assert "forgotten" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_nothing_is_tried_again_after_a_stop(tmp_path: Path) -> None:
    """Not even if the body makes a transient failure of its cancellation."""
    body = """
    @agent.step(retries=3)
    async def ask(ai: Agent) -> str:
        try:
            return await ai.ask("x")
        except asyncio.CancelledError:
            raise TurnFailed(Failure("stalled", "gave up"))
    @agent(retries=3)
    async def direct(ai: Agent) -> str:
        try:
            return await ai.ask("x")
        except asyncio.CancelledError:
            raise TurnFailed(Failure("stalled", "gave up"))
    @phase(retries=3)
    async def stepped() -> str:
        return await ask()
    """
    control = Control()
    started: list[TurnStarted] = []

    def observe(event: Event) -> None:
        if isinstance(event, TurnStarted):
            started.append(event)
            if len(started) == 2:
                asyncio.get_running_loop().call_later(0.01, control.stop, "SIGINT")

    hanging = HangingRunner(lambda _: replied(""))
    done = await rehearsal(tmp_path, body, runner=hanging, observe=observe).run(control)
    assert len(started) == 2
    assert set(done.states.values()) <= {"failed", "cancelled"}


@pytest.mark.parametrize("ends", ["timeout", "stop"])
async def test_a_turn_that_is_cut_counts(tmp_path: Path, ends: str) -> None:
    """As a turn without a price, with the last that the agent said."""
    limit = "timeout=0.2" if ends == "timeout" else ""
    body = f"""
    @agent({limit})
    async def work(ai: Agent) -> str: return await ai.ask("x")
    """
    control = Control()

    def observe(event: Event) -> None:
        if ends == "stop" and isinstance(event, TurnStarted):
            asyncio.get_running_loop().call_later(0.02, control.stop, "SIGINT")

    hanging = HangingRunner(lambda _: replied(""))
    done = await rehearsal(tmp_path, body, runner=hanging, observe=observe).run(control)
    ended = done.ended("work")
    assert (ended.turns, ended.unpriced_turns, ended.cost_usd) == (1, 1, None)
    assert ended.last_lines == ("npm test is running",)
    assert done.of(RunEnded)[0].unpriced_turns == 1


async def test_a_cancelled_run_ends_as_if_stopped(tmp_path: Path) -> None:
    """Its end is said, and what does not heed is asked again: the stop reaches every node."""
    body = """
    @phase
    async def work() -> str:
        await asyncio.sleep(1000)
        return ""
    """
    events: list[Event] = []
    rehearsed = rehearsal(tmp_path, body, observe=events.append)
    task = asyncio.create_task(rehearsed.run(), name="run")
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [event.reason for event in events if isinstance(event, StopRequested)] == ["cancelled"]
    assert [event.exit_code for event in events if isinstance(event, RunEnded)] == [2]


async def test_a_signal_while_a_run_is_ended_anyway_is_an_interruption(tmp_path: Path) -> None:
    """After the first failure ended the run, ^C still makes its exit code 2; it is over once."""
    body = """
    @phase
    async def bad() -> str: raise ValueError
    @phase
    async def slow() -> str:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.05)
        return ""
    """
    control = Control()

    def observe(event: Event) -> None:
        if isinstance(event, StopRequested):
            asyncio.get_running_loop().call_soon(control.stop, "SIGINT")

    done = await rehearsal(tmp_path, body, observe=observe, fail_limit=1).run(control)
    assert done.exit_code == 2
    assert [event.reason for event in done.of(StopRequested)] == ["1 failure"]


async def test_a_control_outlives_its_run(tmp_path: Path) -> None:
    """A signal that comes when the run is over finds nothing to end."""
    control = Control()
    done = await rehearsal(tmp_path, "@phase\nasync def work() -> int: return 1\n").run(control)
    control.stop("SIGINT")
    control.hurry()
    control.suspend()
    control.resume()
    assert done.of(StopRequested) == []


class BrokenApprover:
    """Has a bug."""

    async def ask(self, question: Question) -> NoReturn:
        del question
        raise RuntimeError("a bug")


async def test_a_bug_ends_a_run_with_exit_code_3(tmp_path: Path) -> None:
    """Also in its last event; the bug itself is raised."""
    body = "@phase\nasync def work() -> int: return 1\ngate = approve(work, 'ok?')\n"
    events: list[Event] = []
    broken = rehearsal(tmp_path, body, approver=BrokenApprover(), observe=events.append)
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug")):
        await broken.run()
    assert [event.exit_code for event in events if isinstance(event, RunEnded)] == [3]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("ai.ask('x')", "coroutine"),
        ("command('true')", "coroutine"),
        ("asyncio.get_running_loop().create_future()", "Future"),
    ],
)
async def test_a_forgotten_await_fails(tmp_path: Path, given: str, kind: str) -> None:
    """A body that gives a call instead of its result has not done what it says."""
    body = f"@agent\nasync def work(ai: Agent) -> Any: return {given}\n"
    done = await played(tmp_path, body)
    assert done.endings["work"].reason == f"error: gave a {kind}: did you forget `await`?"


async def test_what_a_forgotten_task_starts_in_its_clean_up_ends(tmp_path: Path) -> None:
    """The run looks until it finds nothing more."""
    body = """
    tasks: list[Any] = []
    async def later() -> None: await asyncio.sleep(1000)
    async def forever() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            tasks.append(asyncio.create_task(later(), name="grandchild"))
    @phase
    async def work() -> int:
        tasks.append(asyncio.create_task(forever(), name="child"))
        await asyncio.sleep(0)
        return 1
    """
    done = await played(tmp_path, body)
    assert {"child", "grandchild"}.isdisjoint(task.get_name() for task in asyncio.all_tasks())
    assert [event.text.split("'")[1] for event in done.of(Warned)] == ["child", "grandchild"]


async def test_a_stream_that_is_held_names_its_remedy(tmp_path: Path) -> None:
    """An ask meanwhile is refused with what ends the stream."""
    body = """
    @agent
    async def work(ai: Agent) -> str:
        events = ai.stream("x")
        async for _ in events:
            break
        return await ai.ask("y")
    """
    done = await played(tmp_path, body)
    assert "contextlib.aclosing(ai.stream(...))" in done.endings["work"].reason


async def test_a_declared_node_takes_no_orchfile() -> None:
    """It has one already."""
    run: Any = orchcore.run
    with pytest.raises(UsageError, match="has its orchfile already"):
        await run(alone, orchfile="other.py")


@phase
async def alone() -> int:
    """A node of this module."""
    return 1


class Lost:
    """A display with a bug."""

    def on_event(self, event: Event) -> NoReturn:
        """Fails at the first event."""
        raise RuntimeError(type(event).__name__)

    def tick(self) -> None:
        """Never asked to draw."""

    def close(self) -> None:
        """Has nothing open."""


async def test_a_display_that_fails_is_told_of(tmp_path: Path) -> None:
    """The run goes on; whoever started it hears of it afterwards."""
    told: list[str] = []
    plan = planned(tmp_path, "@phase\nasync def work() -> int: return 1\n")
    setup = RunSetup((Lost(),), record=False, warn=told.append)
    result = await execute(plan, setup, Control())
    assert result.ok
    assert len(told) == 1
    assert "Lost" in told[0]
