"""Conversations: what is asked, in which session, with which agent, and what comes back."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchcore.agents.adapters.protocol import Capabilities
from orchcore.agents.invocation import Invocation
from orchcore.errors import UsageError
from orchcore.events import AgentSaid, AgentStalled, TextWritten, TurnEnded, TurnStarted, Warned
from orchcore.results import TurnResult, Usage
from orchcore.testing import Rehearsed, ScriptedAdapter, ScriptedRunner, answered, failed, replied
from orchcore.testing.scripted import ABLE, Script
from orchfiles import played, rehearsal

REVIEW = """
class Review(BaseModel):
    ok: bool
    notes: str
"""


class Scripted:
    """Answers in order; the last one again and again."""

    def __init__(self, *results: TurnResult) -> None:
        self.left = list(results)

    def __call__(self, _: Invocation) -> TurnResult:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


async def _asked(
    folder: Path, body: str, script: Script | None = None, able: Capabilities = ABLE
) -> tuple[Rehearsed, list[Invocation]]:
    runner = ScriptedRunner(script or (lambda asked: replied(asked.prompt)))
    names = ("scripted", "claude", "codex")
    adapters = {name: ScriptedAdapter(name, able) for name in names}
    done = await played(folder, body, runner=runner, adapters=adapters)
    return done, runner.invocations


async def test_an_answer_is_validated(tmp_path: Path) -> None:
    """The schema goes out, a model comes back, and its JSON is recorded."""
    body = REVIEW + (
        "@agent\nasync def work(ai: Agent) -> Review: return await ai.ask('review', Review)\n"
    )
    done, asked = await _asked(tmp_path, body, Scripted(answered({"ok": True, "notes": "fine"})))
    assert done.values["work"].notes == "fine"
    assert asked[0].schema is not None
    assert set(asked[0].schema["properties"]) == {"ok", "notes"}  # type: ignore[call-overload]
    assert asked[0].prompt == "review"
    (turn,) = done.of(TurnEnded)
    assert turn.answer is not None
    assert json.loads(turn.answer) == {"ok": True, "notes": "fine"}
    assert done.ended("work").value == turn.answer
    assert done.ended("work").brief == "Review(ok=True, notes='fine')"


@pytest.mark.parametrize(
    ("model", "answer", "expected"),
    [
        ("list[int]", {"value": [1, 2]}, [1, 2]),
        ("int | None", {"value": None}, None),
        ("Literal['a', 'b']", {"value": "a"}, "a"),
        ("dict[str, int]", {"value": 3}, {"value": 3}),
        ("bool", {"value": True}, True),
    ],
)
async def test_answers_that_are_no_objects_travel_as_value(
    tmp_path: Path, model: str, answer: object, expected: object
) -> None:
    """CLIs want an object as the root of a schema."""
    body = f"@agent\nasync def work(ai: Agent) -> Any: return await ai.ask('x', {model})\n"
    done, asked = await _asked(tmp_path, body, Scripted(answered(answer)))
    assert done.values["work"] == expected
    assert asked[0].schema is not None
    assert asked[0].schema["type"] == "object"


@pytest.mark.parametrize(
    "text",
    [
        '{"ok": true, "notes": "n"}',
        'Sure!\n```json\n{"ok": true, "notes": "n"}\n```\nDone.',
        'See [1] and {braces}: {"ok": true, "notes": "n"} as asked [2].',
        '```python\nx = [1]\n```\n```\n{"ok": true, "notes": "n"}\n```',
    ],
)
async def test_json_is_found_in_prose(tmp_path: Path, text: str) -> None:
    """All of the text, a fenced block, or the longest object or list in it."""
    body = REVIEW + (
        "@agent\nasync def work(ai: Agent) -> Review: return await ai.ask('x', Review)\n"
    )
    able = replace(ABLE, schema=False)
    done, asked = await _asked(tmp_path, body, Scripted(replied(text)), able)
    assert done.values["work"].ok
    assert asked[0].schema is None
    assert "JSON schema" in asked[0].prompt


@pytest.mark.parametrize(
    "bad", ["no json", '{"ok": 1}', "[" * 20_000, "{" * 20_000, '{"ok": {"a":']
)
async def test_an_invalid_answer_is_asked_again_in_the_same_session(
    tmp_path: Path, bad: str
) -> None:
    """With the error, twice by default; each turn is recorded with its failure."""
    body = REVIEW + (
        "@agent\nasync def work(ai: Agent) -> Review: return await ai.ask('review', Review)\n"
    )
    script = Scripted(replied(bad), replied(bad), answered({"ok": False, "notes": ""}))
    done, asked = await _asked(tmp_path, body, script)
    assert done.states["work"] == "passed"
    assert [one.resume for one in asked] == [None, asked[0].new_session_id, asked[0].new_session_id]
    assert asked[1].prompt.startswith("Your answer was not valid: the answer is no Review: ")
    kinds = [turn.failure.kind if turn.failure else None for turn in done.of(TurnEnded)]
    assert kinds == ["invalid_output", "invalid_output", None]


async def test_a_cli_without_sessions_is_asked_again_from_the_start(tmp_path: Path) -> None:
    """The whole prompt, and what was wrong."""
    body = REVIEW + (
        "@agent\nasync def work(ai: Agent) -> Review: return await ai.ask('review', Review)\n"
    )
    script = Scripted(replied("nothing"), answered({"ok": False, "notes": ""}))
    done, asked = await _asked(tmp_path, body, script, Capabilities())
    assert done.exit_code == 0
    assert asked[1].resume is None
    assert asked[1].prompt.startswith("review\n\nA previous answer was not valid: ")
    assert "\n\nAnswer with one JSON value" in asked[1].prompt


async def test_reasks_end_in_a_failure(tmp_path: Path) -> None:
    """``reasks=1``: two turns, then invalid_output."""
    body = REVIEW + (
        "@agent(reasks=1)\nasync def work(ai: Agent) -> Review: return await ai.ask('x', Review)\n"
    )
    done, asked = await _asked(tmp_path, body, Scripted(replied('{"ok": "maybe"}')))
    assert len(asked) == 2
    assert done.states["work"] == "failed"
    reason = done.endings["work"].reason
    assert reason.startswith("invalid_output: the answer is no Review: ok: Input should be a valid")
    assert "notes: Field required" in reason


async def test_a_validator_that_raises_makes_the_answer_invalid(tmp_path: Path) -> None:
    """Whatever it raises; the paid turn is recorded all the same."""
    body = """
    from pydantic import field_validator
    class Odd(BaseModel):
        x: int
        @field_validator("x")
        @classmethod
        def check(cls, x: int) -> int: raise KeyError("odd")
    @agent(reasks=0)
    async def work(ai: Agent) -> Odd: return await ai.ask("x", Odd)
    """
    done, _ = await _asked(tmp_path, body, Scripted(answered({"x": 1})))
    assert "KeyError: 'odd'" in done.endings["work"].reason
    assert len(done.of(TurnEnded)) == 1


async def test_answers_that_cannot_be_dumped_are_still_answers(tmp_path: Path) -> None:
    """A serializer that raises leaves the record without the answer, not the body."""
    body = """
    from typing import Annotated
    from pydantic import field_serializer
    class Odd(BaseModel):
        x: int
        @field_serializer("x")
        def dump(self, x: int) -> int: raise KeyError("odd")
    @agent
    async def work(ai: Agent) -> int:
        odd = await ai.ask("x", Annotated[Odd, ["unhashable"]])
        return odd.x
    """
    done, _ = await _asked(tmp_path, body, Scripted(answered({"x": 1})))
    assert done.values["work"] == 1
    assert done.of(TurnEnded)[0].answer is None


async def test_more_than_five_mistakes_are_counted(tmp_path: Path) -> None:
    """An agent is told the first five."""
    body = (
        "@agent(reasks=0)\nasync def work(ai: Agent) -> Any: return await ai.ask('x', list[int])\n"
    )
    done, _ = await _asked(tmp_path, body, Scripted(answered({"value": list("abcdefg")})))
    assert done.endings["work"].reason.endswith("(and 2 more)")


async def test_turns_of_one_handle_are_one_conversation(tmp_path: Path) -> None:
    """The second resumes the first; ``fork`` branches; ``using`` is new."""
    body = """
    @agent("claude", model="big", permission="edit", tools=["Read"])
    async def work(ai: Agent) -> None:
        await ai.ask("one")
        await ai.ask("two")
        branch = ai.fork()
        await branch.ask("three")
        await branch.ask("four")
        await ai.using("codex").ask("five")
        await ai.using(model="small", permission="full", cwd="sub", timeout="9s").ask("six")
        await ai.fork().fork().ask("seven")
    """
    _, asked = await _asked(tmp_path, body)
    one, two, three, four, five, six, seven = asked
    session, branch = one.new_session_id, three.new_session_id
    assert [one.resume, two.resume, three.resume, four.resume] == [None, session, session, branch]
    assert [one.fork, two.fork, three.fork, four.fork] == [False, False, True, False]
    assert (five.agent, five.resume, five.model, five.permission) == ("codex", None, None, "edit")
    assert (six.agent, six.resume, six.model, six.permission) == ("claude", None, "small", "full")
    assert (six.cwd, six.tools, six.limits.timeout_s) == (tmp_path / "sub", ("Read",), 9.0)
    assert (seven.resume, seven.fork) == (session, True)


async def test_a_new_conversation_has_all_of_the_other_agents_settings(tmp_path: Path) -> None:
    """``ai.using("codex")``: codex's variables, model and permission, none of claude's."""
    (tmp_path / "orchcore.toml").write_text(
        '[agents.claude]\nmodel = "opus"\nenv = {A = "1"}\npass_env = ["KEY_A"]\nargs = ["-a"]\n'
        '[agents.codex]\nmodel = "gpt"\nenv = {C = "2"}\npermission = "full"\nidle = "9m"\n'
    )
    body = """
    @agent("claude", env={"OWN": "0"})
    async def work(ai: Agent) -> None:
        await ai.ask("one")
        await ai.using("codex").ask("two")
    """
    _, (one, two) = await _asked(tmp_path, body)
    assert (one.model, one.env, one.pass_env, one.permission) == (
        "opus",
        {"A": "1", "OWN": "0"},
        ("KEY_A",),
        "read-only",
    )
    assert (two.model, two.env, two.pass_env, two.permission) == (
        "gpt",
        {"C": "2", "OWN": "0"},
        (),
        "full",
    )
    assert (one.args, two.args, two.limits.idle_s) == (("-a",), (), 540.0)


async def test_the_command_line_replaces_agent_and_model(tmp_path: Path) -> None:
    """``--agent`` replaces every name, also in ``using``; ``--model`` every model."""
    from orchcore.planning.drafting import Request

    body = """
    @agent.step("codex", model="s")
    async def step(ai: Agent) -> str: return f"{ai.name} {await ai.ask('x')}"
    @agent("claude", model="big")
    async def work(ai: Agent) -> str: return f"{ai.name} {ai.using('codex').name} {await step()}"
    """
    runner = ScriptedRunner(lambda asked: replied(str(asked.model)))
    request = Request(agent="scripted", model="tiny")
    rehearsed = replace(rehearsal(tmp_path, body, runner=runner), request=request)
    assert (await rehearsed.run()).values["work"] == "scripted scripted scripted tiny"


async def test_a_step_without_a_name_has_the_callers_agent(tmp_path: Path) -> None:
    """Also where that comes from ``each``; a phase's steps have the default agent."""
    body = """
    @agent.step
    async def helper(ai: Agent) -> str: return ai.name
    @agent(each(["claude", "codex"]), parallel=2)
    async def work(ai: Agent) -> str: return await helper()
    @phase
    async def plain() -> str: return await helper()
    """
    done, _ = await _asked(tmp_path, body)
    assert (done.values["work"], done.values["plain"]) == (["claude", "codex"], "scripted")


async def test_two_asks_at_once_on_one_handle_are_refused(tmp_path: Path) -> None:
    """An error that says what to do; forks may."""
    body = """
    @agent
    async def wrong(ai: Agent) -> None:
        await gather([ai.ask("a"), ai.ask("b")])
    @agent
    async def right(ai: Agent) -> int:
        await ai.ask("first")
        return len(await gather([ai.fork().ask("a"), ai.fork().ask("b"), ai.ask("c")]))
    """

    async def slow(asked: Invocation) -> TurnResult:
        await asyncio.sleep(0.001)
        return replied(asked.prompt)

    done, _ = await _asked(tmp_path, body, slow)
    assert done.values == {"right": 3}
    assert "[concurrent-ask]" in done.endings["wrong"].reason
    assert "ai.fork()" in done.endings["wrong"].reason


async def test_what_a_handle_tells(tmp_path: Path) -> None:
    """name, cwd, feedback and the last turn."""
    body = """
    @agent("claude", cwd="sub")
    async def work(ai: Agent) -> None:
        try:
            ai.last
        except OrchcoreError as error:
            assert error.code == "no-turn"
        await ai.ask("hello")
        assert ai.last.text == "hello" and ai.last.cost_usd == 0.5 and not ai.last.simulated
        assert ai.last.session_id and ai.last.transcript.is_dir()
        assert ai.last.usage.input_tokens == 5
        assert (ai.name, ai.cwd.name, ai.cwd.is_absolute(), ai.feedback) == ("claude", "sub", True, None)
    """
    done, _ = await _asked(tmp_path, body, lambda asked: replied(asked.prompt, cost_usd=0.5))
    assert done.endings["work"].reason == ""
    assert done.ended("work").cost_usd == 0.5
    assert done.ended("work").last_lines == ("hello",)


async def test_a_failed_turn_raises_and_may_be_handled(tmp_path: Path) -> None:
    """``TurnFailed.failure``; caught, the body goes on and the run is green."""
    body = """
    @agent
    async def caught(ai: Agent) -> str:
        try:
            return await ai.ask("x")
        except TurnFailed as error:
            assert error.turn_folder is not None
            return error.failure.kind
    @agent
    async def let(ai: Agent) -> str: return await ai.ask("x")
    """
    done, _ = await _asked(tmp_path, body, Scripted(failed("refused", "it said no")))
    assert done.values == {"caught": "refused"}
    assert done.endings["let"].reason == "refused: it said no"
    assert done.ended("let").failure == done.of(TurnEnded)[-1].failure


async def test_a_stall_is_told(tmp_path: Path) -> None:
    """With the last line the agent said."""
    body = "@agent(idle=7)\nasync def work(ai: Agent) -> str: return await ai.ask('x')\n"
    done, _ = await _asked(tmp_path, body, Scripted(failed("stalled", "said nothing")))
    first, second = done.of(AgentStalled)  # of the turn, and of its nudge
    assert first == replace(second, at=first.at, turn="turn-1")
    assert (first.node, first.limit_s, first.last_line) == ("work", 7.0, "")


async def test_warnings_of_a_turn_are_told(tmp_path: Path) -> None:
    """Although the turn counts."""
    body = "@agent\nasync def work(ai: Agent) -> str: return await ai.ask('x')\n"
    done, _ = await _asked(tmp_path, body, Scripted(replace(replied("x"), warnings=("slow end",))))
    assert [(event.text, event.node) for event in done.of(Warned)] == [("slow end", "work")]


async def test_the_events_of_a_turn_are_complete_and_in_order(tmp_path: Path) -> None:
    """Started, what it said, ended; each turn has its own number."""
    body = """
    @agent
    async def work(ai: Agent) -> None:
        await ai.ask("a")
        await ai.ask("b")
    """
    done, _ = await _asked(tmp_path, body)
    kinds = [event.kind for event in done.events]
    assert kinds == [
        "run_started", "attempt_started",
        "turn_started", "agent_said", "agent_said", "agent_said", "turn_ended",
        "turn_started", "agent_said", "agent_said", "agent_said", "turn_ended",
        "node_ended", "run_ended",
    ]  # fmt: skip
    assert [event.turn for event in done.of(TurnStarted)] == ["turn-1", "turn-2"]
    assert [event.parent for event in done.of(TurnStarted)] == [
        None,
        done.of(TurnEnded)[0].session_id,
    ]


async def test_a_stream_gives_events_as_they_happen(tmp_path: Path) -> None:
    """Then the turn is the last one, and the conversation goes on."""
    body = """
    @agent
    async def work(ai: Agent) -> list[str]:
        kinds = [event.kind async for event in ai.stream("hello")]
        assert ai.last.text == "hello"
        await ai.ask("again")
        return kinds
    """
    done, asked = await _asked(tmp_path, body)
    assert done.values["work"] == ["session", "text", "final"]
    assert asked[1].resume == asked[0].new_session_id
    assert [e.event.text for e in done.of(AgentSaid) if isinstance(e.event, TextWritten)] == [
        "hello",
        "again",
    ]


async def test_a_failed_stream_raises_at_its_end(tmp_path: Path) -> None:
    """After all of its events."""
    body = """
    @agent
    async def work(ai: Agent) -> list[str]:
        kinds: list[str] = []
        try:
            async for event in ai.stream("x"): kinds.append(event.kind)
        except TurnFailed as error:
            kinds.append(error.failure.kind)
        return kinds
    """
    done, _ = await _asked(tmp_path, body, Scripted(failed("refused")))
    assert done.values["work"] == ["session", "final", "refused"]


@pytest.mark.parametrize("how", ["break", "return", "raise"])
async def test_leaving_a_stream_ends_its_turn(tmp_path: Path, how: str) -> None:
    """``break`` ends the turn in order, and the handle can be asked again at once."""
    leave = {"break": "break", "return": "return", "raise": 'raise ValueError("enough")'}[how]
    body = f"""
    async def read(ai: Agent) -> None:
        async for event in ai.stream("long"): {leave}
    @agent
    async def work(ai: Agent) -> str:
        try:
            await read(ai)
        except ValueError:
            pass
        return await ai.ask("next")
    """
    ended: list[str] = []

    async def turn(asked: Invocation) -> TurnResult:
        if asked.prompt == "long":
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                ended.append("long")
        return replied(asked.prompt)

    done, _ = await _asked(tmp_path, body, turn)
    assert (done.values["work"], ended) == ("next", ["long"])
    failures = [event.failure.kind if event.failure else None for event in done.of(TurnEnded)]
    assert failures == ["cancelled", None]
    assert not done.of(Warned)


async def test_a_stream_that_nobody_reads_ends_with_the_body(tmp_path: Path) -> None:
    """Held open by a reference, it is ended when the body is over."""
    body = """
    kept: list[Any] = []
    @agent
    async def work(ai: Agent) -> str:
        stream = ai.stream("long")
        kept.append(stream)
        return (await anext(stream)).kind
    """

    async def turn(_: Invocation) -> TurnResult:
        await asyncio.sleep(60)
        return replied("never")

    done, _ = await _asked(tmp_path, body, turn)
    assert done.values["work"] == "session"
    assert done.of(TurnEnded)[0].failure is not None


async def test_a_second_stream_meanwhile_is_refused(tmp_path: Path) -> None:
    """One turn at a time, also streamed."""
    body = """
    @agent
    async def work(ai: Agent) -> None:
        async for _ in ai.stream("a"):
            await ai.ask("b")
    """
    done, _ = await _asked(tmp_path, body)
    assert "[concurrent-ask]" in done.endings["work"].reason


SESSIONS = """
@agent("claude", model="big")
async def plan(ai: Agent) -> str: return await ai.ask("plan")
"""


TWO_NODES = """
@agent
async def a(ai: Agent = use(plan.session)) -> str: return await ai.ask("a")
@agent
async def b(ai: Agent = use(plan.session)) -> str: return await ai.ask("b")
"""


async def test_one_continuer_goes_on_in_the_same_session(tmp_path: Path) -> None:
    """``use(plan.session)``: same agent, same model, same conversation."""
    body = SESSIONS + (
        "@agent\nasync def go(ai: Agent = use(plan.session)) -> str: return await ai.ask('go')\n"
        "@agent(model='own')\nasync def more(ai: Agent = use(go.session)) -> str: return await ai.ask('more')\n"
    )
    _, (plan, go, more) = await _asked(tmp_path, body)
    assert (go.agent, go.model, go.resume, go.fork) == ("claude", "big", plan.new_session_id, False)
    assert (more.agent, more.model, more.resume, more.fork) == (
        "claude",
        "own",
        plan.new_session_id,
        False,
    )


async def test_a_turn_knows_where_its_conversation_began(tmp_path: Path) -> None:
    """However often it was handed on: an agent may know its conversations there only."""
    body = (
        SESSIONS
        + """
@agent(cwd="one")
async def go(ai: Agent = use(plan.session)) -> str:
    await ai.fork().ask("fork")
    return await ai.ask("go")
@agent(cwd="two")
async def more(ai: Agent = use(go.session)) -> str: return await ai.ask("more")
"""
    )
    _, (plan, fork, go, more) = await _asked(tmp_path, body)
    assert plan.resume_cwd is None
    assert {one.resume_cwd for one in (fork, go, more)} == {plan.cwd} == {tmp_path}
    assert (go.cwd, more.cwd) == (tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize(
    "declared",
    [
        TWO_NODES,
        "@agent(parallel=2)\nasync def a(ai: Agent = use(plan.session), x: int = each([1, 2])) -> str: return await ai.ask('a')\n",
        "@agent(retries=1)\nasync def a(ai: Agent = use(plan.session)) -> str: return await ai.ask('a')\n",
        TWO_NODES.replace("@agent", "@phase", 1),
    ],
)
async def test_several_continuers_fork(tmp_path: Path, declared: str) -> None:
    """Nodes, instances, or another attempt: each starts from where the source ended."""
    done, (plan, *others) = await _asked(tmp_path, SESSIONS + declared)
    assert done.exit_code == 0
    assert {(one.resume, one.fork) for one in others} == {(plan.new_session_id, True)}


async def test_sessions_of_instances_are_handed_on_one_by_one(tmp_path: Path) -> None:
    """``each(work.session)`` aligns with ``each(work)``; whole, they are a list of agents."""
    body = """
    @agent(each(["claude", "codex"]), parallel=2)
    async def work(ai: Agent) -> str: return await ai.ask(ai.name)
    @agent(parallel=2)
    async def more(ai: Agent = each(work.session), said: str = each(work)) -> str:
        return f"{said} {ai.name} {await ai.ask('more')}"
    @phase
    async def end(ais: list[Agent] = use(work.session), some: list[Agent] = use(more.session)) -> list[str]:
        return [await ai.ask("end") + ai.name for ai in [*ais, *some]]
    """
    done, asked = await _asked(tmp_path, body)
    assert done.values["more"] == ["claude claude more", "codex codex more"]
    assert done.values["end"] == ["endclaude", "endcodex", "endclaude", "endcodex"]
    first = {one.agent: one.new_session_id for one in asked if one.prompt in ("claude", "codex")}
    assert all(one.resume == first[one.agent] for one in asked if one.prompt == "more")


async def test_a_conversation_in_which_nothing_was_asked_is_new(tmp_path: Path) -> None:
    """There is nothing to resume; a skipped source's conversation is missing like its value."""
    body = """
    @agent("claude")
    async def silent(ai: Agent) -> int: return 1
    @agent
    async def go(ai: Agent = use(silent.session)) -> str: return await ai.ask(ai.name)
    @agent("claude", when=silent.where(lambda x: x > 1))
    async def skipped(ai: Agent) -> int: return 1
    @agent
    async def after(ai: Agent = use(skipped.session)) -> int: return 1
    @agent
    async def either(ai: Agent = use(skipped.session | silent.session)) -> str: return ai.name
    @agent
    async def perhaps(ai: Agent = maybe(skipped.session)) -> str: return ai.name
    """
    done, (go,) = await _asked(tmp_path, body)
    assert (go.agent, go.resume) == ("claude", None)
    assert done.states["after"] == "skipped"
    assert (done.values["either"], done.values["perhaps"]) == ("claude", "scripted")


@pytest.mark.parametrize(
    ("body", "able", "said"),
    [
        (
            "@agent('nobody')\nasync def x(ai: Agent) -> int: ...",
            ABLE,
            "no agent is called 'nobody'",
        ),
        ("@agent('odd')\nasync def x(ai: Agent) -> int: ...", ABLE, "unknown adapter 'strange'"),
        (
            "@agent('claude', tools=['a'])\nasync def x(ai: Agent) -> int: ...",
            Capabilities(),
            "cannot take tools=",
        ),
        (
            "@agent('claude', max_turns=2)\nasync def x(ai: Agent) -> int: ...",
            Capabilities(),
            "cannot take max_turns=",
        ),
        (
            SESSIONS + "@agent(retries=1)\nasync def x(ai: Agent = use(plan.session)) -> int: ...",
            Capabilities(resume=True),
            "agent 'claude' cannot fork a conversation",
        ),
        (
            "@agent(each(['claude', 'zzz']), parallel=2)\nasync def x(ai: Agent) -> int: ...",
            ABLE,
            "'zzz'",
        ),
        (
            "@agent.step('zzz')\nasync def x(ai: Agent) -> int: ...\n@phase\nasync def y() -> int: ...",
            ABLE,
            "'zzz'",
        ),
    ],
)
async def test_agents_that_cannot_do_it_are_refused_before_the_run(
    tmp_path: Path, body: str, able: Capabilities, said: str
) -> None:
    """Nothing starts; the error has its place."""
    (tmp_path / "orchcore.toml").write_text('[agents.odd]\nadapter = "strange"\n')
    with pytest.raises(UsageError) as caught:
        await _asked(tmp_path, body, able=able)
    assert said in str(caught.value)


NO_SESSIONS = replace(ABLE, resume=False, fork=False)


@pytest.mark.parametrize(
    ("uses", "lacks"),
    [
        ("ai: Agent = use(plan.session)", "cannot go on with a conversation"),
        ("ai: Agent, other: Agent = use(plan.session)", "cannot go on with a conversation"),
        ("ai: Agent, plain: str = use(plan)", ""),
    ],
)
async def test_a_conversation_is_never_lost_on_the_way_to_another_node(
    tmp_path: Path, uses: str, lacks: str
) -> None:
    """An agent that cannot resume is refused before the run; the error names those that can."""
    body = "@agent('claude')\nasync def plan(ai: Agent) -> str: return await ai.ask('plan')\n"
    body += f"@agent\nasync def go({uses}) -> str: return await ai.ask('go')\n"
    adapters = {"claude": ScriptedAdapter("claude", NO_SESSIONS), "able": ScriptedAdapter("able")}
    rehearsed = rehearsal(tmp_path, body, adapters=adapters)
    (tmp_path / "orchcore.toml").write_text('default_agent = "able"\n')
    if not lacks:
        rehearsed.plan()
        return
    with pytest.raises(UsageError, match=f"agent 'claude' {lacks}") as caught:
        rehearsed.plan()
    (problem,) = caught.value.problems
    assert (problem.code, problem.hints) == ("unsupported-option", ("these can: able",))
    assert problem.where is not None
    assert "async def go" in problem.where.text


async def test_a_permission_an_agent_cannot_be_held_to_is_refused(tmp_path: Path) -> None:
    """Also the one that holds where nothing is said."""
    able = replace(ABLE, permissions=("full",))
    body = "@agent\nasync def work(ai: Agent) -> str: return await ai.ask('x')\n"
    with pytest.raises(UsageError, match='cannot be held to permission="read-only"'):
        await _asked(tmp_path, body, able=able)


async def test_a_second_turn_of_an_agent_without_sessions_is_refused(tmp_path: Path) -> None:
    """It would know nothing of the first; after a failed turn there is nothing to lose."""
    body = """
    @agent
    async def again(ai: Agent) -> str:
        await ai.ask("one")
        return await ai.ask("two")
    @agent
    async def anew(ai: Agent) -> str:
        await ai.ask("three")
        return await ai.using().ask("four")
    """
    done, asked = await _asked(tmp_path, body, able=NO_SESSIONS)
    assert sorted(one.prompt for one in asked) == ["four", "one", "three"]
    assert done.values == {"anew": "four"}
    assert done.endings["again"].reason == (
        "bad_invocation: agent 'scripted' cannot go on with a conversation; "
        "no agent here can; ai.using() begins another"
    )


async def test_an_agent_chosen_during_the_run_is_checked_then(tmp_path: Path) -> None:
    """What it cannot do fails the node before a turn."""
    body = """
    @phase
    async def chosen() -> str: return "codex"
    @agent(use(chosen), tools=["Read"])
    async def work(ai: Agent) -> str: return await ai.ask("x")
    @agent(use(chosen))
    async def plan(ai: Agent) -> str: return ai.name
    @agent
    async def go(ai: Agent = use(plan.session)) -> str: return await ai.ask("x")
    """
    done, asked = await _asked(tmp_path, body, able=Capabilities())
    assert "agent 'codex' cannot take tools=" in done.endings["work"].reason
    assert "agent 'codex' cannot go on with a conversation" in done.endings["go"].reason
    assert asked == []


async def test_no_agent_is_an_error_that_offers_the_demo(tmp_path: Path) -> None:
    """What is installed, how to choose, and what needs no account."""
    (tmp_path / "orchcore.toml").write_text("")
    with pytest.raises(UsageError) as caught:
        await _asked(tmp_path, "@agent\nasync def x(ai: Agent) -> int: ...\n")
    assert caught.value.code == "no-agent"
    assert "--agent demo" in str(caught.value)


async def test_a_chain_of_sessions_needs_one_name_only(tmp_path: Path) -> None:
    """Whoever goes on with a conversation has its agent, at any distance."""
    (tmp_path / "orchcore.toml").write_text("")
    body = SESSIONS + "".join(
        f"@agent\nasync def n{n}(ai: Agent = use({before}.session)) -> str: return ai.name\n"
        for n, before in enumerate(["plan", "n0", "n1"])
    )
    done, _ = await _asked(tmp_path, body)
    assert done.values["n2"] == "claude"


async def test_agents_that_are_not_installed_are_told(tmp_path: Path) -> None:
    """Before anything starts, with the program that was looked for."""
    adapters = {"scripted": ScriptedAdapter("scripted", program="surely-not-there")}
    body = "@agent\nasync def x(ai: Agent) -> int: ...\n"
    with pytest.raises(UsageError, match="no 'surely-not-there' in PATH") as caught:
        await played(tmp_path, body, adapters=adapters)
    assert caught.value.code == "not-installed"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ai.using('nobody')", "[unknown-agent]"),
        ("ai.using(modle='x')", "[unknown-option]"),
        ("ai.using(budget=-1.0)", "[option]"),
        ("ai.using(timeout='soon')", "[option]"),
        ("ai.using(tools=['Read'])", "agent 'scripted' cannot take tools="),
        ("ai.fork()", "bad_invocation: agent 'scripted' cannot fork"),
    ],
)
async def test_wrong_wishes_in_a_body_fail_it(tmp_path: Path, line: str, said: str) -> None:
    """They raise at once, and no turn is paid."""
    body = f"@agent\nasync def work(ai: Agent) -> None:\n    await {line}.ask('x')\n"
    done, asked = await _asked(tmp_path, body, able=Capabilities())
    assert said in done.endings["work"].reason
    assert asked == []


async def test_an_agent_chosen_during_the_run(tmp_path: Path) -> None:
    """``@agent(use(chosen))``: name, model and folder may come from phases."""
    body = """
    @phase
    async def chosen() -> str: return "codex"
    @agent(use(chosen), model=use(chosen.pick(str.upper)), cwd=use(chosen.pick(Path)))
    async def work(ai: Agent) -> str: return await ai.ask(f"{ai.name} {ai.cwd.name}")
    @agent(use(chosen.pick(lambda _: "nobody")))
    async def wrong(ai: Agent) -> str: return await ai.ask("x")
    """
    body += """
    @agent(use(chosen.pick(lambda _: 3)))
    async def no_name(ai: Agent) -> str: return await ai.ask("x")
    @agent(cwd=use(chosen.pick(lambda _: 3)))
    async def no_path(ai: Agent) -> str: return await ai.ask("x")
    """
    done, (asked,) = await _asked(tmp_path, body)
    assert (done.values["work"], asked.model) == ("codex codex", "CODEX")
    assert "the agent's name is 3, which is no text" in done.endings["no_name"].reason
    assert "cwd=3 is no path" in done.endings["no_path"].reason
    assert "no agent is called 'nobody'" in done.endings["wrong"].reason


async def test_every_option_reaches_the_invocation(tmp_path: Path) -> None:
    """What was written is what the adapter gets."""
    body = """
    @agent("claude", timeout=50, idle=20, max_turns=3, pass_env=["TOKEN"], env={"A": "1"}, tools=("Read",))
    async def work(ai: Agent) -> str: return await ai.ask("x")
    """
    _, (asked,) = await _asked(tmp_path, body)
    assert (asked.limits.timeout_s, asked.limits.idle_s, asked.limits.tool_idle_s) == (
        50.0,
        20.0,
        20.0,
    )
    assert (asked.limits.max_turns, asked.pass_env, asked.env, asked.tools) == (
        3,
        ("TOKEN",),
        {"A": "1"},
        ("Read",),
    )
    assert asked.folder.is_dir()
    assert asked.session_folder.is_dir()


async def test_a_turn_is_told_what_its_conversation_has_used(tmp_path: Path) -> None:
    """Some CLIs report sums over a session; a branch and another node begin with the sum so far."""
    body = """
    @agent
    async def work(ai: Agent) -> str:
        await ai.ask('a')
        await ai.fork().ask('b')
        return await ai.ask('c')
    @agent
    async def more(ai: Agent = use(work.session), w: str = use(work)) -> str:
        await ai.ask('d')
        return await ai.ask('e')
    """
    used = {"a": Usage(10, 1, 5), "b": Usage(7, 7, 7), "c": Usage(20, 2, 5), "d": Usage(1, None)}

    def script(asked: Invocation) -> TurnResult:
        return replace(replied("x"), usage=used.get(asked.prompt, Usage()))

    _, asked = await _asked(tmp_path, body, script)
    assert {one.prompt: one.spent_before for one in asked} == {
        "a": None,
        "b": Usage(10, 1, 5),
        "c": Usage(10, 1, 5),
        "d": Usage(30, 3, 10),
        "e": Usage(31, None, None),
    }
