"""``approve``: gates that survive their process."""

import json
from pathlib import Path

import pytest

from cli.commands import ORCHCORE, orchcore, quiet_environ
from harness.subreaper import Subreaper

GATED = """
from pydantic import BaseModel
from orchcore import Agent, agent, approve, param, phase, use

class Plan(BaseModel):
    steps: list[str]

@agent("demo")
async def plan(ai: Agent, size: int = param(1)) -> Plan:
    await ai.ask(ai.feedback or "plan")
    return Plan(steps=[ai.feedback or "dig"] * size)

approved = approve(plan, lambda plan: f"Do these {len(plan.steps)} steps?")

@phase
async def done(plan: Plan = use(approved)) -> str:
    return " ".join(plan.steps)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHCORE_DEMO_SPEED", "0")
    (tmp_path / "orchfile.py").write_text(GATED)
    return tmp_path


def told(here: Path, *words: str, code: int = 0) -> str:
    done = orchcore(*words, cwd=here)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def value(here: Path) -> str:
    record = json.loads(told(here, "show", "--json"))
    found: str = next(one["value"] for one in record["results"] if one["node"] == "done")
    return found


def test_a_gate_survives_its_process(here: Path) -> None:
    """Paused with exit 10, answered from elsewhere, gone on with: nothing is paid again."""
    assert "orchcore approve" in told(here, "run", code=10)
    shown = told(here, "approve")
    assert "approved: Do these 1 steps?" in shown
    assert '"dig"' in shown
    assert "go on:   orchcore resume" in told(here, "approve", "latest", "approved", "--yes")
    assert "answered yes by" in told(here, "approve")
    resumed = told(here, "resume")
    assert "2 passed, 1 reused" in resumed
    assert value(here) == "dig"
    events = json.loads(told(here, "show", "--json"))["events"]
    given = [one for one in events if one["kind"] == "approval_given"]
    assert [(one["approved"], bool(one["by"])) for one in given] == [(True, True)]
    assert "no gate of run" in told(here, "approve")


def test_no_and_by_whom(here: Path) -> None:
    """The branch is skipped, the run exits with 1; who said so is in the record. A no can be mended."""
    told(here, "run", code=10)
    told(here, "approve", "latest", "--no", "--by", "ann")
    assert "not approved by ann" in told(here, "resume", code=1)
    told(here, "resume", code=1)
    told(here, "approve", "latest", "approved", "--yes", "--by", "bob")
    told(here, "resume")
    assert value(here) == "dig"
    events = json.loads(told(here, "show", "--json"))["events"]
    given = [(one["approved"], one["by"]) for one in events if one["kind"] == "approval_given"]
    assert (given[0], given[-1]) == ((False, "ann"), (True, "bob"))


def test_an_edited_value_is_checked_by_its_type(here: Path) -> None:
    """What is no such value is refused at once, with what is wrong."""
    told(here, "run", code=10)
    (here / "plan.json").write_text('{"steps": "dig"}')
    refused = told(here, "approve", "latest", "approved", "--edit", "plan.json", code=4)
    assert "plan.json holds no Plan" in refused
    assert "steps: Input should be a valid array" in refused
    (here / "plan.json").write_text('{"steps": ["rest", "dig"]}')
    told(here, "approve", "latest", "approved", "--edit", "plan.json")
    told(here, "resume")
    assert value(here) == "rest dig"


def test_a_revision_is_asked_about_again(here: Path) -> None:
    """The agent goes on in its conversation with the comment; the first value is kept in between."""
    told(here, "run", code=10)
    told(here, "approve", "latest", "approved", "--revise", "fewer steps")
    assert "1 reused" in told(here, "resume", code=10)
    assert '"fewer steps"' in told(here, "approve")
    told(here, "approve", "latest", "approved", "--yes")
    told(here, "resume")
    assert value(here) == "fewer steps"
    record = json.loads(told(here, "show", "--json"))
    assert len(record["turns"]) == 2
    assert record["turns"][1]["parent"] == record["turns"][0]["session_id"]


def test_an_answer_is_for_the_value_that_was_seen(here: Path) -> None:
    """If it has changed when the run goes on, it is asked again."""
    told(here, "run", code=10)
    told(here, "approve", "latest", "approved", "--yes")
    assert "Do these 2 steps?" in told(here, "resume", "--size", "2", code=10)
    told(here, "approve", "latest", "approved", "--yes")
    told(here, "resume")
    assert value(here) == "dig dig"


def test_mistakes_are_told(here: Path) -> None:
    """An unknown gate, two answers at once, a run that waits for nothing."""
    told(here, "run", code=10)
    assert "did you mean 'approved'" in told(here, "approve", "latest", "aproved", "--yes", code=4)
    assert "one answer at a time" in told(
        here, "approve", "latest", "--yes", "--revise", "x", code=4
    )
    told(here, "approve", "latest", "--yes")
    told(here, "resume")
    assert "no gate of run" in told(here, "approve", "latest", "--yes", code=4)


def test_a_run_that_asks_at_its_terminal_takes_an_answer_from_another(here: Path) -> None:
    """At once; the terminal is as before."""
    with Subreaper([*ORCHCORE, "run"], cwd=here, env=quiet_environ(), terminal=True) as running:
        running.terminal.read_until("approve? [y/n/e/r/?]", within_s=30)
        said = told(here, "approve", "latest", "approved", "--yes", "--by", "ann")
        assert "answered by ann; the run takes it if it asks at a terminal" in said
        assert running.wait(20) == 0
        running.terminal.read_until("details: ", within_s=10)
        assert "by ann" in running.terminal.screen
    assert value(here) == "dig"
