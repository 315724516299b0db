"""Approval is a node: yes, no, each item, nobody to ask."""

import asyncio
from pathlib import Path

import pytest

from orchcore.events import ApprovalAsked, ApprovalGiven, AttemptStarted
from orchcore.execution.handle import REVISE
from orchcore.execution.ports import Answer, Question
from orchcore.testing import MemoryRecorder, Rehearsal, Request, ScriptedRunner, replied
from orchfiles import played, written

PLAN = """
class Plan(BaseModel):
    steps: list[str]
@phase
async def plan() -> Plan: return Plan(steps=["a", "b"])
approved = approve(plan, lambda p: f"Implement these {len(p.steps)} steps?")
@phase
async def go(p: Plan = use(approved)) -> int: return len(p.steps)
@phase
async def independent() -> int: return 1
"""


class Person:
    """Says no to what contains one of *noes*; asked one question at a time."""

    def __init__(self, *noes: str) -> None:
        self._noes = noes
        self.asked: list[tuple[str, str]] = []
        self._busy = False

    async def ask(self, question: Question) -> Answer:
        assert not self._busy
        self._busy = True
        await asyncio.sleep(0.001)
        self._busy = False
        self.asked.append((question.text, question.value))
        return Answer(approved=not any(no in question.value for no in self._noes), by="ann")


async def test_yes_lets_the_value_through(tmp_path: Path) -> None:
    """The person sees the question and the value; both are in the record."""
    person, recorder = Person(), MemoryRecorder()
    done = await played(tmp_path, PLAN, approver=person, recorder=recorder)
    assert (done.values["go"], done.exit_code) == (2, 0)
    question, value = person.asked[0]
    assert question == "Implement these 2 steps?"
    assert '"steps": [\n    "a",' in value
    asked, given = done.of(ApprovalAsked), done.of(ApprovalGiven)
    assert [(e.node, e.question, e.value) for e in asked] == [("approved", question, value)]
    assert [(e.approved, e.by) for e in given] == [(True, "ann")]
    assert given[0] in recorder.events


async def test_no_skips_the_branch_and_fails_the_run(tmp_path: Path) -> None:
    """What does not depend on it goes on."""
    done = await played(tmp_path, PLAN, approver=Person("a"))
    assert done.states == {
        "plan": "passed",
        "approved": "skipped",
        "go": "skipped",
        "independent": "passed",
    }
    assert done.endings["go"].reason == "approved was skipped: not approved by ann"
    assert done.exit_code == 1


async def test_dash_dash_yes_says_yes_and_is_in_the_record(tmp_path: Path) -> None:
    """Nobody is asked."""
    person = Person("a")
    done = await played(tmp_path, PLAN, approver=person, yes=True)
    assert (done.exit_code, person.asked) == (0, [])
    assert [(e.approved, e.by) for e in done.of(ApprovalGiven)] == [(True, "--yes")]


async def test_without_anybody_to_ask_the_run_pauses(tmp_path: Path) -> None:
    """Exit code 10; everything else is done, what waits says for whom."""
    body = (
        PLAN
        + """
@phase
async def perhaps(p: Any = maybe(approved), o: Any = use(settled(approved))) -> int: return 1
@phase
async def outcome(o: Any = use(settled(approved))) -> int: return 1
"""
    )
    done = await played(tmp_path, body)
    assert done.states == {
        "plan": "passed", "approved": "paused", "go": "paused", "independent": "passed",
        "perhaps": "paused", "outcome": "paused",
    }  # fmt: skip
    assert done.exit_code == 10
    assert done.endings["approved"].reason.startswith(
        "nobody could be asked: Implement these 2 steps?"
    )
    assert "--yes" in done.endings["approved"].reason
    assert done.endings["go"].reason == "waits for approved"
    assert not done.of(ApprovalGiven)
    assert len(done.of(ApprovalAsked)) == 1


async def test_each_item_has_its_own_question(tmp_path: Path) -> None:
    """Without a barrier: what was approved goes on while others are asked."""
    body = """
    @phase
    async def items() -> list[str]: return ["a", "b", "c"]
    checked = approve(items, lambda x: f"Keep {x}?", each=True)
    @phase(parallel=3)
    async def use_it(x: str = each(checked)) -> str: return x.upper()
    again = approve(use_it, "And this?", each=True)
    @phase
    async def end(xs: list[str] = use(again)) -> list[str]: return xs
    """
    person = Person("b", "C")
    done = await played(tmp_path, body, approver=person)
    assert done.values["end"] == ["A"]
    assert sorted(question for question, _ in person.asked) == [
        "And this?",
        "And this?",
        "Keep a?",
        "Keep b?",
        "Keep c?",
    ]
    assert done.states["use_it:b"] == "skipped"
    assert done.states["again:c"] == "skipped"
    assert done.exit_code == 1
    places = {
        (event.kind, event.node): place
        for place, event in enumerate(done.events)
        if isinstance(event, ApprovalGiven | AttemptStarted)
    }
    assert places["attempt_started", "use_it:a"] < places["approval_given", "checked:c"]


async def test_each_item_pauses_alone(tmp_path: Path) -> None:
    """The gate and all behind it are paused; settled does not lose them."""
    body = """
    @phase
    async def items() -> list[str]: return ["a", "b"]
    checked = approve(items, "Keep?", each=True)
    @phase(parallel=3)
    async def one(x: str = each(checked)) -> str: return x
    @phase(parallel=3)
    async def single(x: Any = each(settled(checked))) -> str: return x
    @phase
    async def every(xs: list[Any] = use(settled(checked))) -> int: return len(xs)
    """
    done = await played(tmp_path, body)
    assert {state for id_, state in done.states.items() if id_ != "items"} == {"paused"}
    assert done.exit_code == 10


async def test_many_yeses_are_recorded_together(tmp_path: Path) -> None:
    """``--yes`` does not wait for one record after the other."""
    waiting, most = 0, 0

    class Slow(MemoryRecorder):
        async def commit(self, event: object) -> None:
            nonlocal waiting, most
            if isinstance(event, ApprovalGiven):
                waiting += 1
                most = max(most, waiting)
                await asyncio.sleep(0.005)
                waiting -= 1

    body = """
    @phase
    async def items() -> list[int]: return list(range(20))
    checked = approve(items, "Keep?", each=True)
    """
    done = await played(tmp_path, body, yes=True, recorder=Slow())
    assert (done.exit_code, most) == (0, 20)


@pytest.mark.parametrize(
    ("value", "question", "said"),
    [
        ("object()", '"ok?"', "a object cannot be stored, so it cannot be approved"),
        ("1", "lambda x: x.nothing", "AttributeError"),
        ("1", "lambda x: exit(2)", "SystemExit: 2"),
    ],
)
async def test_what_cannot_be_asked_fails(
    tmp_path: Path, value: str, question: str, said: str
) -> None:
    """A value that cannot be stored, a question that raises."""
    body = (
        f"@phase\nasync def plan() -> Any: return {value}\napproved = approve(plan, {question})\n"
    )
    done = await played(tmp_path, body, yes=True)
    assert done.states["approved"] == "failed"
    assert said in done.endings["approved"].reason


async def test_a_gate_behind_a_failure_is_blocked(tmp_path: Path) -> None:
    """Nobody is asked about nothing."""
    body = "@phase\nasync def plan() -> int: raise ValueError\napproved = approve(plan, 'ok?')\n"
    done = await played(tmp_path, body, yes=True)
    assert done.states["approved"] == "blocked"
    assert not done.of(ApprovalAsked)


@pytest.mark.parametrize("prompt", ["'plan'", "ai.feedback or 'plan'"])
async def test_what_a_person_wants_revised_reaches_the_agent(tmp_path: Path, prompt: str) -> None:
    """Also if the body does not look at it; then it is added to its prompt, once."""
    body = f"""
    @agent
    async def plan(ai: Agent) -> str:
        return await ai.ask({prompt}) + await ai.ask("more")
    approved = approve(plan, "Good?")
    """
    answers = [Answer(approved=False, by="ann", comment="shorter"), Answer(approved=True, by="ann")]

    class Ann:
        async def ask(self, question: Question) -> Answer:
            del question
            return answers.pop(0)

    runner = ScriptedRunner(lambda turn: replied(f"<{turn.prompt}>"))
    rehearsal = Rehearsal(
        orchfile=written(tmp_path, body),
        folder=tmp_path,
        runner=runner,
        request=Request(agent="scripted"),
        approver=Ann(),
    )
    assert (await rehearsal.run()).exit_code == 0
    revised = "shorter" if "feedback" in prompt else f"plan\n\n{REVISE}shorter"
    assert runner.prompts == ["plan", "more", revised, "more"]


async def test_a_terminal_that_is_gone_is_nobody_to_ask(tmp_path: Path) -> None:
    """The gate pauses, and the rest of the run goes on."""

    class Nobody:
        async def ask(self, question: Question) -> None:
            del question

    done = await played(tmp_path, PLAN, approver=Nobody())
    assert (done.states["approved"], done.states["independent"]) == ("paused", "passed")
    assert done.exit_code == 10
