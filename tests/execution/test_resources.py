"""Resources: opened on first use, closed in reverse order, whatever happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchcore import param, resource, use
from orchcore.events import AttemptStarted, NodeEnded, Warned
from orchcore.execution.control import Control
from orchcore.execution.endings import Missing, Value
from orchcore.execution.opening import Opened
from orchcore.testing import failed
from orchfiles import played, rehearsal


async def test_they_are_opened_on_first_use_and_closed_in_reverse_order(tmp_path: Path) -> None:
    """What is made of another is closed before it; what nobody uses is never opened."""
    body = """
    log: list[str] = []
    @resource
    async def base(url: str = param("mem")) -> AsyncIterator[str]:
        log.append("+base")
        yield url
        log.append("-base")
    @resource
    async def unused() -> AsyncIterator[int]:
        log.append("+unused")
        yield 1
    @resource
    async def table(on: str = use(base), size: int = use(base.pick(len)), plain: int = 3) -> AsyncIterator[str]:
        log.append("+table")
        yield f"{on}.table.{size}.{plain}"
        log.append("-table")
    @resource
    async def other() -> AsyncIterator[str]:
        log.append("+other")
        yield "other"
        log.append("-other")
    @phase
    async def first(t: str = use(table)) -> str:
        log.append("first")
        return t
    @phase
    async def second(x: str = use(first), o: str = use(other), b: str = use(base)) -> list[str]:
        log.append("second")
        return log
    """
    done = await played(tmp_path, body)
    assert done.values["first"] == "mem.table.3.3"
    assert done.values["second"] == [
        "+base", "+table", "first", "+other", "second", "-other", "-table", "-base",
    ]  # fmt: skip


async def test_one_task_enters_and_leaves(tmp_path: Path) -> None:
    """So cancel scopes and task groups may span the yield; several users share one value."""
    body = """
    seen: list[Any] = []
    @resource
    async def group() -> AsyncIterator[object]:
        seen.append(asyncio.current_task())
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(60):
            yield tasks
        seen.append(asyncio.current_task())
    @phase(parallel=3)
    async def work(g: Any = use(group), x: int = each([1, 2, 3])) -> int: return id(g)
    @phase
    async def told(x: Any = use(work)) -> Any: return seen
    """
    done = await played(tmp_path, body)
    seen = done.values["told"]
    assert len(seen) == 2
    assert seen[0] is seen[1] is not asyncio.current_task()
    assert len(set(done.values["work"])) == 1


async def test_an_instances_own_resources_live_for_one_attempt(tmp_path: Path) -> None:
    """Opened anew for each instance and attempt, and closed before the next."""
    body = """
    log: list[str] = []
    @resource
    async def whole() -> AsyncIterator[int]:
        log.append("+whole")
        yield 1
        log.append("-whole")
    @resource(scope="instance")
    async def own(w: int = use(whole)) -> AsyncIterator[int]:
        log.append("+own")
        yield len(log)
        log.append("-own")
    @agent(parallel=1, retries=1)
    async def work(ai: Agent, o: int = use(own), x: int = each([1, 2])) -> None:
        log.append(f"work {x}")
        await ai.ask("x")
    @phase
    async def told(x: Any = maybe(work)) -> Any: return log
    """
    done = await played(tmp_path, body, lambda _: failed("crashed"))
    assert done.values["told"] == [
        "+whole",
        *(entry for x in (1, 1, 2, 2) for entry in ("+own", f"work {x}", "-own")),
        "-whole",
    ]
    assert not done.of(Warned)


async def test_a_folder_of_ones_own_may_be_the_working_directory(tmp_path: Path) -> None:
    """``cwd=use(resource)``: options take resources of an instance, too."""
    body = """
    @resource(scope="instance")
    async def room() -> AsyncIterator[Path]:
        folder = Path(__file__).parent / "room"
        folder.mkdir(exist_ok=True)
        yield folder
    @agent(cwd=use(room), permission="edit", parallel=2)
    async def work(ai: Agent, cwd: str = param("mine"), x: int = each([1, 2])) -> str:
        return f"{ai.cwd.name} {cwd}"
    """
    done = await played(tmp_path, body)
    assert done.values["work"] == ["room mine", "room mine"]


async def test_nothing_is_opened_for_what_does_not_run(tmp_path: Path) -> None:
    """A skipped node, an empty fan-out."""
    body = """
    @resource
    async def db() -> AsyncIterator[int]:
        raise AssertionError("opened")
        yield 1
    @phase(when=param(False, name="art"))
    async def skipped(x: int = use(db)) -> int: return 1
    @phase
    async def none() -> list[int]: return []
    @phase(parallel=2)
    async def empty(x: int = use(db), n: int = each(none)) -> int: return 1
    @phase
    async def blocked(x: int = use(db), y: int = use(skipped)) -> int: return 1
    """
    done = await played(tmp_path, body)
    assert set(done.states.values()) == {"skipped", "passed"}


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ('raise ValueError("no")', "failed to open: ValueError: no"),
        ("raise SystemExit(3)", "failed to open: SystemExit: 3"),
        ("return", "failed to open: RuntimeError: generator didn't yield"),
        ("raise asyncio.CancelledError", "failed to open: CancelledError"),
        ("raise type('Odd', (BaseException,), {})('no db')", "failed to open: Odd: no db"),
    ],
)
async def test_a_resource_that_cannot_be_opened_fails_its_users(
    tmp_path: Path, raised: str, said: str
) -> None:
    """Each of them, also through another resource; the body does not run, and is not tried again."""
    body = f"""
    @resource
    async def db() -> AsyncIterator[int]:
        {raised}
        yield 1
    @resource
    async def table(d: int = use(db), n: int = use(db.pick(lambda d: d + 1))) -> AsyncIterator[int]: yield d
    @phase(retries=2)
    async def one(d: int = use(db)) -> int: raise AssertionError
    @phase
    async def two(t: int = use(table)) -> int: raise AssertionError
    @phase
    async def three() -> int: return 3
    """
    done = await played(tmp_path, body)
    assert said in done.endings["one"].reason
    assert said in done.endings["two"].reason
    assert done.states["three"] == "passed"
    assert done.states["one"] == "failed"
    assert len([event for event in done.of(AttemptStarted) if event.node == "one"]) == 1
    assert done.exit_code == 1


async def test_a_pick_of_a_resource_may_raise(tmp_path: Path) -> None:
    """It is the user's code."""
    body = """
    @resource
    async def db() -> AsyncIterator[int]: yield 1
    @resource
    async def table(d: int = use(db.pick(lambda d: d.nothing))) -> AsyncIterator[int]: yield d
    @phase
    async def work(t: int = use(table)) -> int: return t
    """
    done = await played(tmp_path, body)
    assert "db.pick raised AttributeError" in done.endings["work"].reason


@pytest.mark.parametrize("scope", ["run", "instance"])
@pytest.mark.parametrize(
    ("raised", "said"),
    [('raise ValueError("no")', "ValueError: no"), ("yield 2", "generator didn't stop")],
)
async def test_a_tear_down_that_fails_is_told_and_fails_the_run(
    tmp_path: Path, scope: str, raised: str, said: str
) -> None:
    """The phase passed and keeps its value; the exit code is 1."""
    body = f"""
    log: list[str] = []
    @resource
    async def first() -> AsyncIterator[int]:
        yield 1
        log.append("closed")
    @resource(scope="{scope}")
    async def db(f: int = use(first)) -> AsyncIterator[int]:
        yield 1
        {raised}
    @phase
    async def work(d: int = use(db)) -> list[str]: return log
    """
    done = await played(tmp_path, body)
    assert (done.states["work"], done.exit_code) == ("passed", 1)
    (warned,) = done.of(Warned)
    assert warned.text.startswith("resource 'db' failed to close: ")
    assert said in warned.text
    assert done.values["work"] == ["closed"]


async def test_resources_are_closed_when_the_run_is_ended(tmp_path: Path) -> None:
    """Both scopes, before the run says that it ended; one that is still opening is cancelled."""
    body = """
    log: list[str] = []
    @resource
    async def whole() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        log.append("-whole")
    @resource(scope="instance")
    async def own() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        log.append("-own")
    @resource
    async def slow() -> AsyncIterator[int]:
        try:
            await asyncio.sleep(60)
            yield 1
        finally:
            log.append("-slow")
    @phase
    async def opening(s: int = use(slow)) -> int: return s
    @phase
    async def work(w: int = use(whole), o: int = use(own)) -> int:
        await asyncio.sleep(60)
        return 1
    @phase
    async def quick() -> list[str]: return log
    """
    control = Control()
    rehearsed = rehearsal(tmp_path, body)
    asyncio.get_running_loop().call_later(0.8, lambda: control.stop("SIGINT"))
    done = await rehearsed.run(control)
    assert sorted(done.values["quick"]) == ["-own", "-slow", "-whole"]
    assert done.exit_code == 2
    assert {event.node: event.state for event in done.of(NodeEnded)} == {
        "opening": "cancelled", "work": "cancelled", "quick": "passed",
    }  # fmt: skip
    assert done.events[-1].kind == "run_ended"


async def test_cancelling_the_caller_closes_everything(tmp_path: Path) -> None:
    """``await run()`` is stopped by cancellation; when it is raised, all is closed."""
    body = """
    import builtins
    log: list[str] = []
    builtins.orchcore_test_log = log
    @resource
    async def whole() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        log.append("-whole")
    @phase
    async def work(w: int = use(whole)) -> int:
        log.append("working")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            log.append("left")
        return 1
    """
    import builtins

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await played(tmp_path, body)
    log: list[str] = builtins.__dict__.pop("orchcore_test_log")
    assert log == ["working", "left", "-whole"]
    assert len(asyncio.all_tasks()) == 1


async def _opened(warned: list[str], **parameters: object) -> Opened:
    return Opened(parameters, warned.append)


async def test_a_tear_down_has_its_limit() -> None:
    """A resource that hangs is cancelled after it, told, and does not keep others open."""
    closed: list[str] = []

    @resource
    async def good() -> AsyncIterator[int]:
        yield 1
        closed.append("good")

    @resource
    async def hangs() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    warned: list[str] = []
    opened = await _opened(warned)
    assert not opened
    assert await opened.value(good) == Value(1)
    assert await opened.value(hangs) == Value(1)
    assert opened
    opened.patience._until = time.monotonic() + 0.05
    await opened.close()
    assert closed == ["good"]
    assert warned[0].startswith("resource 'hangs' did not close in ")
    assert opened.unclosed == warned


async def test_nothing_is_opened_after_the_end() -> None:
    """A forgotten task that asks for a resource gets none, so none stays open."""

    @resource
    async def late() -> AsyncIterator[int]:
        raise AssertionError("opened")
        yield 1

    opened = await _opened([])
    await opened.close()
    found = await opened.value(late)
    assert isinstance(found, Missing)
    assert found.state == "cancelled"


async def test_a_resource_is_a_context_manager_for_tests() -> None:
    """``resource.open(...)``: the same, with arguments."""
    closed: list[str] = []

    @resource
    async def base(url: str = param("x")) -> AsyncIterator[str]:
        yield url
        closed.append(url)

    @resource
    async def table(on: str = use(base)) -> AsyncIterator[str]:
        yield on + ".table"

    async with base.open("mem") as url, table.open(on=url) as found:
        assert found == "mem.table"
        assert closed == []
    assert closed == ["mem"]


async def test_built_in_resources(tmp_path: Path) -> None:
    """``artifacts`` is this instance's own folder and kept; ``node`` tells where one is."""
    body = """
    from orchcore.resources import artifacts, node
    @agent(parallel=2)
    async def work(ai: Agent, folder: Path = use(artifacts), me: Any = use(node), x: str = each(["a", "b"])) -> Path:
        await ai.ask("x")
        (folder / "notes.md").write_text(x)
        assert me.artifacts == folder
        return folder / "notes.md"
    @phase
    async def single(me: Any = use(node)) -> Any: return me
    """
    done = await played(tmp_path, body)
    assert [path.read_text() for path in done.values["work"]] == ["a", "b"]
    me = done.values["single"]
    assert (me.id, me.key, me.attempt, me.run) == ("single", "single", 1, "0000")
    assert (me.spent_usd, me.budget_left_usd) == (0.0, None)


async def test_gates_and_lists_may_come_from_resources(tmp_path: Path) -> None:
    """A run's resource is a source like any other."""
    body = """
    @resource
    async def names() -> AsyncIterator[list[str]]: yield ["a", "b"]
    @phase(parallel=2, when=names.where(bool), after=[names])
    async def work(x: str = each(names), both: Any = use(settled(names))) -> str: return x + str(both.value)
    gate = approve(names, "ok?")
    @phase
    async def end(x: list[str] = use(gate)) -> list[str]: return x
    """
    done = await played(tmp_path, body, yes=True)
    assert done.values["work"] == ["a['a', 'b']", "b['a', 'b']"]
    assert done.values["end"] == ["a", "b"]
