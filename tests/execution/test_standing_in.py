"""While an account is limited another agent answers, and goes on with what it began."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchcore.agents.invocation import Invocation
from orchcore.errors import OrchcoreError
from orchcore.events import LimitAwaited, TurnStarted, Warned
from orchcore.journal.past import Past
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
from orchcore.testing.scripted import ABLE
from orchfiles import written

LIMIT = Failure("rate_limited", "too many requests", 3600.0)
ADAPTERS = {
    "claude": ScriptedAdapter("claude"),
    "codex": ScriptedAdapter("codex", replace(ABLE, schema=False)),
    "gemini": ScriptedAdapter("gemini"),
}
TALK = """
class Plan(BaseModel):
    steps: list[str]

@agent("claude", {options})
async def talk(ai: Agent) -> str:
    first = await ai.ask("first")
    plan = await ai.ask("second", Plan)
    return f"{first} {plan.steps} {await ai.ask('third')} {ai.name}"

@agent
async def goes_on(ai: Agent = use(talk.session)) -> str:
    return await ai.ask("fourth")
"""
ONE = """
@agent("claude", {options})
async def talk(ai: Agent) -> str:
    return await ai.ask("first")
"""


def limited(**limits: list[str]) -> Callable[[Invocation], TurnResult]:
    """Agents answer but for prompts of theirs, of which each is limited once."""
    left = {agent: list(prompts) for agent, prompts in limits.items()}

    def script(asked: Invocation) -> TurnResult:
        mine = left.get(asked.agent, [])
        for prompt in mine:
            if prompt in asked.prompt:
                mine.remove(prompt)
                return TurnResult(failure=LIMIT, exit_code=1)
        said = '{"steps": ["a"]}' if "second" in asked.prompt else f"<{asked.agent}>"
        return replied(said)

    return script


async def played(
    folder: Path, body: str, script: Callable[[Invocation], Any], **more: Any
) -> tuple[Rehearsed, list[Invocation]]:
    options = more.pop("options", 'fallback=["codex", "gemini"]')
    runner = ScriptedRunner(script)
    done = await Rehearsal(
        orchfile=written(folder, body.replace("{options}", options)),
        folder=folder,
        runner=runner,
        request=Request(),
        adapters=ADAPTERS,
        clock=more.pop("clock", None) or VirtualClock(),
        **more,
    ).run()
    return done, runner.invocations


async def test_another_agent_answers_at_once(tmp_path: Path) -> None:
    """Nobody waits, and a warning says who stands in."""
    done, asked = await played(tmp_path, ONE, limited(claude=["first"]))
    assert [(one.agent, one.prompt) for one in asked] == [("claude", "first"), ("codex", "first")]
    assert (done.values["talk"], done.of(LimitAwaited)) == ("<codex>", [])
    (told,) = [event.text for event in done.of(Warned)]
    assert told == "codex stands in for claude, which is limited for 3600 s"


async def test_the_next_one_if_that_is_limited_too(tmp_path: Path) -> None:
    """In the order in which they were named."""
    _, asked = await played(tmp_path, ONE, limited(claude=["first"], codex=["first"]))
    assert [one.agent for one in asked] == ["claude", "codex", "gemini"]


async def test_if_all_are_limited_the_first_that_opens(tmp_path: Path) -> None:
    """Then somebody waits, which is told."""
    clock = VirtualClock()
    done, asked = await played(
        tmp_path,
        ONE,
        limited(claude=["first"], codex=["first"], gemini=["first"]),
        clock=clock,
    )
    assert [one.agent for one in asked] == ["claude", "codex", "gemini", "claude"]
    assert done.of(LimitAwaited)


async def test_what_was_said_before_is_told_to_who_stands_in(tmp_path: Path) -> None:
    """It then goes on in its own conversation, and so do phases after it. A schema goes along."""
    done, asked = await played(tmp_path, TALK, limited(claude=["second"]))
    assert done.exit_code == 0
    assert [one.agent for one in asked] == ["claude", "claude", "codex", "codex", "codex"]
    taken = asked[2]
    assert taken.resume is None
    assert "<user>\nfirst\n</user>\n<assistant>\n<claude>\n</assistant>" in taken.prompt
    assert "Go on with this:\n\nsecond" in taken.prompt
    assert (taken.schema, '"steps"' in taken.prompt) == (None, True)
    assert [one.resume for one in asked[3:]] == [taken.new_session_id] * 2
    assert done.values["talk"] == "<claude> ['a'] <codex> codex"
    assert done.of(TurnStarted)[2].prompt == taken.prompt


async def test_a_resumed_run_finds_its_turns(tmp_path: Path) -> None:
    """Under who was asked first: nothing is paid twice, although that one is open again."""
    first, _ = await played(tmp_path, TALK, limited(claude=["second"]))
    body = TALK.replace("{ai.name}", "{ai.name}!")
    done, asked = await played(tmp_path, body, limited(), past=Past.told_by(first.events))
    assert asked == []
    assert done.values["talk"] == "<claude> ['a'] <codex> codex!"


async def test_turns_that_have_not_begun_go_elsewhere_too(tmp_path: Path) -> None:
    """The limit of one spares the others the attempt."""
    body = """
    @agent("claude", parallel=1, {options})
    async def work(ai: Agent, number: int = each([1, 2, 3])) -> str:
        return await ai.ask(f"work {number}")
    """
    _, asked = await played(tmp_path, body, limited(claude=["work"]))
    assert [one.agent for one in asked] == ["claude", "codex", "codex", "codex"]


REFUSED: Mapping[str, tuple[str, str]] = {
    "nobody": ('on_rate_limit="fallback"', "no agent stands in"),
    "waits": ('on_rate_limit="wait", fallback=["codex"]', "means nothing beside"),
    "unknown": ('fallback=["codx"]', "no agent is called 'codx'"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_before_anything_starts(tmp_path: Path, name: str) -> None:
    """Options that contradict each other, and agents that are none, are refused."""
    options, told = REFUSED[name]
    with pytest.raises(OrchcoreError, match=told):
        await played(tmp_path, ONE, limited(), options=options)
