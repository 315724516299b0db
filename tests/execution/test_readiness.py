"""Order: a node starts when its own inputs are ready, and not before."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchcore.events import AttemptStarted, InstanceEnded, NodeEnded, NodeExpanded, Queued
from orchcore.results import TurnResult
from orchcore.testing import Rehearsed, ScriptedRunner, replied
from orchfiles import planned, played


def _times(done: Rehearsed) -> tuple[dict[str, int], dict[str, int]]:
    """Places in the sequence of events where each node or instance started and ended."""
    started: dict[str, int] = {}
    ended: dict[str, int] = {}
    for place, event in enumerate(done.events):
        if isinstance(event, AttemptStarted):
            started.setdefault(event.node, place)
        elif isinstance(event, NodeEnded | InstanceEnded):
            assert event.node not in ended
            ended[event.node] = place
    return started, ended


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
async def test_no_node_starts_before_its_inputs_ended(tmp_path: Path, data: st.DataObject) -> None:
    """In random graphs each node starts after all it needs, and everything runs once."""
    size = data.draw(st.integers(1, 12))
    body = ["@phase\nasync def p0() -> int:\n    await asyncio.sleep(0)\n    return 0\n"]
    needs: dict[str, list[str]] = {"p0": []}
    for n in range(1, size):
        upstream = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=4))
        needs[f"p{n}"] = [f"p{b}" for b in upstream]
        arguments = ", ".join(f"a{b}: int = use(p{b})" for b in upstream)
        total = " + ".join(["1", *(f"a{b}" for b in upstream)])
        body.append(f"@phase\nasync def p{n}({arguments}) -> int: return {total}\n")
    (tmp_path / "run").mkdir(exist_ok=True)
    done = await played(tmp_path, "".join(body), jobs=1)
    started, ended = _times(done)
    assert set(started) == set(needs)
    assert set(done.states.values()) == {"passed"}
    for node, before in needs.items():
        assert all(ended[need] < started[node] for need in before)
    order = [node.id for node in planned(tmp_path, "".join(body)).nodes]
    assert all(order.index(need) < order.index(node) for node in needs for need in needs[node])


async def test_a_node_does_not_wait_for_its_level(tmp_path: Path) -> None:
    """No supersteps: what is behind a quick node runs while a slow one of its level goes on."""
    done = await played(
        tmp_path,
        """
        gate = asyncio.Event()
        @phase
        async def slow() -> int:
            await gate.wait()
            return 1
        @phase
        async def quick() -> int: return 2
        @phase
        async def behind_quick(x: int = use(quick)) -> int:
            gate.set()
            return x
        @phase
        async def end(a: int = use(slow), b: int = use(behind_quick)) -> int: return a + b
        """,
    )
    assert done.values["end"] == 3
    started, ended = _times(done)
    assert started["behind_quick"] < ended["slow"]


async def test_elements_flow_without_a_barrier(tmp_path: Path) -> None:
    """``each(fan_out)``: an instance starts when its own element is ready."""
    done = await played(
        tmp_path,
        """
        second = asyncio.Event()
        @phase(parallel=2)
        async def first(x: str = each(["quick", "slow"])) -> str:
            if x == "slow":
                await second.wait()
            return x
        @phase(parallel=2)
        async def then(x: str = each(first)) -> str:
            second.set()
            return x.upper()
        @phase
        async def end(xs: list[str] = use(then)) -> list[str]: return xs
        """,
    )
    assert done.values["end"] == ["QUICK", "SLOW"]
    started, ended = _times(done)
    assert started["then:quick"] < ended["first:slow"]
    assert [event.instances for event in done.of(NodeExpanded)] == [
        ("first:quick", "first:slow"),
        ("then:quick", "then:slow"),
    ]


async def test_instances_may_come_after_others(tmp_path: Path) -> None:
    """``after=`` orders instances at run time by their labels."""
    done = await played(
        tmp_path,
        """
        class Task(BaseModel):
            id: str
            needs: list[str] = []
        @phase
        async def tasks() -> list[Task]:
            return [Task(id="c d", needs=["b"]), Task(id="a"), Task(id="b", needs=["a"])]
        @phase(parallel=5)
        async def work(t: Task = each(tasks, label=lambda t: t.id, after=lambda t: t.needs)) -> str:
            return t.id
        @phase
        async def last(x: int = each(["c d", "b"], after=lambda x: ["b"] if x == "c d" else [])) -> int:
            return 1
        """.replace("@phase\n        async def last", "@phase(parallel=2)\n        async def last"),
    )
    started, ended = _times(done)
    assert ended["work:a"] < started["work:b"] < ended["work:b"] < started["work:c-d"]
    assert ended["last:b"] < started["last:c-d"]
    assert done.values["work"] == ["c d", "a", "b"]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("lambda t: ['zzz']", "comes after 'zzz', which is no instance"),
        ("lambda t: [t]", "wait for each other"),
        ("lambda t: t", "it must give a list of labels"),
        ("lambda t: None", "after= raised TypeError"),
        ("lambda t: 1 / 0", "after= raised ZeroDivisionError"),
    ],
)
async def test_an_order_that_cannot_be_met_fails_before_the_first_instance(
    tmp_path: Path, after: str, said: str
) -> None:
    """Unknown labels and circles."""
    body = f"@phase(parallel=2)\nasync def work(t: str = each(['a', 'b'], after={after})) -> str: return t\n"
    done = await played(tmp_path, body)
    assert done.exit_code == 1
    assert said in done.endings["work"].reason
    assert not done.of(AttemptStarted)


async def test_the_reason_of_an_instance_that_comes_after_a_failed_one(tmp_path: Path) -> None:
    """Blocked behind a failure, skipped behind a skip; the others go on."""
    done = await played(
        tmp_path,
        """
        @phase(parallel=4)
        async def work(t: str = each(["a", "b", "c", "d"], after=lambda t: {"b": ["a"], "d": ["c"]}.get(t, []))) -> str:
            if t == "a":
                raise ValueError("no")
            raise Skip("why not")
        """,
    )
    states = {id_: state for id_, state in done.states.items() if ":" in id_}
    assert states == {
        "work:a": "failed",
        "work:b": "blocked",
        "work:c": "skipped",
        "work:d": "skipped",
    }
    assert done.endings["work:d"].reason == "work:c was skipped: why not"


async def test_label_may_raise(tmp_path: Path) -> None:
    """It is the user's code: the node fails, the run goes on."""
    body = """
    @phase
    async def items() -> list[int]: return [1]
    @phase(parallel=2)
    async def work(t: int = each(items, label=lambda t: t.nothing)) -> int: return t
    @phase(parallel=2)
    async def listed(t: int = each([1], label=lambda t: t.nothing)) -> int: return t
    @phase
    async def other() -> int: return 1
    """
    done = await played(tmp_path, body)
    assert done.states["other"] == "passed"
    assert "label= raised AttributeError" in done.endings["work"].reason
    assert "label= raised AttributeError" in done.endings["listed"].reason


async def test_parallel_bounds_the_instances(tmp_path: Path) -> None:
    """``parallel=2``: at most two bodies of the phase run at once, and two do."""
    running: list[int] = []
    most = 0

    async def turn(_: object) -> TurnResult:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        await asyncio.sleep(0.005)
        running.pop()
        return replied("x")

    body = """
    @agent(parallel=2)
    async def work(ai: Agent, x: int = each([1, 2, 3, 4, 5])) -> str: return await ai.ask("x")
    """
    done = await played(tmp_path, body, turn, jobs=9)
    assert (most, done.exit_code) == (2, 0)


@pytest.mark.parametrize(
    ("options", "jobs", "most"),
    [("", 3, 3), ("limits={'gpu': 2}", 9, 2), ("limits={'gpu': 2, 'api': 1}", 9, 1), ("", 99, 8)],
)
async def test_slots_bound_the_turns(tmp_path: Path, options: str, jobs: int, most: int) -> None:
    """``-j``, named limits, and 8 turns at once for each account."""

    async def turn(_: object) -> TurnResult:
        await asyncio.sleep(0.005)
        return replied("x")

    runner = ScriptedRunner(turn)
    body = f"""
    @agent({options})
    async def work(ai: Agent) -> None:
        await gather(ai.using().ask("x") for _ in range(12))
    """
    done = await played(tmp_path, body, runner=runner, jobs=jobs)
    assert (runner.most, done.exit_code) == (most, 0)


async def test_one_job_and_bodies_that_await_steps(tmp_path: Path) -> None:
    """-j 1 never deadlocks: bodies hold no slot while their steps ask."""
    body = """
    @agent.step
    async def inner(ai: Agent, x: int) -> str: return await ai.ask(f"inner {x}")
    @agent.step
    async def outer(ai: Agent, x: int) -> str:
        return await ai.ask(await inner(x)) + (await command("echo", "hi")).stdout
    @agent(parallel=4, limits={"db": 1})
    async def work(ai: Agent, x: int = each([1, 2, 3])) -> str:
        both = await gather([outer(x), ai.ask("own")])
        return " ".join(both)
    @phase
    async def end(xs: list[str] = use(work)) -> int: return len(xs)
    """
    async with asyncio.timeout(20):
        done = await played(tmp_path, body, jobs=1)
    assert done.values["end"] == 3
    assert done.values["work"][0] == "inner 1hi\n own"


async def test_steps_take_their_own_limits(tmp_path: Path) -> None:
    """A command within a step waits for the step's named limits."""
    body = """
    @phase.step(limits={"db": 1})
    async def query() -> None: await command("sleep", "0.02")
    @phase
    async def work() -> None:
        await gather(query() for _ in range(4))
    """
    done = await played(tmp_path, body, jobs=9)
    assert done.exit_code == 0
    # four in a row: at once they would take a quarter of it
    assert done.ended("work").duration_s > 0.08


async def test_a_selected_instance_runs_alone(tmp_path: Path) -> None:
    """``orchcore run 'work:b'``: its siblings are not made, its inputs are."""
    body = """
    @phase
    async def items() -> list[str]: return ["a", "b"]
    @phase(parallel=2)
    async def work(x: str = each(items)) -> str: return x
    @phase(parallel=2)
    async def more(x: str = each(work), y: str = each(items)) -> str: return x + y
    """
    done = await played(tmp_path, body, targets=["work:b"])
    assert done.states == {"items": "passed", "work": "passed", "work:b": "passed"}
    done = await played(tmp_path, body, targets=["work:b+"])
    assert done.values["more"] == ["bb"]
    done = await played(tmp_path, body, targets=["work:b", "more"])
    assert done.values["more"] == ["aa", "bb"]
    done = await played(tmp_path, body, targets=["work:zz"])
    assert "none of its instances is selected: work:zz" in done.endings["work"].reason


async def test_a_wait_for_a_slot_is_told_and_is_no_work(tmp_path: Path) -> None:
    """At one job the second turn waits: its duration is what it worked."""
    body = """
    @agent(parallel=2)
    async def work(ai: Agent, x: int = each([1, 2])) -> str: return await ai.ask(str(x))
    """

    async def slow(asked: Any) -> Any:
        await asyncio.sleep(0.3)
        return replied(asked.prompt)

    done = await played(tmp_path, body, slow, jobs=1)
    assert [(event.node, event.waits) for event in done.of(Queued)] == [
        ("work:2", True),
        ("work:2", False),
    ]
    assert done.ended("work:2").duration_s < 0.55
    assert done.ended("work").duration_s > 0.55
