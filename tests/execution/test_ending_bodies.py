"""A body is ended by its limit, a failed sibling or the run, whatever it does about that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchcore import resource
from orchcore.events import Event, SubStepStarted, TurnStarted, Warned
from orchcore.execution.control import Control
from orchcore.execution.opening import SET_UP_S, Opened
from orchcore.testing import Rehearsed
from orchfiles import played, rehearsal

FOREVER = """
async def forever() -> None:
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if STOP:
                return
STOP: list[int] = []
async def fail() -> None: raise ValueError
"""


async def hurried(folder: Path, body: str) -> Rehearsed:
    """What *body* came to; the patience with what does not end is shortened to 2 s."""
    control = Control()
    asyncio.get_running_loop().call_later(0.5, control.hurry)
    return await rehearsal(folder, FOREVER + body).run(control)


@pytest.mark.parametrize(
    "lines",
    [
        "try: await asyncio.sleep(9)\n        except asyncio.CancelledError: pass",
        "import time; time.sleep(0.2)",
        "await asyncio.sleep(0); raise Skip('late') if blocked() else None",
    ],
)
async def test_a_value_that_comes_too_late_is_none(tmp_path: Path, lines: str) -> None:
    """A body that swallows its cancellation or blocks the loop has taken too long all the same."""
    body = f"""
    import time
    def blocked() -> bool:
        time.sleep(0.2)
        return True
    @phase(timeout=0.1)
    async def work() -> int:
        {lines}
        return 1
    @phase.step(timeout=0.1)
    async def step() -> int:
        {lines}
        return 1
    @phase
    async def stepped() -> int:
        try:
            return await step()
        except Skip:
            raise TurnFailed(Failure("timeout", "the step"))
    """
    done = await played(tmp_path, body)
    assert done.states == {"work": "failed", "stepped": "failed"}
    kinds = [done.endings[node].failure for node in ("work", "stepped")]
    assert [failure and failure.kind for failure in kinds] == ["timeout", "timeout"]


async def test_an_error_after_the_limit_is_told_as_it_is(tmp_path: Path) -> None:
    """What a body raises when it is cancelled says more than that it took too long."""
    body = """
    @phase(timeout=0.05)
    async def work() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            raise ValueError("the clean-up")
    """
    done = await played(tmp_path, body)
    assert done.endings["work"].reason == "error: ValueError: the clean-up"


async def test_what_swallows_every_cancellation_is_left_behind(tmp_path: Path) -> None:
    """After its limit, or a failed sibling, it is cancelled twice; then the run goes on without it."""
    body = """
@phase(timeout=0.1)
async def slow() -> None: await forever()
@phase.step(timeout=0.1)
async def step() -> None: await forever()
@phase
async def stepped() -> None: await step()
@phase(parallel=2, fail_fast=True)
async def pair(x: int = each([1, 2])) -> None:
    await (fail() if x == 1 else forever())
@phase
async def after(x: int | None = maybe(slow)) -> int:
    STOP.append(1)
    return 1
"""
    done = await hurried(tmp_path, body)
    states = {"slow": "failed", "stepped": "failed", "pair:2": "cancelled", "after": "passed"}
    assert done.states | states == done.states
    assert done.exit_code == 1
    told = [(event.node, event.text) for event in done.of(Warned)]
    for node in ("slow", "stepped", "pair:2"):
        texts = [text for whose, text in told if whose == node]
        assert texts == [
            "does not end although cancelled; again",
            "left behind: it does not end although cancelled",
        ]
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.wait(left)


GROUPS = {
    "gather": "try: await gather([fail()])\n        except ValueError: pass",
    "group": "try:\n            async with asyncio.TaskGroup() as group: group.create_task(fail())"
    "\n        except ExceptionGroup: pass",
    "itself": "asyncio.current_task().cancel()\n        try: await asyncio.sleep(0)"
    "\n        except asyncio.CancelledError: pass",
}


@pytest.mark.parametrize("group", GROUPS)
async def test_a_failed_group_changes_nothing_about_the_end(tmp_path: Path, group: str) -> None:
    """A body that handled one is stopped, timed out, cut and retried like any other."""
    body = f"""
    async def fail() -> None: raise ValueError
    @phase(timeout=0.1)
    async def slow() -> None:
        {GROUPS[group]}
        await asyncio.sleep(60)
    @phase.step(timeout=0.1)
    async def step() -> None:
        {GROUPS[group]}
        await asyncio.sleep(60)
    @phase
    async def stepped() -> None: await step()
    @phase(retries=1)
    async def again() -> None:
        {GROUPS[group]}
        raise TurnFailed(Failure("overloaded", "busy", retry_after_s=0.01))
    @phase(parallel=2, fail_fast=True)
    async def pair(x: int = each([1, 2])) -> None:
        {GROUPS[group]}
        await asyncio.sleep(0.05)
        if x == 1: raise ValueError
        await asyncio.sleep(60)
    """
    done = await played(tmp_path, body)
    failures = {node: ending.failure for node, ending in done.endings.items()}
    assert failures["slow"] is not None
    assert failures["slow"].kind == "timeout"
    assert failures["stepped"] is not None
    assert failures["stepped"].kind == "timeout"
    assert done.endings["again"].attempt == 2
    assert done.states["pair:2"] == "cancelled"


@pytest.mark.parametrize("group", GROUPS)
async def test_a_failed_group_does_not_outlive_a_stop(tmp_path: Path, group: str) -> None:
    """The stop of the run reaches a body that has handled one."""
    body = f"""
    async def fail() -> None: raise ValueError
    @phase
    async def work() -> None:
        {GROUPS[group]}
        await asyncio.sleep(60)
    """
    control = Control()
    asyncio.get_running_loop().call_later(0.1, control.stop, "SIGINT")
    done = await rehearsal(tmp_path, body).run(control)
    assert (done.states, done.exit_code) == ({"work": "cancelled"}, 2)


async def test_nothing_begins_after_a_stop(tmp_path: Path) -> None:
    """No turn, command or step: neither from a ``finally`` nor from what swallows the stop."""
    body = """
    @phase.step
    async def step() -> None: ...
    @agent
    async def cleaning(ai: Agent) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await ai.ask("after the stop")
    @phase
    async def swallowing() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
        return (await command("true")).stdout
    @phase
    async def stepping() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await step()
    """
    control = Control()
    asyncio.get_running_loop().call_later(0.1, control.stop, "SIGINT")
    done = await rehearsal(tmp_path, body).run(control)
    assert set(done.states.values()) == {"cancelled"}
    assert (done.of(TurnStarted), done.of(SubStepStarted)) == ([], [])


async def test_a_turn_that_waits_for_a_slot_does_not_begin_after_a_stop(tmp_path: Path) -> None:
    """Not even in a task that nobody has cancelled yet when the slot is free."""
    body = """
    tasks: list[Any] = []
    @agent
    async def work(ai: Agent) -> None:
        tasks.append(asyncio.create_task(ai.using().ask("waits")))
        await command("sleep", "60")
    """
    control = Control()

    def observe(event: Event) -> None:
        if isinstance(event, SubStepStarted):
            asyncio.get_running_loop().call_later(0.1, control.stop, "SIGINT")

    done = await rehearsal(tmp_path, body, jobs=1, observe=observe).run(control)
    assert [event.prompt for event in done.of(TurnStarted)] in ([], ["waits"])
    assert done.exit_code == 2


async def test_a_tear_down_may_start_commands_after_a_stop(tmp_path: Path) -> None:
    """It has its time, and what it must undo may need a program."""
    body = f"""
    @resource(scope="instance")
    async def tree() -> AsyncIterator[int]:
        yield 1
        await command("touch", {str(tmp_path / "undone")!r})
    @phase
    async def work(x: int = use(tree)) -> None: await asyncio.sleep(60)
    """
    control = Control()
    asyncio.get_running_loop().call_later(0.1, control.stop, "SIGINT")
    done = await rehearsal(tmp_path, body).run(control)
    assert (tmp_path / "undone").exists()
    assert done.states == {"work": "cancelled"}


@pytest.mark.parametrize("scope", ["run", "instance"])
async def test_a_set_up_is_within_the_limit_of_its_node(tmp_path: Path, scope: str) -> None:
    """A node waits for a resource no longer than it may take itself."""
    body = f"""
    @resource(scope="{scope}")
    async def slow() -> AsyncIterator[int]:
        await asyncio.sleep(60)
        yield 1
    @phase(timeout=0.1)
    async def work(x: int = use(slow)) -> int: return x
    """
    done = await played(tmp_path, body)
    failure = done.endings["work"].failure
    assert failure is not None
    assert failure.kind == "timeout"


async def test_a_set_up_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that swallows its cancellation and gives a value later: it is closed at once."""
    assert SET_UP_S == 1800
    monkeypatch.setattr("orchcore.execution.opening.SET_UP_S", 0.05)
    closed: list[int] = []

    @resource
    async def slow() -> AsyncIterator[int]:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        yield 1
        closed.append(1)

    opened = Opened({}, print)
    assert "took longer than 0.05 s to open" in str(await opened.value(slow))
    await opened.close()
    assert closed == [1]


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        ("KeyboardInterrupt('x')", "error: KeyboardInterrupt: x"),
        ("GeneratorExit", "error: GeneratorExit"),
        ("SystemExit(0)", "error: SystemExit: 0"),
        ("BaseExceptionGroup('x', [KeyboardInterrupt()])", "error: KeyboardInterrupt"),
    ],
)
async def test_whatever_user_code_raises_fails_its_node(
    tmp_path: Path, raised: str, reason: str
) -> None:
    """In a body, a step, a call of ``gather``, ``label=``, ``pick``, a set-up: others go on."""
    body = f"""
    def bad(x: object = None) -> Any: raise {raised}
    async def call() -> None: bad()
    @phase
    async def body() -> None: bad()
    @phase
    async def gathered() -> None: await gather([call(), asyncio.sleep(9)])
    @phase
    async def listed() -> list[str]: return ["a"]
    @phase(parallel=1)
    async def labelled(x: str = each(listed, label=bad)) -> None: ...
    @phase(parallel=1)
    async def ordered(x: str = each(listed, after=bad)) -> None: ...
    @phase
    async def picked(x: str = use(listed.pick(bad))) -> None: ...
    @phase(when=listed.where(bad))
    async def chosen() -> None: ...
    asked = approve(listed, bad)
    @resource
    async def setting() -> AsyncIterator[int]:
        bad()
        yield 1
    @phase
    async def opened(x: int = use(setting)) -> None: ...
    """
    done = await played(tmp_path, body, yes=True)
    assert set(done.states.values()) == {"failed", "passed"}
    assert [node for node, state in done.states.items() if state == "passed"] == ["listed"]
    assert done.endings["body"].reason == done.endings["gathered"].reason == reason


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit(0)"])
async def test_a_tear_down_that_raises_anything_fails_the_run(tmp_path: Path, raised: str) -> None:
    """The record is complete and the run does not pass."""
    body = f"""
    @resource
    async def closing() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise {raised}
    @phase
    async def work(x: int = use(closing)) -> int: return x
    """
    done = await played(tmp_path, body)
    assert (done.states, done.exit_code) == ({"work": "passed"}, 1)


async def test_a_group_of_skips_skips(tmp_path: Path) -> None:
    """Skips alone are a skip; beside an error they do not name its kind."""
    body = """
    async def skip() -> None: raise Skip("nothing to do")
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("bad")
    @phase
    async def skipped() -> None:
        async with asyncio.TaskGroup() as group: group.create_task(skip())
    @phase
    async def mixed() -> None:
        raise ExceptionGroup("x", [Skip("no"), ValueError("bad")])
    """
    done = await played(tmp_path, body)
    assert done.states == {"skipped": "skipped", "mixed": "failed"}
    assert done.endings["skipped"].reason == "nothing to do"
    failure = done.endings["mixed"].failure
    assert failure is not None
    assert failure.kind == "error"
