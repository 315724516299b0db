"""``cache=``: what later runs use, for how long, and what makes them run after all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchcore.agents.invocation import Invocation, Listener
from orchcore.errors import CollectionError
from orchcore.events import SessionStarted
from orchcore.journal.cache_files import CacheFiles
from orchcore.planning.drafting import Request
from orchcore.results import TurnResult
from orchcore.testing import Rehearsal, Rehearsed, ScriptedRunner, VirtualClock, failed, replied
from orchfiles import written

BODY = """
@agent(cache={cache}, model="sonnet")
async def survey(ai: Agent, what: str = param("x")) -> str:
    return await ai.ask(f"survey {what}")

@agent
async def use_it(ai: Agent, survey: str = use(survey)) -> str:
    return await ai.ask(f"use {survey}")
"""


class Modelled(ScriptedRunner):
    """Tells which model answers."""

    model = "sonnet-1"

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        listener(SessionStarted(invocation.new_session_id, self.model))
        return await super().run(invocation, listener)


@dataclass
class Runs:
    """Runs of one project, each a new one."""

    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    model: str = "sonnet-1"
    asked: list[str] = field(default_factory=list[str])

    async def go(self, cache: str = "True", body: str = BODY, **more: Any) -> Rehearsed:
        def script(asked: Invocation) -> TurnResult:
            return failed("auth") if "bad" in asked.prompt else replied(f"<{asked.prompt}>")

        runner = Modelled(script)
        runner.model = self.model
        parameters = more.pop("parameters", {})
        done = await Rehearsal(
            orchfile=written(self.folder, body.replace("{cache}", cache)),
            folder=self.folder,
            runner=runner,
            request=Request(agent="scripted", parameters=parameters),
            clock=self.clock,
            cache=CacheFiles(self.folder / "cache"),
            **more,
        ).run()
        self.asked = runner.prompts
        return done


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


async def test_a_later_run_uses_a_result(runs: Runs) -> None:
    """It says when and where it was made, and under which key; the rest runs anew."""
    first = await runs.go()
    await runs.clock.sleep(2 * 3600)
    done = await runs.go()
    assert (runs.asked, done.states["survey"]) == (["use <survey x>"], "reused")
    key = first.endings["survey"].key
    assert done.ended("survey").reason == f"cached 2 h ago in run 0000, key {key[:12]}"
    assert (runs.folder / "cache" / f"{key}.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("cache", "hours", "taken"),
    [("True", 7 * 24 - 1, True), ("True", 7 * 24 + 1, False), ('"3h"', 4, False), ("3", 0, True)],
)
async def test_results_have_an_age(runs: Runs, cache: str, hours: int, taken: bool) -> None:
    """Once it is over they are made anew."""
    await runs.go(cache)
    await runs.clock.sleep(hours * 3600)
    done = await runs.go(cache)
    assert (done.states["survey"] == "reused") == taken


CHANGES: Mapping[str, dict[str, Any]] = {
    "an input": {"parameters": {"what": "y"}},
    "its code": {"body": BODY.replace("survey {what}", "look at {what}")},
    "its model": {"body": BODY.replace('"sonnet"', '"opus"')},
    "not wanted": {"cache": "False"},
    "--no-cache": {"cached": False},
}


@pytest.mark.parametrize("name", CHANGES)
async def test_what_makes_it_run(runs: Runs, name: str) -> None:
    """Each difference alone makes it run, and what needs it."""
    await runs.go()
    done = await runs.go(**CHANGES[name])
    assert (done.states["survey"], len(runs.asked)) == ("passed", 2)


async def test_an_alias_that_means_another_model_now(runs: Runs) -> None:
    """As soon as any turn of the project was answered by it."""
    other = '@agent(model="sonnet")\nasync def other(ai: Agent) -> str: return await ai.ask("o")\n'
    await runs.go()
    runs.model = "sonnet-2"
    assert (await runs.go()).states["survey"] == "reused"
    await runs.go(body=other)
    done = await runs.go()
    assert done.states["survey"] == "passed"
    assert (await runs.go()).states["survey"] == "reused"


async def test_what_is_not_kept(runs: Runs) -> None:
    """A failure, and what was made while files were edited."""
    bad = BODY.replace("survey {what}", "bad")
    await runs.go(body=bad)
    assert (await runs.go(body=bad)).states["survey"] == "failed"
    editing = """
    @agent.step(permission="edit")
    async def change(ai: Agent, what: str) -> str:
        return await ai.ask(what)

    @agent(cache=True)
    async def survey(ai: Agent) -> str:
        return await change("change")
    """
    await runs.go(body=editing)
    assert (await runs.go(body=editing)).states["survey"] == "passed"


async def test_steps_agents_count(runs: Runs) -> None:
    """A phase without an agent of its own runs again if those of its steps are others."""
    body = """
    @agent.step("{name}")
    async def look(ai: Agent) -> str:
        return await ai.ask("look")

    @phase(cache=True)
    async def survey() -> str:
        return await look()
    """

    async def go(name: str) -> str:
        done = await Rehearsal(
            orchfile=written(runs.folder, body.replace("{name}", name)),
            folder=runs.folder,
            runner=ScriptedRunner(lambda _: replied("seen")),
            cache=CacheFiles(runs.folder / "cache"),
        ).run()
        return done.states["survey"]

    assert [await go("claude"), await go("claude"), await go("codex")] == [
        "passed",
        "reused",
        "passed",
    ]


async def test_garbage_and_folders_that_cannot_be_written_are_no_cache(runs: Runs) -> None:
    """Runs go on as if there were none."""
    await runs.go()
    for path in (runs.folder / "cache").iterdir():
        path.write_text("{")
    assert (await runs.go()).states["survey"] == "passed"
    (runs.folder / "file").write_text("")
    done = await Rehearsal(
        orchfile=written(runs.folder, BODY.replace("{cache}", "True")),
        folder=runs.folder,
        runner=ScriptedRunner(lambda _: replied("x")),
        request=Request(agent="scripted"),
        cache=CacheFiles(runs.folder / "file" / "cache"),
    ).run()
    assert done.exit_code == 0


REFUSED = {
    "edits": ('@agent(cache=True, permission="edit")', "use(a)", "means nothing beside"),
    "talk": ("@agent(cache=True)", "use(a.session)", "'b' goes on with its conversation"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_before_anything_starts(runs: Runs, name: str) -> None:
    """What could never be used, or only wrongly, is refused."""
    decorator, edge, told = REFUSED[name]
    kind = "Agent" if "session" in edge else "str"
    rest = "" if "session" in edge else "ai: Agent, "
    body = f"""
    {decorator}
    async def a(ai: Agent) -> str: return await ai.ask("a")

    @agent
    async def b({rest}x: {kind} = {edge}) -> str: return "b"
    """
    with pytest.raises(CollectionError, match=told):
        await runs.go(body=body)
