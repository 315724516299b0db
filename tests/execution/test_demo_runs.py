"""Whole runs with real child processes: the demo agent, the record, ``orchcore.run``."""

import importlib.util
import sys
from pathlib import Path

import pytest

import orchcore
from orchcore.errors import CollectionError, OrchcoreError
from orchcore.events import Event, TurnEnded
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.reader import read_run
from orchfiles import written

BODY = """
class Plan(BaseModel):
    steps: list[str]
class Review(BaseModel):
    ok: bool
    notes: str
@agent("demo")
async def plan(ai: Agent, task: str = param("tea")) -> Plan: return await ai.ask(f"Plan {task}", Plan)
approved = approve(plan, "Go on?")
@agent(permission="edit")
async def implement(ai: Agent = use(plan.session), plan: Plan = use(approved)) -> str:
    return await ai.ask("Implement it")
@agent("demo", parallel=2)
async def review(ai: Agent, patch: str = use(implement), lens: str = each(["speed", "style"])) -> Review:
    seen = [event.kind async for event in ai.stream(f"Look at {lens}")]
    assert "final" in seen and ai.last.simulated
    return await ai.ask(f"Review for {lens}", Review)
@phase
async def verdict(reviews: list[Review] = use(review)) -> int:
    return len((await command("echo", reviews[0].notes)).stdout) and len(reviews)
"""


async def test_a_pipeline_runs_with_the_demo_agent(tmp_path: Path) -> None:
    """Real processes, sessions handed on, answers of the right type, everything recorded."""
    file = written(tmp_path, BODY)
    result = await orchcore.run(orchfile=file, yes=True, params={"task": "coffee"})
    assert (result.ok, result.exit_code) == (True, 0)
    assert result.state("verdict") == "passed"
    assert result.state("review:speed") == "passed"
    assert result.folder.is_relative_to(tmp_path / ".orchcore")
    turns = [event for event in _events(tmp_path, result.run) if isinstance(event, TurnEnded)]
    assert len(turns) == 6
    assert all(turn.simulated and turn.failure is None for turn in turns)
    ids = {turn.node: turn.session_id for turn in turns if turn.node in ("plan", "implement")}
    assert ids["plan"] == ids["implement"]


async def test_without_yes_the_run_pauses(tmp_path: Path) -> None:
    """Exit code 10: a program cannot be asked."""
    result = await orchcore.run(orchfile=written(tmp_path, BODY))
    assert (result.exit_code, result.state("approved")) == (10, "paused")
    assert result.state("plan") == "passed"
    with pytest.raises(OrchcoreError, match="no phase or instance 'nobody' was run"):
        result.state("nobody")


async def test_a_demo_agent_that_is_told_to_fail(tmp_path: Path) -> None:
    """The failure of a real child is the phase's."""
    body = (
        "@agent('demo')\nasync def work(ai: Agent) -> str: return await ai.ask('demo: fail auth')\n"
    )
    result = await orchcore.run(orchfile=written(tmp_path, body))
    assert (result.exit_code, result.state("work")) == (1, "failed")


async def test_a_declared_node_can_be_run_by_itself(tmp_path: Path) -> None:
    """``await run(verdict)``: with what it needs; its value by the same object."""
    file = written(
        tmp_path,
        "@phase\nasync def a() -> int: return 2\n@phase\nasync def b(x: int = use(a)) -> int: return x * 2\n@phase\nasync def c() -> int: return 1\n",
        "mine_11.py",
    )
    spec = importlib.util.spec_from_file_location("mine_11", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mine_11"] = module
    spec.loader.exec_module(module)
    try:
        result = await orchcore.run(module.b)
        assert result.value(module.b) == 4
        assert result.state("a") == "passed"
        assert set(result.states) == {"a", "b"}
        with pytest.raises(OrchcoreError, match="'c' was not selected"):
            result.value(module.c)
        with pytest.raises(CollectionError, match="is no phase"):
            await orchcore.run(module.b.pick(str))
    finally:
        del sys.modules["mine_11"]


def _events(project: Path, run: str) -> list[Event]:
    return [told.event for told in read_run(ProjectFolder.at(project).find_run(run)).events]
