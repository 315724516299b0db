"""``orchcore.run`` in a program, and what its result says."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import orchcore
from orchcore import OrchcoreError, Source, settled
from orchcore.resources import artifacts
from orchfiles import written

BODY = """
class Plan(BaseModel):
    steps: list[str]
@phase
async def plan(step: str = param("dig")) -> Plan: return Plan(steps=[step, "fill"])
approved = approve(plan, "Go?")
@phase(parallel=2)
async def work(step: str = each(approved.pick(lambda p: p.steps))) -> str:
    if step == "break": raise ValueError("broken")
    return step.upper()
checked = approve(work, "Good?", each=True)
@phase(when=plan.where(lambda p: not p.steps))
async def empty() -> str: return "empty"
@agent
async def talk(ai: Agent, words: list[str] = use(checked)) -> str: return await ai.ask("Talk.")
def add(n: int) -> Any:
    @phase
    async def added(steps: list[str] = use(work)) -> int: return len(steps) + n
    return added
one, two = add(1), add(2)
again = plan.wired(step="again")
"""


@pytest.fixture
def imports(tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Imports the orchfile under a name, as the program that runs it would."""
    path = written(tmp_path, BODY)
    names: list[str] = []

    def imported(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield imported
    for name in names:
        del sys.modules[name]


_steps: Callable[[Any], list[str]] = attrgetter("steps")


def _first(plan: Any) -> object:
    return plan.steps[0]


def _sources(module: Any) -> dict[str, tuple[Source[Any], object]]:
    plan = module.Plan(steps=["dig", "fill"])
    ok = orchcore.Ok
    return {
        "node": (module.plan, plan),
        "fan-out": (module.work, ["DIG", "FILL"]),
        "gate": (module.approved, plan),
        "item gate": (module.checked, ["DIG", "FILL"]),
        "part": (module.plan.pick(_first), "dig"),
        "part of a part": (module.plan.pick(_steps).pick(len), 2),
        "part of a fan-out": (module.work.pick(len), 2),
        "first": (module.empty | module.plan, plan),
        "outcome": (settled(module.plan), ok("plan", plan)),
        "outcome of a part": (settled(module.work.pick(len)), ok("work.pick", 2)),
        "outcomes": (settled(module.work), [ok("DIG".lower(), "DIG"), ok("fill", "FILL")]),
        "copy": (module.again.pick(_steps), ["again", "fill"]),
    }


async def test_values_of_nodes_and_of_what_is_made_from_them(imports: Any) -> None:
    """Whatever a parameter can be wired to; the file is run as the program imported it."""
    module = imports("flows_of_mine")
    result = await orchcore.run(orchfile=module.__file__, agent="demo", yes=True)
    assert result.ok
    for name, (source, value) in _sources(module).items():
        assert result.value(source) == value, name
    assert isinstance(result.value(module.plan), module.Plan)
    assert (result.value(module.one), result.value(module.two)) == (3, 4)


async def test_a_node_of_another_import_is_found_by_its_declaration(
    imports: Any, tmp_path: Path
) -> None:
    """By file, line and name; where these do not tell, that is said."""
    result = await orchcore.run("one", orchfile=tmp_path / "orchfile.py", yes=True)
    later = imports("imported_later")
    assert result.value(later.work) == ["DIG", "FILL"]
    assert result.value(later.plan.pick(_steps)) == ["dig", "fill"]
    assert result.value(later.approved).steps == ["dig", "fill"]
    with pytest.raises(OrchcoreError, match="'empty' was not selected"):
        result.value(later.empty)
    with pytest.raises(OrchcoreError, match=r"'added' \(.*\) is no node of .* as it was run"):
        result.value(later.two)


async def test_what_has_no_value_is_named(imports: Any) -> None:
    """With what to do instead; never a KeyError."""
    module = imports("flows_of_mine")
    result = await orchcore.run(module.work, params={"step": "break"}, yes=True)
    broken = "work failed: 1 of 2 passed; failed: work:break"
    refused: list[tuple[Any, str]] = [
        (module.work, f"'work' gave nothing: {broken}"),
        (module.work.pick(len), f"'work.pick' gave nothing: {broken}"),
        (module.plan.pick(attrgetter("none")), "'plan.pick' gave nothing: plan.pick raised"),
        (module.empty, "'empty' was not selected, so it gave nothing"),
        (module.talk.session, "'talk.session' is a conversation"),
        (settled(module.talk.session), "is a conversation"),
        (module.plan.where(bool), r"value(plan.where(...)): that is no source"),
        (3, "value(3): that is no source"),
        (artifacts, "'artifacts' gave nothing"),
    ]
    for source, said in refused:
        with pytest.raises(OrchcoreError) as caught:
            result.value(source)
        assert (caught.value.code, said in str(caught.value)) == ("no-value", True), caught.value
        assert caught.value.hint


async def test_states_go_by_id(imports: Any) -> None:
    """A node's or an instance's; what is close is told."""
    result = await orchcore.run(imports("flows_of_mine").checked, yes=True)
    assert (result.state("work"), result.state("work:dig")) == ("passed", "passed")
    with pytest.raises(OrchcoreError, match="no phase or instance 'wrk' was run") as caught:
        result.state("wrk")
    assert "did you mean 'work'" in caught.value.hint


async def test_a_gate_or_a_copy_can_be_run(imports: Any) -> None:
    """They are nodes: what they need runs, and nothing else."""
    module = imports("flows_of_mine")
    result = await orchcore.run(module.approved, yes=True)
    assert set(result.states) == {"plan", "approved"}
    assert set((await orchcore.run(module.again)).states) == {"again"}


async def test_what_cannot_be_run_is_named(imports: Any, tmp_path: Path) -> None:
    """What a node is made into, what is none, and a name of an unknown file."""
    module = imports("flows_of_mine")
    run: Any = orchcore.run
    with pytest.raises(OrchcoreError, match=r"'plan.pick' is no phase or gate") as caught:
        await run(module.plan.pick(str))
    assert caught.value.hint == "run(plan), and ask its result:   result.value(plan.pick)"
    for target in (artifacts, 3, module.add(3)):
        with pytest.raises(OrchcoreError, match="is no phase or gate") as caught:
            await run(target)
        assert "top level" in caught.value.hint
    with pytest.raises(OrchcoreError, match=r"run\('plan'\): of which orchfile"):
        await run("plan")
    with pytest.raises(OrchcoreError, match="a declared node has its orchfile already"):
        await run(module.plan, orchfile=tmp_path / "orchfile.py")
