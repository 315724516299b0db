"""A budget is not overdrawn, nothing that was paid is lost, and there is no waiting for ever."""

import asyncio
from pathlib import Path

import pytest

from orchcore.agents.invocation import Invocation, Listener
from orchcore.events import TurnEnded, TurnStarted, UsageReported
from orchcore.execution.budget import Claim, Held, Treasury
from orchcore.journal.past import Past
from orchcore.planning.drafting import Request
from orchcore.results import Failure, TurnResult, Usage
from orchcore.testing import Rehearsal, Rehearsed, replied
from orchfiles import written

CROWD = """
@agent(parallel=20{more})
async def work(ai: Agent, number: int = each(list(range(20)))) -> str:
    return await ai.ask(f"work {number}")
"""
STEPS = 4


class Metered:
    """A turn of $0.12 in four steps, which it reports as it goes, or only at its end."""

    def __init__(self, *, streams: bool = True, cost_usd: float | None = 0.12) -> None:
        self.streams = streams
        self.cost_usd = cost_usd
        self.spent_usd = 0.0
        self.prompts: list[str] = []

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        self.prompts.append(invocation.prompt)
        for step in range(1, STEPS + 1):
            await asyncio.sleep(0.001)
            if self.cost_usd is not None:
                self.spent_usd += self.cost_usd / STEPS
                if self.streams:
                    listener(UsageReported(Usage(step, step), self.cost_usd * step / STEPS))
        return replied("done", cost_usd=self.cost_usd)


async def played(
    folder: Path,
    runner: Metered,
    budget_usd: float | None,
    *,
    more: str = "",
    past: Past | None = None,
) -> Rehearsed:
    request = Request(agent="scripted", budget_usd=budget_usd, jobs=20)
    rehearsal = Rehearsal(
        orchfile=written(folder, CROWD.replace("{more}", more)),
        folder=folder,
        runner=runner,
        request=request,
        past=past or Past(),
    )
    async with asyncio.timeout(10):
        return await rehearsal.run()


@pytest.mark.parametrize("streams", [True, False])
async def test_a_crowd_stops_at_the_budget(tmp_path: Path, streams: bool) -> None:
    """Without any history: the first one is a probe, then as many run as there is money for."""
    runner = Metered(streams=streams)
    done = await played(tmp_path, runner, 1.00)
    passed = [one for one, state in done.states.items() if state == "passed"]
    assert len(passed) == 8
    assert runner.spent_usd == pytest.approx(0.96)
    assert done.exit_code == 11
    refused = next(one for one in done.endings.values() if one.state == "failed")
    assert str(refused.failure).startswith(
        "budget: the budget of the run is exhausted: $0.96 of $1.00"
    )
    resumed = Metered(streams=streams)
    again = await played(tmp_path, resumed, 3.00, past=Past.told_by(done.events))
    assert (len(resumed.prompts), again.exit_code) == (12, 0)


async def test_history_lets_them_start_at_once(tmp_path: Path) -> None:
    """What such turns cost in an earlier process is held for each."""
    first = await played(tmp_path, Metered(), None)
    known = Past.told_by(first.events)
    past = Past(processes=1, spent_usd={}, costs_usd=known.costs_usd)
    runner = Metered()
    done = await played(tmp_path, runner, 1.00, past=past)
    assert sum(state == "passed" for state in done.states.values()) == 8
    started = [event.at for event in done.of(TurnStarted)]
    ended = [event.at for event in done.of(TurnEnded)]
    assert started[3] < ended[0]  # the first ones start in a ramp


async def test_a_turn_that_costs_more_than_was_held_is_ended(tmp_path: Path) -> None:
    """At the step with which the budget is overdrawn."""
    runner = Metered()
    done = await played(tmp_path, runner, 0.05, more=", estimate_usd=0.01")
    assert done.exit_code == 11
    # five begin, for which 0.01 each was held; they are ended in their first or second step
    assert len(runner.prompts) == 5
    assert runner.spent_usd < 0.05 + 5 * 0.03 + 1e-9


async def test_a_phase_has_a_budget_of_its_own(tmp_path: Path) -> None:
    """All of its instances together."""
    runner = Metered()
    done = await played(tmp_path, runner, None, more=", budget=0.30")
    assert sum(state == "passed" for state in done.states.values()) == 2
    assert done.exit_code == 11
    assert "the budget of phase work is exhausted" in str(done.endings["work"].failure)


async def test_what_is_spent_survives(tmp_path: Path) -> None:
    """Also what had no price counts, as much as was held for it."""
    first = await played(tmp_path, Metered(cost_usd=None), 0.10, more=", estimate_usd=0.04")
    assert sum(state == "passed" for state in first.states.values()) == 2
    assert [event.booked_usd for event in first.of(TurnEnded)] == [0.04, 0.04]
    past = Past.told_by(first.events)
    assert past.spent_usd == {"work": pytest.approx(0.08)}
    runner = Metered()
    done = await played(tmp_path, runner, 0.10, more=", estimate_usd=0.04", past=past)
    assert (runner.prompts, done.exit_code) == ([], 11)


async def test_without_a_budget_nobody_waits(tmp_path: Path) -> None:
    """Turns of one kind all start at once, without a probe."""
    done = await played(tmp_path, Metered(), None)
    assert done.exit_code == 0
    started = [event.at for event in done.of(TurnStarted)]
    assert started[3] < done.of(TurnEnded)[0].at  # as many as a ramp begins with


async def held(treasury: Treasury, **claim: float) -> Held:
    found = await treasury.hold(Claim("work", "agent", **claim))
    assert isinstance(found, Held)
    return found


async def test_what_is_given_back_lets_others_start() -> None:
    """A turn that cost less than was held for it."""
    treasury = Treasury(1.0)
    first = await held(treasury, estimate_usd=0.9)
    waiting = asyncio.create_task(held(treasury, estimate_usd=0.9), name="waits")
    await asyncio.sleep(0)
    assert not waiting.done()
    await treasury.settle(first, 0.05)
    assert (await waiting).reserved_usd == 0.9


async def test_a_turn_may_have_a_limit_of_its_own() -> None:
    """``ai.using(budget=...)``: whatever the run may cost."""
    treasury = Treasury()
    one = await held(treasury, limit_usd=0.5)
    assert treasury.meter(one, 0.5) is None
    failure = treasury.meter(one, 0.6)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.transient) == ("budget", False)


async def test_a_probe_that_is_cut_lets_the_next_one_try() -> None:
    """Nobody waits for a turn that is gone."""
    treasury = Treasury(1.0)
    first = await held(treasury)
    waiting = asyncio.create_task(held(treasury), name="waits")
    await asyncio.sleep(0)
    await treasury.let_go(first)
    assert isinstance(await waiting, Held)
