"""Bodies are Python: steps, commands, several things at once, time-outs, retries, leftovers."""

import asyncio
from pathlib import Path

import pytest

from orchcore.agents.invocation import Invocation
from orchcore.declarations.body import gather
from orchcore.errors import OutsideRunError
from orchcore.events import (
    AttemptStarted,
    RetryScheduled,
    SubStepEnded,
    SubStepStarted,
    TurnEnded,
    Warned,
)
from orchcore.results import TurnFailed, TurnResult
from orchcore.testing import failed, replied
from orchfiles import played


async def test_steps_are_recorded_sub_steps(tmp_path: Path) -> None:
    """Started and ended, with a path of their own, their value and their failure."""
    body = """
    @phase.step
    async def double(x: int, *, times: int = 2) -> int:
        if x < 0: raise ValueError("negative")
        return x * times
    @phase
    async def work() -> int:
        try:
            await double(-1)
        except ValueError:
            pass
        return await double(3) + await double(1, times=10)
    """
    done = await played(tmp_path, body)
    assert done.values["work"] == 16
    assert [event.path for event in done.of(SubStepStarted)] == ["double#1", "double#2", "double#3"]
    ends = done.of(SubStepEnded)
    assert [event.value for event in ends] == [None, "6", "10"]
    assert ends[0].failure is not None
    assert ends[0].failure.detail == "ValueError: negative"


async def test_steps_may_take_params_and_resources(tmp_path: Path) -> None:
    """By default; what the caller gives wins, by position or name."""
    body = """
    @resource
    async def db(url: str = param("mem")) -> AsyncIterator[str]: yield url
    @phase.step
    async def query(sql: str, limit: int = param(5), on: str = use(db), size: int = use(db.pick(len))) -> str:
        return f"{sql} {limit} {on} {size}"
    @phase
    async def work() -> list[str]:
        return [await query("a"), await query("b", 1), await query("c", on="x", size=0), await query(sql="d")]
    """
    done = await played(tmp_path, body, params={"limit": 7})
    assert done.values["work"] == ["a 7 mem 3", "b 1 mem 3", "c 7 x 0", "d 7 mem 3"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("x: int = use(other)", "step 'wrong' is called without 'x'"),
        ("x: int = each([1])", "step 'wrong' is called without 'x'"),
        ("x: int", "missing 1 required positional argument"),
        ("x: int = use(broken)", "resource 'broken' failed to open: ValueError: no"),
    ],
)
async def test_a_step_without_its_argument_fails_with_help(
    tmp_path: Path, declared: str, said: str
) -> None:
    """An edge to a phase means nothing in a call."""
    body = f"""
    @resource
    async def broken() -> AsyncIterator[int]:
        raise ValueError("no")
        yield 1
    @phase
    async def other() -> int: return 1
    @phase.step
    async def wrong({declared}) -> int: return x
    @phase
    async def work() -> int: return await wrong()
    """
    done = await played(tmp_path, body)
    assert said in done.endings["work"].reason


async def test_a_step_from_elsewhere_can_be_called(tmp_path: Path) -> None:
    """Imported in a body, with its own options and default parameters."""
    (tmp_path / "elsewhere_5.py").write_text(
        "from orchcore import param, phase\n"
        "@phase.step(retries=1)\nasync def far(x: int = param(4)) -> int: return x\n"
        "@phase.step\nasync def open_(x: int = param()) -> int: return x\n"
        "@phase.step(retrys=1)\nasync def bad() -> int: return 1\n"
    )
    body = """
    import elsewhere_5
    @phase
    async def work() -> int: return await elsewhere_5.far()
    @phase
    async def lacking() -> int: return await elsewhere_5.open_()
    @phase
    async def wrong() -> int: return await elsewhere_5.bad()
    """
    done = await played(tmp_path, body)
    assert done.values == {"work": 4}
    assert "called without 'x'" in done.endings["lacking"].reason
    assert "no option 'retrys'" in done.endings["wrong"].reason


async def test_a_step_whose_agent_is_an_edge_can_only_be_wired(tmp_path: Path) -> None:
    """Nothing that is written is ignored."""
    body = """
    @agent.step(each(["claude"]))
    async def step(ai: Agent) -> str: return ai.name
    wired = step.parallel(1)
    @phase
    async def work() -> str: return await step()
    """
    done = await played(tmp_path, body)
    assert done.values["wired"] == ["claude"]
    assert "it cannot be called" in done.endings["work"].reason
    assert "step.wired(...)" in done.endings["work"].reason


async def test_a_step_is_retried_after_transient_failures_only(tmp_path: Path) -> None:
    """``retries=1`` on a step; an error of user code is raised at once."""
    body = """
    calls: list[str] = []
    @agent.step(retries=1)
    async def flaky(ai: Agent, kind: str) -> str:
        calls.append(kind)
        return await ai.ask(kind)
    @phase.step(retries=3)
    async def broken() -> None:
        calls.append("broken")
        raise ValueError("no")
    @phase
    async def work() -> list[str]:
        for call in (flaky("connection"), flaky("refused"), broken()):
            try:
                await call
            except (TurnFailed, ValueError) as error:
                calls.append(type(error).__name__)
        return calls
    """
    done = await played(tmp_path, body, lambda asked: failed(asked.prompt))  # type: ignore[arg-type]
    assert done.values["work"] == [
        "connection", "connection", "TurnFailed", "refused", "TurnFailed", "broken", "ValueError",
    ]  # fmt: skip


async def test_a_step_has_its_own_time_limit(tmp_path: Path) -> None:
    """It ends in a TurnFailed of kind timeout, after as many attempts as it has."""
    body = """
    tries: list[int] = []
    @phase.step(timeout=0.02, retries=1)
    async def slow() -> None:
        tries.append(1)
        await asyncio.sleep(60)
    @phase.step(timeout=5)
    async def own() -> None:
        raise TimeoutError("mine")
    @phase
    async def work() -> list[str]:
        said: list[str] = [str(len(tries))]
        for call in (slow(), own()):
            try:
                await call
            except (TurnFailed, TimeoutError) as error:
                said.append(str(error))
        return [*said, str(len(tries))]
    """
    done = await played(tmp_path, body)
    assert done.values["work"] == ["0", "timeout: step 'slow' took 0.02 s", "mine", "2"]


async def test_commands_give_what_they_came_to(tmp_path: Path) -> None:
    """No shell; exit code, stdout, stderr; in the project's folder unless said otherwise."""
    (tmp_path / "sub").mkdir()
    body = """
    @phase
    async def work() -> None:
        done = await command("sh", "-c", "echo out; echo err >&2; pwd; echo $EXTRA; exit 3", env={"EXTRA": "e"})
        assert (done.exit_code, done.ok, done.stderr) == (3, False, "err\\n")
        assert done.stdout.split() == ["out", str(Path(__file__).parent), "e"]
        assert done.argv[0] == "sh" and done.duration_s > 0
        assert (await command("pwd", cwd="sub")).stdout.endswith("/sub\\n")
        assert (await command("echo", "$HOME", "*")).stdout == "$HOME *\\n"
        assert (await command("true", check=True, timeout="5m")).ok
    """
    done = await played(tmp_path, body)
    assert done.endings["work"].reason == ""
    assert [e.path for e in done.of(SubStepStarted)] == ["sh#1", "pwd#1", "echo#1", "true#1"]
    assert [e.exit_code for e in done.of(SubStepEnded)] == [3, 0, 0, 0]


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("command('sh', '-c', 'echo bad >&2; exit 4', check=True)", "error", "exited with 4: bad"),
        ("command('false', check=True)", "error", "false exited with 1"),
        ("command('sleep', '60', timeout=0.05)", "timeout", "0.05 s"),
        ("command('surely-not-there')", "not_installed", "surely-not-there"),
        ("command('echo x')", "not_installed", 'separate words: "echo", "x"'),
    ],
)
async def test_commands_that_fail(tmp_path: Path, line: str, kind: str, said: str) -> None:
    """TurnFailed with the reason; the sub-step has it, too."""
    done = await played(tmp_path, f"@phase\nasync def work() -> None:\n    await {line}\n")
    failure = done.endings["work"].failure
    assert failure is not None
    assert (failure.kind, said in failure.detail) == (kind, True), failure
    assert done.of(SubStepEnded)[0].failure == failure


async def test_what_needs_a_body_says_so_outside() -> None:
    """Steps and commands; ``.fn`` is the undecorated function."""
    from orchcore import command, phase

    @phase.step
    async def double(x: int) -> int:
        return x * 2

    with pytest.raises(OutsideRunError, match=r"double was called outside.*\n.*double\.fn"):
        await double(1)
    with pytest.raises(OutsideRunError, match="command was called outside"):
        await command("true")
    assert await double.fn(2) == 4


async def _number(x: int, seen: list[int]) -> int:
    seen.append(x)
    await asyncio.sleep(0.001)
    if x < 0:
        raise ValueError(str(x))
    return x * 2


async def test_gather_keeps_order_and_its_limit() -> None:
    """Results in the order of the calls; a generator is drawn from as far as the limit allows."""
    drawn, running = 0, 0
    most = 0

    async def call(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (5 - x))
        running -= 1
        return x

    def calls() -> object:
        nonlocal drawn
        for x in range(5):
            drawn += 1
            assert drawn <= x + 1
            yield call(x)

    assert await gather(calls(), limit=2) == [0, 1, 2, 3, 4]  # type: ignore[arg-type]
    assert most == 2
    assert await gather([call(x) for x in range(3)]) == [0, 1, 2]
    assert await gather([]) == []


async def test_the_first_failure_of_gather_ends_the_others() -> None:
    """They are cancelled and awaited; what was never started is closed."""
    ended: list[str] = []

    async def long() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("long")
        return 1

    with pytest.raises(ValueError, match="-1"):
        await gather([long(), _number(-1, []), long()])
    assert ended == ["long", "long"]
    with pytest.raises(ValueError, match="-1"):
        await gather([_number(-1, []), *(long() for _ in range(3))], limit=1)


async def test_gather_stops_drawing_from_a_generator_without_end() -> None:
    """After a failure nothing more is taken from it."""
    from itertools import count

    seen: list[int] = []
    with pytest.raises(ValueError, match="-5"):
        await gather((_number(x if x < 5 else -x, seen) for x in count()), limit=2)
    assert max(seen) <= 6


async def test_what_the_generator_itself_raises_is_raised() -> None:
    """Also while some of its calls run."""

    def broken() -> object:
        yield _number(1, [])
        raise LookupError("exhausted")

    for limit in (None, 1, 2):
        with pytest.raises(LookupError, match="exhausted"):
            await gather(broken(), limit=limit)  # type: ignore[arg-type]


async def test_a_quorum_of_gather_leaves_failures_out() -> None:
    """All are awaited; too few are a TurnFailed of kind quorum."""
    numbers = [1, -1, 2, -2]
    assert await gather((_number(x, []) for x in numbers), quorum=2) == [2, 4]
    with pytest.raises(TurnFailed) as caught:
        await gather((_number(x, []) for x in numbers), quorum=3)
    assert caught.value.failure.kind == "quorum"
    assert (
        caught.value.failure.detail
        == "2 of 4 calls succeeded, 3 needed; first failure: ValueError: -1"
    )
    with pytest.raises(TurnFailed, match="0 of 0 calls succeeded, 1 needed"):
        await gather([], quorum=1)


async def test_a_limit_of_none_at_once_is_refused() -> None:
    """It would never end."""
    with pytest.raises(ValueError, match="at least one"):
        await gather([], limit=0)


async def test_exits_within_gather_fail_the_body_only(tmp_path: Path) -> None:
    """``sys.exit()`` in a call does not end the program."""
    body = """
    @phase.step
    async def leave() -> None: raise SystemExit(3)
    @phase
    async def work() -> None: await gather([leave(), asyncio.sleep(60)])
    @phase
    async def other() -> int: return 1
    """
    done = await played(tmp_path, body)
    assert done.states == {"work": "failed", "other": "passed"}
    assert done.endings["work"].reason == "error: SystemExit: 3"


@pytest.mark.parametrize(
    ("line", "state", "reason"),
    [
        ("raise Skip('because')", "skipped", "because"),
        ("raise Skip", "skipped", "the body raised Skip"),
        ("raise SystemExit(2)", "failed", "error: SystemExit: 2"),
        ("raise asyncio.CancelledError", "failed", "cancelled by its own code"),
        ("raise TimeoutError('mine')", "failed", "error: TimeoutError: mine"),
        ("raise ExceptionGroup('g', [ValueError('a'), ExceptionGroup('h', [KeyError('b')])])", "failed",
         "error: ValueError: a; KeyError: 'b'"),
        ("raise BaseExceptionGroup('g', [SystemExit(1)])", "failed", "error: SystemExit: 1"),
        ("raise type('Odd', (BaseException,), {})('odd')", "failed", "Odd: odd"),
        ("raise ValueError('first\\nsecond')", "failed", "error: ValueError: first"),
        ("raise TurnFailed(Failure('refused', 'no'))", "failed", "refused: no"),
        ("raise ExceptionGroup('g', [TurnFailed(Failure('stalled', 's')), TurnFailed(Failure('timeout', 't'))])",
         "failed", "stalled: s; timeout: t"),
        ("await gather([asyncio.sleep(0), skip()])", "skipped", "within"),
        ("await step()", "skipped", "within"),
    ],
)  # fmt: skip
async def test_whatever_a_body_raises(tmp_path: Path, line: str, state: str, reason: str) -> None:
    """A failure of this node, or its skip; the run goes on."""
    body = f"""
    async def skip() -> None: raise Skip("within")
    @phase.step
    async def step() -> None: await skip()
    @phase
    async def work() -> None:
        {line}
    @phase
    async def other() -> int: return 1
    """
    done = await played(tmp_path, body)
    assert (done.states["work"], done.states["other"]) == (state, "passed")
    assert reason in done.endings["work"].reason


@pytest.mark.parametrize("then", ["await asyncio.sleep(0)", "return None"])
async def test_a_body_that_cancels_itself_has_failed(tmp_path: Path, then: str) -> None:
    """Nobody else ended it; the run goes on."""
    body = f"""
    @phase
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        {then}
    @phase
    async def other() -> int: return 1
    """
    done = await played(tmp_path, body)
    assert (done.states, done.exit_code) == ({"work": "failed", "other": "passed"}, 1)
    assert "cancelled by its own code" in done.endings["work"].reason


async def test_a_skip_within_a_step_is_no_failed_sub_step(tmp_path: Path) -> None:
    """It is recorded as what it is."""
    body = """
    @phase.step
    async def step() -> None: raise Skip("within")
    @phase
    async def work() -> None: await step()
    """
    (end,) = (await played(tmp_path, body)).of(SubStepEnded)
    assert end.failure is not None
    assert (end.failure.kind, end.failure.detail) == ("skipped", "within")


async def test_retries_are_for_transient_failures(tmp_path: Path) -> None:
    """Attempts are counted and told; costs add up; each starts a new conversation."""
    body = """
    @agent(retries=2)
    async def work(ai: Agent) -> str: return await ai.ask("x")
    """
    results = [failed("overloaded"), failed("crashed"), replied("fine", cost_usd=0.25)]
    asked: list[Invocation] = []

    def script(invocation: Invocation) -> TurnResult:
        asked.append(invocation)
        return results.pop(0)

    done = await played(tmp_path, body, script)
    assert (done.values["work"], done.ended("work").attempt) == ("fine", 3)
    assert [event.attempt for event in done.of(AttemptStarted)] == [1, 2, 3]
    retries = done.of(RetryScheduled)
    assert [(event.attempt, event.attempts, event.failure.kind) for event in retries] == [
        (1, 3, "overloaded"),
        (2, 3, "crashed"),
    ]
    assert all(event.delay_s == 0.001 for event in retries)
    assert [one.resume for one in asked] == [None, None, None]
    assert (done.ended("work").turns, done.ended("work").unpriced_turns) == (3, 2)
    assert len({one.folder for one in asked}) == 3


async def test_a_retry_backs_off(tmp_path: Path) -> None:
    """Without a time told by the other side: half to all of a second at first."""
    body = "@agent(retries=1)\nasync def work(ai: Agent) -> str: return await ai.ask('x')\n"
    results = [failed("connection", retry_after_s=0), replied("fine")]
    done = await played(tmp_path, body, lambda _: results.pop(0))
    assert done.exit_code == 0
    assert 0.5 <= done.of(RetryScheduled)[0].delay_s <= 1.0


@pytest.mark.parametrize(
    ("line", "attempts"),
    [
        ("await ai.ask('connection')", 3),
        ("await ai.ask('refused')", 1),
        ("await ai.ask('auth')", 1),
        ("raise ValueError('user code')", 1),
        ("raise Skip('no')", 1),
        (
            "raise ExceptionGroup('g', [TurnFailed(Failure('crashed', 'c', 0.001)), ValueError('x')])",
            1,
        ),
        ("raise ExceptionGroup('g', [TurnFailed(Failure('crashed', 'c', 0.001))] * 2)", 3),
        ("await command('sleep', '9', timeout=0.01)", 2),
    ],
)
async def test_what_is_tried_again(tmp_path: Path, line: str, attempts: int) -> None:
    """Never errors of user code, nor failures that another attempt cannot mend."""
    retries = 1 if "command" in line else 2
    body = f"@agent(retries={retries})\nasync def work(ai: Agent) -> None:\n    {line}\n"
    done = await played(tmp_path, body, lambda asked: failed(asked.prompt))  # type: ignore[arg-type]
    assert len(done.of(AttemptStarted)) == attempts


async def test_a_body_has_its_time_limit(tmp_path: Path) -> None:
    """It is cancelled, cleans up, and may be tried again."""
    body = """
    ends: list[str] = []
    @phase(timeout=0.02)
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ends.append("cleaned")
    @phase
    async def told(x: Any = maybe(work)) -> list[str]: return ends
    """
    done = await played(tmp_path, body)
    assert done.endings["work"].reason == "timeout: took longer than 0.02 s (timeout=0.02)"
    assert done.values["told"] == ["cleaned"]


@pytest.mark.parametrize("where", ["body", "step", "command"])
async def test_time_limits_stand_while_everything_waits_for_a_slot(
    tmp_path: Path, where: str
) -> None:
    """A node that waits longer than its limit for a turn of another does not time out."""
    limited = {
        "body": "@agent(timeout=0.15)\nasync def waits(ai: Agent, x: int = use(first)) -> str: return await ai.ask('quick')\n",
        "step": "@agent.step(timeout=0.15)\nasync def step(ai: Agent) -> str: return await ai.ask('quick')\n"
        "@phase\nasync def waits(x: int = use(first)) -> str: return await step()\n",
        "command": "@phase(timeout=0.15)\nasync def waits(x: int = use(first)) -> str: return (await command('echo', 'quick')).stdout\n",
    }[where]
    body = f"""
@phase
async def first() -> int:
    await started.wait()
    return 1
started = asyncio.Event()
@agent
async def holds(ai: Agent) -> str:
    started.set()
    return await ai.ask("slow")
{limited}
"""

    async def turn(asked: Invocation) -> TurnResult:
        await asyncio.sleep(0.5 if asked.prompt == "slow" else 0)
        return replied(asked.prompt)

    done = await played(tmp_path, body, turn, jobs=1)
    assert done.states["waits"] == "passed", done.endings["waits"].reason


async def test_a_time_limit_runs_while_other_work_goes_on(tmp_path: Path) -> None:
    """Only if everything within it waits does it stand."""
    body = """
    @agent(timeout=0.1)
    async def work(ai: Agent) -> None:
        await gather([ai.ask("slow"), ai.fork().ask("slow")])
    """

    async def turn(asked: Invocation) -> TurnResult:
        await asyncio.sleep(30)
        return replied(asked.prompt)

    done = await played(tmp_path, body, turn, jobs=1)
    assert done.endings["work"].reason.startswith("timeout: took longer than 0.1 s")
    (cut,) = done.of(TurnEnded)
    assert cut.failure is not None
    assert cut.failure.kind == "cancelled"


async def test_sub_steps_that_are_cancelled_are_told(tmp_path: Path) -> None:
    """Whatever started has an end."""
    body = """
    @phase.step
    async def inner() -> None: await command("sleep", "60")
    @phase(timeout=0.1)
    async def work() -> None: await inner()
    """
    done = await played(tmp_path, body)
    ends = {event.path: event.failure for event in done.of(SubStepEnded)}
    assert set(ends) == {event.path for event in done.of(SubStepStarted)} == {"inner#1", "sleep#1"}
    assert {failure.kind if failure else None for failure in ends.values()} == {"cancelled"}


async def test_tasks_that_a_body_forgets_are_cancelled_and_reported(tmp_path: Path) -> None:
    """With their name; those that ended are nobody's business."""
    body = """
    ends: list[str] = []
    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ends.append("ended")
    @agent
    async def work(ai: Agent) -> list[Any]:
        over = asyncio.create_task(asyncio.sleep(0), name="over")
        await over
        return [asyncio.create_task(forever(), name=f"left-{n}") for n in range(2)] and ends
    """
    done = await played(tmp_path, body)
    assert done.states["work"] == "passed"
    warnings = sorted(event.text for event in done.of(Warned))
    assert warnings == [f"task 'left-{n}' was left running and is cancelled" for n in range(2)]
    assert done.values["work"] == ["ended", "ended"]


async def test_a_turn_that_a_forgotten_task_waits_for_is_ended(tmp_path: Path) -> None:
    """Also one that outlives its body's time limit."""
    body = """
    kept: list[Any] = []
    @agent(timeout=5)
    async def work(ai: Agent) -> int:
        kept.append(asyncio.create_task(ai.ask("slow"), name="left"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return 1
    """

    async def turn(_: Invocation) -> TurnResult:
        await asyncio.sleep(60)
        return replied("never")

    done = await played(tmp_path, body, turn)
    assert done.exit_code == 0
    assert [event.text for event in done.of(Warned)] == [
        "task 'left' was left running and is cancelled"
    ]


async def test_what_a_result_is_in_brief(tmp_path: Path) -> None:
    """A few words for people; no result can break its own report."""
    body = """
    from dataclasses import dataclass
    @dataclass
    class Point:
        x: int
        names: list[str]
        text: str
    class Inner(BaseModel):
        a: int
    class Outer(BaseModel):
        inner: Inner
        big: float
    class Odd:
        def __repr__(self) -> str: raise ValueError("odd")
    def result(name: str, value: Any) -> Any:
        @phase(name=name)
        async def give() -> Any: return value
        return give
    nothing = result("nothing", None)
    text = result("text", "several\\nwords " * 20)
    point = result("point", Point(1, ["a", "b"], "w " * 40))
    outer = result("outer", Outer(inner=Inner(a=1), big=1.5))
    one = result("one", [1])
    many = result("many", [1, 2])
    number = result("number", 7)
    odd = result("odd", Odd())
    """
    done = await played(tmp_path, body)
    brief = {id_: done.ended(id_).brief for id_ in done.states}
    assert brief["nothing"] == ""
    assert (len(brief["text"]), brief["text"][-1], "\n" in brief["text"]) == (60, "…", False)
    assert brief["point"] == "Point(x=1, names=2, text='w w w w w w w w w w…')"
    assert brief["outer"] == "Outer(inner=Inner, big=1.5)"
    assert (brief["one"], brief["many"], brief["number"], brief["odd"]) == (
        "1 item",
        "2 items",
        "7",
        "Odd",
    )
    stored = {id_: done.ended(id_).value for id_ in done.states}
    assert (stored["nothing"], stored["many"], stored["odd"]) == ("null", "[1,2]", None)
    assert stored["outer"] == '{"inner":{"a":1},"big":1.5}'


async def test_results_are_stored_by_their_annotation(tmp_path: Path) -> None:
    """What does not fit it is not stored; unhashable annotations do."""
    body = """
    from typing import Annotated
    @phase
    async def fits() -> dict[str, Path]: return {"a": Path("b")}
    @phase
    async def lies() -> int: return "text"
    @phase
    async def unit() -> Annotated[int, ["s"]]: return 3
    """
    done = await played(tmp_path, body)
    assert [done.ended(x).value for x in ("fits", "lies", "unit")] == ['{"a":"b"}', None, "3"]


async def test_positional_and_variadic_parameters(tmp_path: Path) -> None:
    """Every kind of parameter Python has."""
    body = """
    @phase
    async def one() -> int: return 1
    @agent
    async def work(ai: Agent, x: int = use(one), /, y: int = param(2), *more: int, z: int = use(one), **rest: int) -> Any:
        return [x, y, more, z, rest]
    """
    done = await played(tmp_path, body)
    assert done.values["work"] == [1, 2, (), 1, {}]
