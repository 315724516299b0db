"""A plan as a list, as Mermaid, Graphviz and JSON, and as a forecast."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchcore.config import Config
from orchcore.planning import facts
from orchcore.planning.drawing import Format, draw, listing
from orchcore.planning.forecast import decisions, table, turns
from orchcore.planning.plan import Plan, PlannedNode
from planning.planned import node, plan_of

ORCHFILE = '''\
from pydantic import SecretStr
from orchcore import Agent, agent, approve, each, maybe, param, phase, use

@agent("claude", model="opus", tags=["think"], timeout="90s", idle="5m", retries=2)
async def plan(ai: Agent, task: str = param(help="what to do", env="TASK")) -> list[str]:
    """Plans the work.

    In detail.
    """
    ...

approved = approve(plan, "Go on?")

@agent(each(param(["claude", "codex"], name="reviewer")), parallel=3, quorum=1)
async def review(ai: Agent, steps: list[str] = use(approved)) -> str: ...

@agent(parallel=2, fail_fast=True)
async def fix(ai: Agent, step: str = each(plan)) -> str: ...

@phase(when=param(False, name="art"), optional=True)
async def art(key: SecretStr = param(SecretStr("hush"))) -> str: ...

@phase(when=plan.where(lambda steps: len(steps) > 3))
async def threats() -> str: ...

@phase
async def gallery(art: str = use(art)) -> str: ...

@phase
async def album(picture: str = use(gallery.pick(str.upper))) -> str: ...

@phase
async def picture(found: str = use(art | threats), other: str | None = maybe(art)) -> str: ...
'''


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, ORCHFILE)


def made(*nodes: PlannedNode) -> Plan:
    return Plan(Path("/p/orchfile.py"), nodes, {}, {}, (), {}, 4, Config())


def row(text: str, id_: str) -> str:
    return next(line for line in text.splitlines() if re.match(rf"(RUN  |SKIP )?\s*{id_} ", line))


def test_text_tells_every_fact_of_a_node(plan: Plan) -> None:
    """One line has role, agent, model, needs, instances, limits of the fan-out, and the place."""
    text = draw(plan, "text")
    assert "agent claude (opus)" in row(text, "plan")
    assert "tags think" in row(text, "plan")
    assert "gate" in row(text, "approved")
    assert "needs plan" in row(text, "approved")
    assert "2 instances: claude, codex; 3 at once, 1 must pass" in row(text, "review")
    assert "instances from each(plan); 2 at once, first failure stops" in row(text, "fix")
    assert "when plan.where(...)" in row(text, "threats")
    assert "when False; optional" in row(text, "art")
    assert re.search(r"orchfile\.py:\d+$", row(text, "art"))


def test_instances_come_from_what_a_gate_is_bound_to(tmp_path: Path) -> None:
    """By its id, as everywhere else."""
    source = """\
from orchcore import approve, each, phase

@phase
async def triage() -> list[int]: ...

ok = approve(triage, "ok?", each=True)

@phase(parallel=2)
async def fix(x: int = each(ok)) -> int: ...
"""
    plan = plan_of(tmp_path, source)
    assert "instances from each(ok)" in row(draw(plan, "text"), "fix")
    assert "each(ok)" in draw(plan, "mermaid")
    assert "instances from each(ok)" in table(plan)


def test_list_shows_the_first_line_of_the_docstring(plan: Plan) -> None:
    """The list is for choosing: what a phase is for, not how it is wired."""
    assert row(listing(plan), "plan").endswith("Plans the work.")
    assert "In detail" not in listing(plan)


def test_agent_of_the_command_line_is_shown(plan: Plan) -> None:
    """--agent and --model replace what the orchfile says."""
    replaced = replace(plan, agent="demo", model="tiny")
    assert "agent demo (tiny)" in row(draw(replaced, "text"), "plan")
    assert "agent demo (tiny)" in row(draw(replaced, "text"), "review")


def test_selected_instances_are_the_ones_shown(tmp_path: Path) -> None:
    """A node that is limited to an instance is drawn with that instance."""
    text = draw(plan_of(tmp_path, ORCHFILE, "review:codex"), "text")
    assert "1 instance: codex" in row(text, "review")
    text = draw(plan_of(tmp_path, ORCHFILE, "fix:t1"), "text")
    assert "only fix:t1" in row(text, "fix")


def test_json_is_stable_and_complete(plan: Plan) -> None:
    """The JSON form has a version, every parameter and every node with its wiring."""
    data = json.loads(draw(plan, "json"))
    assert data["schema_version"] == 1
    assert [one["name"] for one in data["parameters"]] == ["task", "reviewer", "key", "art"]
    task, reviewer, key, _ = data["parameters"]
    assert task == {
        "name": "task",
        "type": "str",
        "required": True,
        "default": None,
        "many": False,
        "secret": False,
        "env": "TASK",
        "help": "what to do",
        "users": ["plan"],
    }
    assert reviewer["default"] == ["claude", "codex"]
    assert reviewer["many"] is True
    assert (key["secret"], key["default"]) == (True, None)
    nodes = {one["id"]: one for one in data["nodes"]}
    assert nodes["review"]["fan"] == {
        "parallel": 3,
        "instances": ["review:claude", "review:codex"],
        "quorum": 1,
        "fail_fast": False,
        "only": [],
    }
    assert nodes["fix"]["fan"]["instances"] is None
    assert nodes["plan"]["timeout_s"] == 90.0
    assert nodes["threats"]["when"] == "plan.where(...)"
    assert nodes["art"]["when"] is False
    assert nodes["gallery"]["needs"] == ["art"]


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "json"])
def test_secret_default_is_in_no_drawing(plan: Plan, form: Format) -> None:
    """The default of a SecretStr is never shown."""
    assert "hush" not in draw(plan, form)


HOSTILE = 'x"]; click n0 "javascript:alert(1)" \\ %% <b>`#`\n\x1b[31m\u202e end'


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "json"])
def test_nothing_invisible_is_drawn(form: Format) -> None:
    """Ids with control characters, bidi overrides and line ends come out as visible text."""
    drawn = draw(made(node(HOSTILE), node("end", HOSTILE), node("l", items=["\x1b]0;t\x07"])), form)
    assert all(line.isprintable() for line in drawn.splitlines())
    assert len(draw(made(node("a"), node("end", "a"), node("l")), form).splitlines()) <= len(
        drawn.splitlines()
    )


def test_mermaid_label_cannot_leave_its_quotes() -> None:
    """In Mermaid a hostile id is one label; only our numbers are names."""
    drawn = draw(made(node(HOSTILE), node("end", HOSTILE)), "mermaid")
    lines = drawn.splitlines()
    assert lines[0] == "flowchart TD"
    assert re.fullmatch(r'    n0\["[^"<>`\[\]\\]*(<br/>[^"<>`\[\]\\]*)*"\]', lines[1])
    assert lines[-1] == "    n0 --> n1"
    assert len(lines) == 4


def test_dot_strings_are_quoted() -> None:
    """In Graphviz quotes and backslashes of an id are escaped, wherever it stands."""
    drawn = draw(made(node('a"b\\'), node("c", 'a"b\\')), "dot")
    assert '"a\\"b\\\\" -> "c";' in drawn


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_the_drawing(plan: Plan) -> None:
    """Graphviz takes the drawing of a real plan and of a hostile one."""
    for drawn in (draw(plan, "dot"), draw(made(node(HOSTILE), node("b", HOSTILE)), "dot")):
        done = subprocess.run(
            ["dot", "-Tcanon"], input=drawn, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_conditions_are_dashed(plan: Plan) -> None:
    """An edge to a node with a condition is dashed, in both graph formats."""
    assert '"plan" -> "threats" [style=dashed];' in draw(plan, "dot")
    assert "-.->" in draw(plan, "mermaid")


def test_edges_lead_to_drawn_nodes_only() -> None:
    """What is not in the plan is not drawn, though a node names it."""
    lonely = made(node("b", "a"))
    assert "->" not in draw(lonely, "dot")
    assert "-->" not in draw(lonely, "mermaid")


def test_forecast_skips_what_a_parameter_switches_off(plan: Plan) -> None:
    """when=param(False) is SKIP, and so is what uses it; alternatives and maybe() still run."""
    actions = {one.node: one.action for one in decisions(plan)}
    assert [id_ for id_, action in actions.items() if action == "SKIP"] == [
        "art",
        "gallery",
        "album",
    ]
    reasons = {one.node: one.reason for one in decisions(plan)}
    assert reasons["art"].startswith("its when= is a parameter that says no")
    assert reasons["gallery"] == "needs art, which is skipped"
    assert reasons["threats"] == "when plan.where(...), decided during the run"
    assert reasons["approved"] == "asks a person; needs plan"
    assert reasons["plan"] == "starts at once"


def test_forecast_runs_what_a_parameter_switches_on(tmp_path: Path) -> None:
    """The same parameter given as true leaves nothing to skip."""
    assert {one.action for one in decisions(plan_of(tmp_path, ORCHFILE, art=True))} == {"RUN"}


def test_forecast_shows_limits_and_does_not_guess(plan: Plan) -> None:
    """Limits stand in the table; the number of turns is said to be unknown."""
    text = table(plan)
    assert "timeout 90s, idle 5m, 2 retries" in row(text, "plan")
    assert "at most" in text
    assert "worst-case number of turns: unknown" in text


def test_turns_are_known_where_there_is_no_agent() -> None:
    """A plan of plain phases has no turns at all."""
    assert turns(made(node("a"))) == "0: no phase here has an agent"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5s"), (90, "90s"), (300, "5m"), (5400, "90m"), (7200, "2h")]
)
def test_durations_read_as_they_are_written(seconds: float, text: str) -> None:
    """A duration is shown in the largest unit that divides it."""
    assert facts.duration_text(seconds) == text
