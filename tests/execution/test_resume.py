"""What a run that goes on pays for again, and what it does not: the traps of a content key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchcore.agents.invocation import Invocation
from orchcore.journal.past import Past
from orchcore.planning.drafting import Request
from orchcore.results import TurnResult
from orchcore.testing import Rehearsal, Rehearsed, ScriptedRunner, failed, replied
from orchfiles import written


@dataclass
class Run:
    """One run, over several processes.

    Attributes:
        folder: Of the project.
        fails: Whether a turn with this prompt fails.
        asked: The prompts of the last process's turns.
    """

    folder: Path
    fails: Callable[[Invocation], bool] = lambda _: False
    asked: list[str] = field(default_factory=list[str])
    _events: list[Any] = field(default_factory=list[Any])

    async def go(self, body: str, *, fails: str = "", **request: Any) -> Rehearsed:
        """One process more, with an orchfile of *body*; prompts that hold *fails* do not answer."""

        def script(asked: Invocation) -> TurnResult:
            if fails and fails in asked.prompt:
                return failed("auth")
            return replied(f"<{asked.prompt}>", cost_usd=1.0)

        runner = ScriptedRunner(script)
        done = await Rehearsal(
            orchfile=written(self.folder, body),
            folder=self.folder,
            runner=runner,
            request=Request(agent="scripted", **request),
            past=Past.told_by(self._events),
        ).run()
        self.asked = runner.prompts
        self._events += done.events
        return done


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


async def test_a_finished_run_starts_nothing(run: Run) -> None:
    """Every node is reused, with its value and its conversation."""
    body = """
    class Plan(BaseModel):
        steps: list[str]

    @agent
    async def plan(ai: Agent) -> Plan:
        return Plan(steps=[await ai.ask("a"), await ai.ask("b")])

    @agent(parallel=2)
    async def work(ai: Agent, step: str = each(plan.pick(lambda plan: plan.steps))) -> str:
        return await ai.ask(step)

    @agent
    async def end(ai: Agent = use(plan.session), work: list[str] = use(work)) -> str:
        return await ai.ask(f"end {work}")
    """
    first = await run.go(body)
    again = await run.go(body)
    assert (run.asked, again.exit_code) == ([], 0)
    assert again.values["plan"].model_dump() == first.values["plan"].model_dump()
    assert (again.values["work"], again.values["end"]) == (["<<a>>", "<<b>>"], first.values["end"])
    assert set(again.states.values()) == {"reused"}


LOOP = """
@agent
async def loop(ai: Agent) -> str:
    said = ""
    for number in range(3):
        said += await ai.ask("again"){each}
    return await ai.ask("last")
"""


async def test_the_same_prompt_in_a_loop(run: Run) -> None:
    """Is as many turns as before, whether in one conversation or in new ones."""
    for each in ("", "; ai = ai.using()"):
        run._events.clear()
        body = LOOP.format(each=each)
        await run.go(body, fails="last")
        assert run.asked == ["again", "again", "again", "last"]
        await run.go(body)
        assert run.asked == ["last"]


async def test_a_changed_first_turn_of_a_conversation(run: Run) -> None:
    """An answer counts only with its whole conversation before it."""
    body = """
    @agent
    async def talk(ai: Agent) -> str:
        await ai.ask("{first}")
        return await ai.ask("second") + await ai.using().ask("elsewhere") + await ai.ask("last")
    """
    await run.go(body.format(first="one"), fails="last")
    await run.go(body.format(first="two"))
    assert run.asked == ["two", "second", "last"]


@pytest.mark.parametrize("element", ["t", "{'name': t}"])
async def test_an_item_inserted_in_front_of_a_fan_out(run: Run, element: str) -> None:
    """Its instances are known by their elements, with and without labels of their own."""
    body = """
    @phase
    async def items() -> list[Any]:
        return [{element} for t in {items}]

    @agent(parallel=1)
    async def work(ai: Agent, item: Any = each(items)) -> str:
        await ai.ask(f"first {item}")
        return await ai.ask(f"then {item}")
    """
    body = body.replace("{element}", element)
    await run.go(body.replace("{items}", "['a', 'b']"), fails="then")
    assert len(run.asked) == 4
    await run.go(body.replace("{items}", "['new', 'a', 'b']"))
    assert [prompt for prompt in run.asked if "first" in prompt] == [run.asked[0]]
    assert "new" in run.asked[0]
    assert len(run.asked) == 4


async def test_paths_in_prompts(run: Run) -> None:
    """What stands for the run's own folder is the same wherever the project was moved to."""
    body = """
    from orchcore.resources import artifacts

    @agent
    async def write(ai: Agent, folder: Path = use(artifacts)) -> str:
        return await ai.ask(f"write into {folder}") + await ai.ask("last")
    """
    await run.go(body, fails="last")
    moved = run.folder / "moved"
    moved.mkdir()
    run.folder = moved
    await run.go(body)
    assert run.asked == ["last"]


async def test_equal_asks_at_once(run: Run) -> None:
    """Each has an answer of its own, and none is asked again."""
    body = """
    @agent
    async def votes(ai: Agent) -> str:
        said = await gather(ai.using().ask("vote") for _ in range(3))
        return "".join(said) + await ai.ask("last")
    """
    await run.go(body, fails="last")
    await run.go(body)
    assert run.asked == ["last"]


async def test_a_changed_upstream_value_that_is_not_in_the_prompt(run: Run) -> None:
    """The body runs again; its turn, which did not depend on it, is not paid again."""
    body = """
    @phase
    async def number() -> int:
        return {number}

    @agent
    async def work(ai: Agent, number: int = use(number)) -> str:
        return f"{await ai.ask('the same')} {number}"
    """
    await run.go(body.replace("{number}", "1", 1))
    done = await run.go(body.replace("return {number}", "return 2"))
    assert (run.asked, done.states["work"]) == ([], "passed")
    assert done.values["work"] == "<the same> 2"


async def test_a_retry_after_a_good_first_turn(run: Run) -> None:
    """In the same run: the attempt after a failed process pays only for what failed."""
    body = """
    @agent(retries=2)
    async def work(ai: Agent) -> str:
        return await ai.ask("good") + await ai.ask("bad")
    """
    tries: list[str] = []

    def script(asked: Invocation) -> TurnResult:
        tries.append(asked.prompt)
        return failed() if tries.count("bad") < 3 and asked.prompt == "bad" else replied("yes")

    orchfile = written(run.folder, body)
    rehearsal = Rehearsal(
        orchfile=orchfile,
        folder=run.folder,
        runner=ScriptedRunner(script),
        request=Request(agent="scripted"),
    )
    assert (await rehearsal.run()).exit_code == 0
    assert tries == ["good", "bad", "bad", "bad"]


async def test_a_retry_that_the_body_wants(run: Run) -> None:
    """Asks anew: what it was told was not good enough."""
    body = """
    seen = []

    @agent(retries=1)
    async def work(ai: Agent) -> str:
        seen.append(await ai.ask("poem"))
        if len(seen) < 2:
            raise TurnFailed(Failure("invalid_output", "does not rhyme", 0.001))
        return seen[-1]
    """
    done = await run.go(body)
    assert (run.asked, done.exit_code) == (["poem", "poem"], 0)
    await run.go(body.replace("return seen", "return 'x' + seen"))
    assert run.asked == []


async def test_a_caught_failed_turn(run: Run) -> None:
    """Is asked again: a failure is never an answer. What came after it in its place is found."""
    body = """
    @agent
    async def work(ai: Agent) -> str:
        try:
            said = await ai.ask("risky")
        except TurnFailed:
            said = "nothing"
        return said + await ai.using().ask("safe") + await ai.using().ask("last")
    """
    await run.go(body, fails="risky")
    assert run.asked == ["risky", "safe", "last"]
    changed = body.replace("said +", "'' + said +")
    await run.go(changed)
    assert run.asked == ["risky"]


async def test_a_model_alias(run: Run) -> None:
    """The model counts as it was asked for: another word for it is another model."""
    body = """
    @agent(model="{model}")
    async def work(ai: Agent) -> str:
        return await ai.ask("hello")
    """
    await run.go(body.replace("{model}", "opus"))
    await run.go(body.replace("{model}", "opus"))
    assert run.asked == []
    await run.go(body.replace("{model}", "claude-opus-5"))
    assert run.asked == ["hello"]


async def test_an_invalid_answer_is_not_paid_again(run: Run) -> None:
    """It is read again, and the question that followed it is found."""
    body = """
    class Yes(BaseModel):
        yes: bool

    @agent(reasks=1)
    async def work(ai: Agent) -> str:
        try:
            await ai.ask("is it?", Yes)
        except TurnFailed:
            pass
        return await ai.using().ask("last")
    """
    await run.go(body, fails="last")
    assert len(run.asked) == 3
    await run.go(body)
    assert run.asked == ["last"]


async def test_changed_code_pays_for_nothing(run: Run) -> None:
    """The body runs again, its turns, steps and conversations are given back."""
    body = """
    @agent.step
    async def second(ai: Agent, text: str) -> str:
        return await ai.ask(f"second {text}")

    @agent
    async def work(ai: Agent) -> str:
        first = await ai.ask("first")
        return first + await second("opinion"){more}

    @agent
    async def after(ai: Agent = use(work.session), work: str = use(work)) -> str:
        return await ai.ask("on")
    """
    await run.go(body.replace("{more}", ""))
    done = await run.go(body.replace("{more}", " + '!'"))
    assert (run.asked, done.states["work"]) == ([], "passed")
    done = await run.go(body.replace("{more}", " + '!'").replace('f"second {text}"', "text"))
    assert run.asked == ["opinion"]


async def test_comments_and_documentation_are_no_code(run: Run) -> None:
    """Nothing runs again for them, wherever in the file the phase stands now."""
    body = """
    LIMIT = 3

    def helper(text: str) -> str:
        return text[:LIMIT]

    @agent
    async def work(ai: Agent) -> str:
        return helper(await ai.ask("hello"))
    """
    await run.go(body)
    done = await run.go(
        body.replace("    LIMIT", "    # careful\n\n    LIMIT").replace(
            "        return text", '        """Cuts."""\n        return text'
        )
    )
    assert done.states["work"] == "reused"
    done = await run.go(body.replace("LIMIT = 3", "LIMIT = 4"))
    assert (done.states["work"], run.asked, done.values["work"]) == ("passed", [], "<hel")


async def test_values_that_cannot_be_known_again(run: Run) -> None:
    """Of another type than is written, not to be stored, or with an input without a digest."""
    body = """
    class Handle:
        pass

    @phase
    async def handle() -> Handle:
        return Handle()

    @phase
    async def takes(handle: Handle = use(handle)) -> int:
        return 1

    @phase
    async def untyped():
        return 1

    @phase
    async def loose() -> object:
        return Path("x")

    @phase
    async def fine() -> int:
        return 1
    """
    await run.go(body)
    done = await run.go(body)
    assert {node for node, state in done.states.items() if state == "reused"} == {"fine"}
    assert done.ended("takes").key == ""


async def test_a_file_counts_by_what_it_holds(run: Run) -> None:
    """Whether it was given to a phase or came from it."""
    body = """
    @phase
    async def made() -> Path:
        Path(__file__).with_name("made.txt").write_text("made")
        return Path(__file__).with_name("made.txt")

    @phase
    async def reads(given: Path = param(Path("given.txt"))) -> str:
        return "read"
    """
    given = run.folder / "given.txt"
    given.write_text("one")
    parameters = {"given": str(given)}
    await run.go(body, parameters=parameters)
    done = await run.go(body, parameters=parameters)
    assert done.states == {"made": "reused", "reads": "reused"}
    given.write_text("two")
    (run.folder / "made.txt").write_text("changed")
    done = await run.go(body, parameters=parameters)
    assert done.states == {"made": "passed", "reads": "passed"}


async def test_commands_are_given_back(run: Run) -> None:
    """But for those that ask again, and those in a folder in which an agent has edited since."""
    body = """
    @agent(permission="{permission}")
    async def work(ai: Agent) -> str:
        said = await ai.ask("{prompt}")
        await command("sh", "-c", "echo one >> log", cwd=ai.cwd)
        await command("sh", "-c", "echo two >> log", cwd=ai.cwd, rerun=True)
        done = await command("echo", "out")
        return said + done.stdout + await ai.using().ask("last")
    """
    log = run.folder / "log"
    read = body.replace("{permission}", "read-only").replace("{prompt}", "a")
    await run.go(read, fails="last")
    done = await run.go(read)
    assert log.read_text().split() == ["one", "two", "two"]
    assert done.values["work"] == "<a>out\n<last>"
    edit = body.replace("{permission}", "edit")
    await run.go(edit.replace("{prompt}", "b"), fails="last")
    log.unlink()
    await run.go(edit.replace("{prompt}", "c"))
    assert log.read_text().split() == ["one", "two"]


async def test_who_must_not_run_twice_is_known_by_its_element(run: Run) -> None:
    """Not by its place: what is inserted before it was never begun."""
    body = """
    class Item(BaseModel):
        name: str

    @phase
    async def items() -> list[Item]:
        return [Item(name=name) for name in "{names}"]

    paid = []

    @agent(recovery="halt", parallel=1)
    async def pay(ai: Agent, item: Item = each(items)) -> str:
        return await ai.ask(f"pay {item.name}")
    """
    await run.go(body.replace("{names}", "bc"), fails="pay c")
    assert run.asked == ["pay b", "pay c"]
    done = await run.go(body.replace("{names}", "abc"))
    assert run.asked == ["pay a"]
    assert [done.states[f"pay:{n}"] for n in range(3)] == ["passed", "reused", "paused"]
