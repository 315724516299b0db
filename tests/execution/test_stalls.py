"""What becomes of turns that fall silent or go round in circles."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

from orchcore.agents.invocation import Invocation, Listener
from orchcore.events import AgentEvent, Event, LoopSuspected, ToolStarted
from orchcore.execution.accounts import LATELY_S, Accounts
from orchcore.execution.handle import NUDGE
from orchcore.execution.journalist import Journalist
from orchcore.execution.listening import Listening
from orchcore.results import Failure, TurnResult
from orchcore.testing import Rehearsed, ScriptedAdapter, ScriptedRunner, failed, replied
from orchcore.testing.scripted import ABLE
from orchfiles import played

ONE = "@agent\nasync def work(ai: Agent) -> str: return await ai.ask('x')\n"
STALLED = replace(failed("stalled"), session_id="s1")


async def run(
    folder: Path, body: str, *results: TurnResult, resume: bool = True
) -> tuple[Rehearsed, list[Invocation]]:
    """Plays *body*; its turns come to *results*, in order."""
    left = list(results)
    runner = ScriptedRunner(lambda _: left.pop(0))
    adapters = {"scripted": ScriptedAdapter("scripted", replace(ABLE, resume=resume))}
    done = await played(folder, body, runner=runner, adapters=adapters)
    assert left == []
    return done, runner.invocations


def kind_of(done: Rehearsed, node: str) -> str | None:
    failure = done.ended(node).failure
    return None if failure is None else failure.kind


async def test_a_turn_that_fell_silent_goes_on_in_its_own_session(tmp_path: Path) -> None:
    """Once, with a nudge instead of the prompt; what that answers is the answer."""
    done, (first, second) = await run(tmp_path, ONE, STALLED, replied("went on"))
    assert done.values["work"] == "went on"
    assert (first.prompt, first.resume) == ("x", None)
    assert (second.prompt, second.resume, second.fork) == (NUDGE, "s1", False)


async def test_a_turn_is_nudged_once(tmp_path: Path) -> None:
    """Then the attempt has failed."""
    done, asked = await run(tmp_path, ONE, STALLED, STALLED)
    assert (kind_of(done, "work"), len(asked)) == ("stalled", 2)


async def test_a_session_that_was_never_kept_leaves_a_stall_a_stall(tmp_path: Path) -> None:
    """A CLI may fall silent before it has written its session down."""
    done, _ = await run(tmp_path, ONE, STALLED, failed("session_not_found"))
    assert kind_of(done, "work") == "stalled"


async def test_a_cli_that_cannot_resume_is_not_nudged(tmp_path: Path) -> None:
    """Its attempt has failed."""
    done, asked = await run(tmp_path, ONE, STALLED, resume=False)
    assert (kind_of(done, "work"), len(asked)) == ("stalled", 1)


async def test_silence_after_a_limit_is_no_stall(tmp_path: Path) -> None:
    """On the same account: some CLIs sleep through a 429 without a word."""
    body = """
    @agent(on_rate_limit="fail")
    async def first(ai: Agent) -> str: return await ai.ask('x')
    @agent
    async def second(ai: Agent, a: object = use(settled(first))) -> str: return await ai.ask('x')
    """
    done, _ = await run(tmp_path, body, failed("rate_limited"), STALLED)
    assert kind_of(done, "second") == "overloaded"
    assert "its account met a limit" in done.ended("second").reason


def test_a_limit_that_was_met_long_ago_explains_nothing() -> None:
    """After a quarter of an hour, or on another account, silence is a stall again."""
    accounts = Accounts()
    accounts.met("claude", "overloaded", 100.0)
    accounts.met("codex", "auth", 100.0)
    stalled = Failure("stalled", "said nothing")
    soon, late = 100.0 + LATELY_S, 101.0 + LATELY_S
    judged = accounts.judged("claude", stalled, soon)
    assert judged is not None
    assert judged.kind == "overloaded"
    assert accounts.judged("claude", stalled, late) is stalled
    slept = accounts.judged("claude", stalled, late, silent_s=300.0)
    assert slept is not None
    assert slept.kind == "overloaded"  # when it fell silent that was not long ago
    assert accounts.judged("codex", stalled, 100.0) is stalled
    assert accounts.judged("claude", Failure("auth", ""), 100.0) == Failure("auth", "")


class Told:
    """Stands in for a journalist."""

    def __init__(self) -> None:
        self.said: list[Event] = []
        self.shown: list[Event] = []

    def say(self, event: Event) -> None:
        self.said.append(event)

    def show(self, event: Event) -> None:
        self.shown.append(event)


def test_a_loop_is_suspected_and_told_once() -> None:
    """The same tool with the same input five times; another input is another call."""
    same = ToolStarted("1", "Bash", "npm test", "d1")
    other = ToolStarted("2", "Bash", "npm test", "d2")
    told, onward = Told(), list[AgentEvent]()
    listening = Listening(cast("Journalist", told), "work", "turn-1", [], onward.append)
    for call in [same, other] * 4:
        listening(call)
    assert told.said == []
    for call in [same] * 8:
        listening(call)
    (event,) = told.said
    assert isinstance(event, LoopSuspected)
    assert event == LoopSuspected(event.at, "work", "turn-1", "Bash", "npm test", 5)
    assert len(told.shown) == len(onward) == 16


async def test_a_cli_that_starts_alone_is_followed_when_it_was_heard(tmp_path: Path) -> None:
    """The first turn of a run begins its work before others start; later ones do not wait."""
    body = "@agent(parallel=4)\nasync def work(ai: Agent, n: int = each([1, 2, 3, 4])) -> str:\n"
    body += "    return await ai.ask('x')\n"
    order: list[str] = []

    async def script(_: Invocation) -> TurnResult:
        order.append("starts")
        await asyncio.sleep(0.05)
        order.append("ends")
        return replied("x")

    alone = replace(ABLE, starts_alone=True)
    runner = LateRunner(script)
    adapters = {"scripted": ScriptedAdapter("scripted", alone)}
    done = await played(tmp_path, body, runner=runner, adapters=adapters)
    assert done.exit_code == 0
    assert order[:2] == ["starts", "ends"]  # the first is heard of when it ends
    assert order[2:5] == ["starts"] * 3


class LateRunner(ScriptedRunner):
    """Tells nothing before a turn's end."""

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        heard = list[AgentEvent]()
        result = await super().run(invocation, heard.append)
        for event in heard:
            listener(event)
        return result


async def test_nobody_waits_for_ever_for_the_first() -> None:
    """One that is never heard of holds others up for a bounded time only."""
    accounts = Accounts()
    await accounts.let_first_begin("opencode")
    waiting = asyncio.create_task(accounts.let_first_begin("opencode"), name="second")
    await asyncio.sleep(0)
    assert not waiting.done()
    accounts.begun("opencode")
    await waiting
    await accounts.let_first_begin("opencode")
