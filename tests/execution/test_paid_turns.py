"""What was paid is recorded and booked, and nothing else is: however things end."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from orchcore.agents.invocation import Invocation
from orchcore.events import ApprovalAsked, Event, TurnEnded, TurnReused, TurnStarted
from orchcore.execution.budget import Claim, Held, Treasury
from orchcore.execution.ports import Answer, Question
from orchcore.journal.decisions import Decision, leave
from orchcore.journal.file_states import FileStates
from orchcore.journal.run_folder import RunFolder
from orchcore.results import Failure, FileState, TurnResult
from orchcore.testing import Rehearsal, Request, ScriptedRunner, VirtualClock, replied
from orchfiles import written


async def test_a_turn_that_is_cancelled_once_it_is_over_is_recorded(tmp_path: Path) -> None:
    """The next attempt does not pay for it again."""

    class Slow(FileStates):
        looks = 0

        async def taken(self, cwd: Path) -> FileState:
            self.looks += 1
            await asyncio.sleep(0.5 if self.looks == 2 else 0)  # after the turn
            return FileState(str(cwd), "tree")

    body = """
    @agent(permission="edit", timeout=0.2, retries=1)
    async def work(ai: Agent) -> str:
        return await ai.ask("x")
    """
    runner = ScriptedRunner(lambda _: replied("done"))
    done = await Rehearsal(
        orchfile=written(tmp_path, body),
        folder=tmp_path,
        runner=runner,
        request=Request(agent="scripted"),
        files=Slow(tmp_path / "files", {}),
    ).run()
    assert (done.exit_code, runner.prompts) == (0, ["x"])
    assert [len(done.of(kind)) for kind in (TurnStarted, TurnEnded, TurnReused)] == [1, 1, 1]


async def test_a_turn_that_never_began_costs_nothing() -> None:
    """And tells nothing of what others will cost: the next one is the probe."""
    treasury = Treasury(1.0)
    first = await treasury.hold(Claim("a", "claude", estimate_usd=0.4))
    assert isinstance(first, Held)
    await treasury.let_go(first)
    assert treasury.left_usd("a") == 1.0
    probe = await treasury.hold(Claim("a", "codex"))
    assert isinstance(probe, Held)
    await treasury.let_go(probe)
    again = await treasury.hold(Claim("a", "codex"))
    assert isinstance(again, Held)
    assert again.probes


async def test_what_another_process_paid_counts() -> None:
    """A turn whose end was read from its transcript is taken from the budgets, too."""
    treasury = Treasury(1.0, {"a": 0.5})
    await treasury.book(Claim("a", "claude"), 0.3)
    assert treasury.left_usd("a") == 0.2
    assert treasury.left_usd("b") == 0.7


async def test_cheap_failures_make_no_turn_look_cheap() -> None:
    """What turns cost that answered is what others will."""
    treasury = Treasury(10.0)
    for usd, answered in ((1.0, True), (0.01, False), (0.01, False)):
        held = await treasury.hold(Claim("a", "claude"))
        assert isinstance(held, Held)
        held.begun = True
        await treasury.settle(held, usd, answered=answered)
    held = await treasury.hold(Claim("a", "claude"))
    assert isinstance(held, Held)
    assert held.reserved_usd == 1.0


async def test_a_wish_for_a_revision_is_heeded_once(tmp_path: Path) -> None:
    """If what comes of it is the same, a person is asked again; nobody pays for ever."""
    body = """
    @agent
    async def judge(ai: Agent) -> bool:
        await ai.ask("judge")
        return False

    good = approve(judge, "Good?")
    """
    place = RunFolder("0000", tmp_path).answer_file("good")
    asked: list[Question] = []

    class Person:
        async def ask(self, question: Question) -> Answer:
            asked.append(question)
            await asyncio.sleep(30)
            raise AssertionError("answered elsewhere")

    def observe(event: Event) -> None:
        if not isinstance(event, ApprovalAsked):
            return
        if not place.exists():
            leave(Decision(event.digest, False, "bob", time.time(), None, "again"), place)
        elif len(asked) == 1:
            asyncio.get_running_loop().call_later(
                0.3, leave, Decision(event.digest, True, "bob", time.time() + 1), place
            )

    runner = ScriptedRunner(lambda _: replied("no"))
    async with asyncio.timeout(20):
        done = await Rehearsal(
            orchfile=written(tmp_path, body),
            folder=tmp_path,
            runner=runner,
            request=Request(agent="scripted"),
            approver=Person(),
            observe=observe,
        ).run()
    assert (done.exit_code, len(runner.prompts)) == (0, 2)


FALLBACK = """
class Plan(BaseModel):
    steps: list[str]

@agent("claude", fallback=["codex"])
async def work(ai: Agent) -> str:
    return str(await ai.ask("plan the house", Plan))
"""


async def test_who_stands_in_is_told_the_task(tmp_path: Path) -> None:
    """Not only what was wrong with an answer that another one gave."""
    said: Mapping[str, list[TurnResult]] = {
        "claude": [
            replied("no plan"),
            TurnResult(failure=Failure("rate_limited", "429", 3600.0), exit_code=1),
        ],
        "codex": [replied('{"steps": []}')],
    }

    def script(turn: Invocation) -> TurnResult:
        return said[turn.agent].pop(0)

    runner = ScriptedRunner(script)
    done = await Rehearsal(
        orchfile=written(tmp_path, FALLBACK),
        folder=tmp_path,
        runner=runner,
        clock=VirtualClock(),
    ).run()
    assert done.exit_code == 0
    assert [(turn.agent, turn.resume is None) for turn in runner.invocations] == [
        ("claude", True),
        ("claude", False),
        ("codex", True),
    ]
    assert runner.prompts[0] == runner.prompts[2]
