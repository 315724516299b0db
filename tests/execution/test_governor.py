"""Rate limits are waited out, by all who share an account, and cost no retry."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchcore.agents.invocation import Invocation
from orchcore.events import LimitAwaited, RetryScheduled
from orchcore.execution.clock import SystemClock
from orchcore.execution.governor import Entered, Governor, Pass, Scope
from orchcore.journal.gate_files import GateFiles, MemoryGates
from orchcore.planning.drafting import Request
from orchcore.results import Failure, TurnResult
from orchcore.testing import (
    Rehearsal,
    Rehearsed,
    ScriptedAdapter,
    ScriptedRunner,
    VirtualClock,
    replied,
)
from orchfiles import written

ONE = """
@agent({options})
async def work(ai: Agent) -> str:
    return await ai.ask("work")
"""
A, B = Scope("a"), Scope("b")
LET_THROUGH = Pass(A, tuple(map(Entered, A.gates)))
LIMIT = Failure("rate_limited", "too many requests", 3600.0)


async def played(
    folder: Path,
    script: Callable[[Invocation], TurnResult],
    body: str = ONE,
    options: str = "",
    clock: VirtualClock | None = None,
) -> tuple[Rehearsed, ScriptedRunner]:
    runner = ScriptedRunner(script)
    rehearsal = Rehearsal(
        orchfile=written(folder, body.replace("{options}", options)),
        folder=folder,
        runner=runner,
        request=Request(agent="scripted", jobs=8),
        clock=clock or VirtualClock(),
    )
    async with asyncio.timeout(20):
        return await rehearsal.run(), runner


def limited(times: int, failure: Failure = LIMIT) -> Callable[[Invocation], TurnResult]:
    """The first *times* turns meet a limit."""
    left = [failure] * times

    def script(asked: Invocation) -> TurnResult:
        session = asked.resume or asked.new_session_id
        if left:
            return TurnResult(failure=left.pop(), session_id=session, exit_code=1)
        return replied(f"done {asked.prompt}", session_id=session)

    return script


async def test_a_limit_is_waited_out_in_the_same_session(tmp_path: Path) -> None:
    """Six hours of it in a moment; it costs no retry, and the conversation goes on."""
    began = time.monotonic()
    done, runner = await played(tmp_path, limited(5))
    assert time.monotonic() - began < 2
    assert done.exit_code == 0
    assert (len(runner.prompts), done.of(RetryScheduled)) == (6, [])
    assert runner.invocations[1].resume == runner.invocations[0].new_session_id
    assert runner.prompts[1].startswith("A rate limit interrupted you")
    waits = done.of(LimitAwaited)
    assert [event.agent for event in waits] == ["scripted"] * 5


async def test_nobody_waits_for_longer_than_allowed(tmp_path: Path) -> None:
    """Exit 12, and the failure says why."""
    done, runner = await played(tmp_path, limited(9), options='rate_limit_max_wait="2h"')
    assert (done.exit_code, len(runner.prompts)) == (12, 3)
    assert "rate_limit_max_wait=7200 s is used up" in str(done.endings["work"].failure)


async def test_who_does_not_want_to_wait_fails(tmp_path: Path) -> None:
    """At once, as a failure that retries may be spent on."""
    done, runner = await played(tmp_path, limited(9), options='on_rate_limit="fail"')
    assert (done.exit_code, len(runner.prompts)) == (1, 1)


async def test_the_time_for_a_turn_does_not_run(tmp_path: Path) -> None:
    """Nor is its slot taken: others go on meanwhile."""
    body = """
    @agent("scripted", timeout=0.2)
    async def work(ai: Agent) -> str:
        return await ai.ask("work")

    @agent("free")
    async def other(ai: Agent) -> str:
        return await ai.ask("other")
    """
    left = [replace(LIMIT, retry_after_s=0.5)]
    ended: list[str] = []

    async def script(asked: Invocation) -> TurnResult:
        if asked.prompt == "work" and left:
            return TurnResult(failure=left.pop(), exit_code=1)
        ended.append(asked.prompt)
        return replied("done")

    adapters = {"scripted": ScriptedAdapter("scripted"), "free": ScriptedAdapter("free")}
    done = await Rehearsal(
        orchfile=written(tmp_path, body),
        folder=tmp_path,
        runner=ScriptedRunner(script),
        request=Request(jobs=1),
        adapters=adapters,
        clock=SystemClock(),
    ).run()
    assert (done.exit_code, ended[0]) == (0, "other")


@pytest.mark.parametrize(
    ("options", "code"), [('on_rate_limit="fail"', 1), ('rate_limit_max_wait="2h"', 12)]
)
async def test_a_gate_that_is_closed_before_a_turn_counts_as_well(
    tmp_path: Path, options: str, code: int
) -> None:
    """Closed by another run for ten hours: nobody waits longer than allowed, and nothing starts."""
    clock, gates = VirtualClock(), MemoryGates()
    Governor(gates, clock).close(
        Pass(Scope("scripted"), tuple(map(Entered, Scope("scripted").gates))),
        replace(LIMIT, retry_after_s=36_000.0),
    )
    began = clock.boot()
    runner = ScriptedRunner(lambda _: replied("done"))
    done = await Rehearsal(
        orchfile=written(tmp_path, ONE.replace("{options}", options)),
        folder=tmp_path,
        runner=runner,
        request=Request(agent="scripted"),
        clock=clock,
        gates=gates,
    ).run()
    assert (done.exit_code, runner.prompts, clock.boot() - began < 1) == (code, [], True)


def test_a_limit_holds_for_its_own_run_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Nobody runs into it again at once."""
    (tmp_path / "file").write_text("")
    clock = VirtualClock()
    governor = Governor(GateFiles(tmp_path / "file" / "gates"), clock)
    assert governor.close(LET_THROUGH, LIMIT) == pytest.approx(3600)
    assert governor.closed_s(A) == pytest.approx(3600)


CROWD = """
@agent(parallel=8{options})
async def work(ai: Agent, number: int = each(list(range(8)))) -> str:
    return await ai.ask(f"work {number}")
"""


async def test_after_a_limit_one_is_let_through_then_two_then_four(tmp_path: Path) -> None:
    """An account that answers two requests, and then none for 3 s. A turn takes 1 s."""
    clock = VirtualClock()
    began = clock.boot()
    spans: list[tuple[float, float]] = []
    asked = 0
    resets = 0.0

    async def script(_: Invocation) -> TurnResult:
        nonlocal asked, resets
        asked += 1
        now = clock.boot()
        if asked == 3:
            resets = now + 3
        if now < resets:
            told = replace(LIMIT, retry_after_s=resets - now)
            return TurnResult(failure=told, exit_code=1)
        await clock.sleep(1)
        spans.append((now - began, clock.boot() - began))
        return replied("done")

    runner = ScriptedRunner(script)
    rehearsal = Rehearsal(
        orchfile=written(tmp_path, CROWD.replace("{options}", "")),
        folder=tmp_path,
        runner=runner,
        request=Request(agent="scripted", jobs=8),
        clock=clock,
    )
    done = await rehearsal.run()
    assert done.exit_code == 0
    assert done.of(RetryScheduled) == []
    after = sorted(start for start, _ in spans)[2:]
    assert [round(start) for start in after] == [3, 4, 4, 5, 5, 5]
    assert max(end for _, end in spans) < 3 + 4


def test_the_later_deadline_wins_and_an_older_report_never_opens() -> None:
    """Whoever comes last, and however its turn ended."""
    clock = VirtualClock()
    gates = MemoryGates()
    governor = Governor(gates, clock)
    old = LET_THROUGH
    assert governor.close(old, replace(LIMIT, retry_after_s=100.0)) == pytest.approx(100)
    assert governor.close(old, replace(LIMIT, retry_after_s=10.0)) == pytest.approx(100)
    governor.leave(old, well=True)
    assert governor.closed_s(A) == pytest.approx(100)
    assert gates.read("a").width == 1


def test_clocks_that_jump_move_no_deadline() -> None:
    """Within one start of the machine; after another one the time of day is all there is."""
    clock = VirtualClock()
    gates = MemoryGates()
    governor = Governor(gates, clock)
    governor.close(LET_THROUGH, replace(LIMIT, retry_after_s=100.0))
    clock.jump(3600)
    assert governor.closed_s(A) == pytest.approx(100)
    clock.jump(-3600 + 40)
    gates.change("a", lambda state: replace(state, boot_id="another"))
    assert governor.closed_s(A) == pytest.approx(60)


def test_files_are_shared_private_and_survive_garbage(tmp_path: Path) -> None:
    """What cannot be read counts as open."""
    folder = tmp_path / "gates"
    clock = VirtualClock()
    Governor(GateFiles(folder), clock).close(LET_THROUGH, LIMIT)
    other = Governor(GateFiles(folder), clock)
    assert other.closed_s(A) == pytest.approx(3600)
    assert other.closed_s(B) == 0
    (file,) = folder.glob("*.json")
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    file.write_text("{")
    assert other.closed_s(A) == 0


async def test_a_lease_of_a_process_that_died_is_given_back(tmp_path: Path) -> None:
    """The probe of a killed run does not keep the gate shut."""
    clock = VirtualClock()
    gates = GateFiles(tmp_path)
    governor = Governor(gates, clock)
    governor.close(LET_THROUGH, replace(LIMIT, retry_after_s=1.0))
    first = await governor.enter(A, lambda _: None)
    assert first.gates[0].lease
    gates.change(
        "a", lambda s: replace(s, leases=tuple(replace(one, pid=2**22 + 1) for one in s.leases))
    )
    async with asyncio.timeout(5):
        assert (await governor.enter(A, lambda _: None)).gates[0].lease


async def test_a_limit_of_one_model_leaves_the_others_alone() -> None:
    """Its gate is tried out like an account's, which stays open."""
    clock = VirtualClock()
    governor = Governor(MemoryGates(), clock)
    opus, other = Scope("a", "opus"), Scope("a", "haiku")
    entered = await governor.enter(opus, lambda _: None)
    assert governor.close(entered, replace(LIMIT, of_model=True)) == pytest.approx(3600)
    governor.leave(entered, well=False)
    assert governor.closed_s(opus) == pytest.approx(3600)
    assert governor.closed_s(other) == 0
    await clock.sleep(3600)
    probe = await governor.enter(opus, lambda _: None)
    assert [bool(one.lease) for one in probe.gates] == [False, True]
    governor.close(await governor.enter(other, lambda _: None), LIMIT)
    assert governor.closed_s(opus) == pytest.approx(3600)
