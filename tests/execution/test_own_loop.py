"""No code of an orchfile ends the loop of a run that has one for itself."""

import asyncio
from pathlib import Path

import pytest

from orchcore.events import RunEnded, StopRequested, Warned
from orchcore.execution.control import Control
from orchcore.execution.own_loop import run_in_own_loop
from orchcore.testing import Rehearsed
from orchfiles import rehearsal

HELPERS = """
import sys
async def leave() -> None: sys.exit(0)
async def interrupt() -> None: raise KeyboardInterrupt
@phase
async def other() -> int:
    await asyncio.sleep(0.1)
    return 1
"""


def run(folder: Path, body: str) -> Rehearsed:
    control = Control()
    rehearsed = rehearsal(folder, HELPERS + body)
    return run_in_own_loop(rehearsed.run(control), control)


@pytest.mark.parametrize(
    "line",
    [
        "asyncio.ensure_future(leave()); await asyncio.sleep(0.02)",
        "asyncio.ensure_future(interrupt()); await asyncio.sleep(0.02)",
        "asyncio.get_running_loop().call_soon(sys.exit, 0); await asyncio.sleep(0.02)",
        "await asyncio.gather(leave())",
        "await asyncio.gather(leave(), interrupt(), return_exceptions=True)",
        "await asyncio.wait_for(leave(), 1)",
        "async with asyncio.TaskGroup() as group: group.create_task(interrupt())",
        "await asyncio.to_thread(sys.exit, 0)",
        "await gather([leave(), asyncio.sleep(0)])",
        "await gather([interrupt()], quorum=1)",
    ],
)
def test_a_body_whose_tasks_exit_has_failed(tmp_path: Path, line: str) -> None:
    """``sys.exit(0)`` and ``KeyboardInterrupt`` of its tasks and callbacks are its failure alone."""
    done = run(tmp_path, f"@phase\nasync def work() -> None:\n    {line}\n")
    assert (done.states, done.exit_code) == ({"other": "passed", "work": "failed"}, 1)
    assert isinstance(done.events[-1], RunEnded)


def test_a_resource_whose_tasks_exit_is_not_opened(tmp_path: Path) -> None:
    """Who needs it fails; the others go on."""
    body = """
@resource
async def opened() -> AsyncIterator[int]:
    await asyncio.gather(leave())
    yield 1
@phase
async def work(x: int = use(opened)) -> int: return x
"""
    done = run(tmp_path, body)
    assert (done.states, done.exit_code) == ({"other": "passed", "work": "failed"}, 1)


def test_an_exit_after_the_end_of_its_body_is_told(tmp_path: Path) -> None:
    """The body has passed by then; the run has not."""
    body = """
@phase
async def work() -> None: asyncio.get_running_loop().call_later(0.05, sys.exit, 0)
"""
    done = run(tmp_path, body)
    assert (done.states, done.exit_code) == ({"other": "passed", "work": "passed"}, 1)
    assert [event.text for event in done.of(Warned)] == ["work: SystemExit: 0"]


def test_a_stopped_loop_goes_on(tmp_path: Path) -> None:
    """``loop.stop()`` is told, and the run is played to its end; it cannot pass."""
    body = """
@phase
async def work() -> None: asyncio.get_running_loop().stop()
"""
    done = run(tmp_path, body)
    assert (done.states, done.exit_code) == ({"other": "passed", "work": "passed"}, 1)
    assert "stopped the event loop" in done.of(Warned)[0].text


def test_an_error_that_nobody_awaits_is_told_of_its_node(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python would print it to stderr, without saying whose it is."""
    body = """
async def fail() -> None: raise ValueError("in the background")
@phase
async def work() -> None:
    asyncio.get_running_loop().create_task(fail(), name="background")
    await asyncio.sleep(0.05)
"""
    done = run(tmp_path, body)
    told = [(event.node, event.text) for event in done.of(Warned)]
    text = "task 'background' has failed, and nobody awaits it: ValueError: in the background"
    assert told == [("work", text)]
    assert (done.exit_code, capfd.readouterr().err) == (0, "")


def test_a_body_that_cancels_every_task_ends_the_run_in_order(tmp_path: Path) -> None:
    """The run's own tasks are among them: it ends as if it had been cancelled."""
    body = """
@phase
async def work() -> None:
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()
    await asyncio.sleep(1)
"""
    events: list[object] = []
    control = Control()
    rehearsed = rehearsal(tmp_path, HELPERS + body, observe=events.append)
    with pytest.raises(asyncio.CancelledError):
        run_in_own_loop(rehearsed.run(control), control)
    assert [event.reason for event in events if isinstance(event, StopRequested)] == ["cancelled"]
    assert [event.exit_code for event in events if isinstance(event, RunEnded)] == [2]


def test_a_run_that_is_given_up_is_left() -> None:
    """Whoever gives it up stops the loop, which is not run again."""
    control = Control()

    async def main() -> None:
        control.given_up = True
        asyncio.get_running_loop().stop()
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        run_in_own_loop(main(), control)


def test_what_the_run_itself_raises_is_raised() -> None:
    """Only what comes from elsewhere is held back."""

    async def main() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_in_own_loop(main(), Control())
