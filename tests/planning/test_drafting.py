"""The plan as a whole: needs, instances, forks, cycles."""

from itertools import pairwise
from pathlib import Path

import pytest

from orchcore.errors import CollectionError
from orchcore.planning import facts
from orchfiles import planned

SESSIONS = """
@agent("claude")
async def plan(ai: Agent) -> str: ...
@agent("claude", parallel=2)
async def many(ai: Agent, x: int = each([1, 2])) -> str: ...
"""
TWICE = """
@agent
async def y(ai: Agent = use(plan.session)) -> int: ...
@agent
async def x(ai: Agent = maybe(plan.session)) -> int: ...
"""


def test_needs_come_from_parameters_options_conditions_and_after(tmp_path: Path) -> None:
    """Everything a node waits for, once, in the order it is mentioned."""
    body = "".join(f"@phase\nasync def {name}() -> str: ...\n" for name in "abcdefg")
    body += """
@agent(use(b), model=use(c.pick(str)), when=d.where(bool) & ~e.where(bool), after=[f, a])
async def last(ai: Agent, x: str = use(a), y: str = maybe(g | a), z: int = param(1)) -> int: ...
"""
    assert planned(tmp_path, body).node("last").needs == ("a", "g", "b", "c", "d", "e", "f")


def test_nodes_come_after_what_they_need(tmp_path: Path) -> None:
    """Also those whose name is bound earlier than what an imported module defines."""
    body = """
    @phase
    async def a() -> int: ...
    @phase.step
    async def step(x: int) -> int: ...
    c = step.wired(use(b_ := step.wired(use(a))))
    """
    import textwrap

    assert [node.id for node in planned(tmp_path, textwrap.dedent(body)).nodes] == ["a", "b_", "c"]


@pytest.mark.parametrize(
    ("declared", "forks"),
    [
        ("@agent\nasync def x(ai: Agent = use(plan.session)) -> int: ...", False),
        ("@agent(retries=1)\nasync def x(ai: Agent = use(plan.session)) -> int: ...", True),
        (
            "@agent(parallel=2)\nasync def x(ai: Agent = use(plan.session), n: int = each([1])) -> int: ...",
            True,
        ),
        ("@agent(parallel=2)\nasync def x(ai: Agent = each(many.session)) -> int: ...", False),
        (
            "@agent(parallel=2, retries=1)\nasync def x(ai: Agent = each(many.session)) -> int: ...",
            True,
        ),
        (
            "@agent(parallel=2, cross=True)\nasync def x(ai: Agent = each(many.session), n=each([1])): ...",
            True,
        ),
        (
            "@agent(parallel=2, cross=True)\nasync def x(ai: Agent = each(many.session)) -> int: ...",
            False,
        ),
        ("@phase\nasync def x(ais: list[Agent] = use(many.session)) -> int: ...", False),
        (TWICE, True),
        ("@agent\nasync def x(ai: Agent) -> int: ...", False),
    ],
)
def test_who_forks_a_conversation(tmp_path: Path, declared: str, forks: bool) -> None:
    """One continuer continues it, several fork it, and so does whoever may try again."""
    assert planned(tmp_path, SESSIONS + declared + "\n").node("x").forks is forks


def test_a_circle_is_told(tmp_path: Path) -> None:
    """It takes some effort to make one: lists that are changed afterwards."""
    body = """
later: list[Any] = []
@phase(after=later)
async def a() -> int: ...
@phase
async def b(x: int = use(a)) -> int: ...
@phase
async def c(x: int = use(b)) -> int: ...
later.append(c)
"""
    with pytest.raises(CollectionError) as caught:
        planned(tmp_path, body)
    assert caught.value.code == "cycle"
    message = caught.value.problems[0].message
    assert message.startswith("phases wait for each other: ")
    path = message.removeprefix("phases wait for each other: ").split(" -> ")
    assert path[0] == path[-1]
    assert {"a", "b", "c"} == set(path)
    needs = {"a": "c", "b": "a", "c": "b"}
    assert all(needs[one] == other for one, other in pairwise(path))


def test_what_the_plan_keeps_of_the_request(tmp_path: Path) -> None:
    """Jobs from the request, the configuration, or the machine; overrides as they are."""
    (tmp_path / "orchcore.toml").write_text("jobs = 3\n")
    body = "@phase\nasync def a() -> int: ...\n"
    assert planned(tmp_path, body).jobs == 3
    plan = planned(tmp_path, body, jobs=5, agent="demo", model="m")
    assert (plan.jobs, plan.agent, plan.model) == (5, "demo", "m")
    (tmp_path / "orchcore.toml").unlink()
    assert planned(tmp_path, body).jobs >= 4


def test_annotations_that_cannot_be_read_change_nothing_else(tmp_path: Path) -> None:
    """The type of a result is unknown then, and nothing is claimed about it."""
    body = """
@phase
async def a() -> "Missing": ...
@phase
async def b(x: "int" = use(a)) -> "list[int]": ...
gate = approve(a.pick(str), "ok?")
"""
    plan = planned(tmp_path, body)
    assert plan.node("a").returns is None
    assert plan.node("b").returns == list[int]
    assert plan.node("gate").returns is None


def test_a_node_that_is_not_there(tmp_path: Path) -> None:
    """Asking a plan for it is a KeyError."""
    with pytest.raises(KeyError):
        planned(tmp_path, "@phase\nasync def a() -> int: ...\n").node("b")


@pytest.mark.parametrize(
    ("parameter", "hint"),
    [
        ("", "it has 2 instances"),
        ("x: str = each(['a', 'b', 'c'])", "it has 3 instances"),
        ("x: str = each([])", "it has no instances"),
    ],
)
def test_a_quorum_of_more_than_there_is_is_refused(
    tmp_path: Path, parameter: str, hint: str
) -> None:
    """What is known before the run is told before the run; an empty parameter may be filled."""
    body = "@phase(parallel=2, quorum=5)\nasync def x({}) -> str: ...\n"
    with pytest.raises(CollectionError) as caught:
        planned(tmp_path, body.format(parameter))
    assert caught.value.problems[0].message == "quorum=5 of 'x' can never be met"
    assert caught.value.hint == hint
    planned(tmp_path, body.format("x: list[str] = each(param([]))"))


@pytest.mark.parametrize(
    ("targets", "quorum"), [(("x:a",), 1), (("x:a", "x:b", "x:c"), 2), (("x",), 2), (("y:a",), 1)]
)
def test_a_quorum_asks_no_more_than_was_selected(
    tmp_path: Path, targets: tuple[str, ...], quorum: int
) -> None:
    """One selected instance is enough then; the plan says so."""
    body = """
@phase
async def items() -> list[str]: ...
@phase(parallel=2, quorum=2)
async def x(it: str = each(["a", "b", "c"])) -> str: ...
@phase(parallel=2, quorum=2)
async def y(it: str = each(items)) -> str: ...
"""
    plan = planned(tmp_path, body, targets=targets)
    node = plan.node(targets[0][0])
    assert node.fan is not None
    assert node.fan.quorum == quorum
    said = f", {quorum} of those selected must pass" if ":" in targets[0] else ", 2 must pass"
    assert said in facts.parallel_text(node)


def test_a_gate_that_nobody_waits_for_is_a_warning(tmp_path: Path) -> None:
    """Others use what is to be approved, so they start without the answer."""
    body = """
    @phase
    async def plan() -> int: return 1
    approved = approve(plan, "go on?")
    @phase
    async def work(plan: int = use(plan)) -> int: return plan
    """
    (warning,) = planned(tmp_path, body).warnings
    assert warning.code == "gate-without-effect"
    assert warning.message == "'work' starts without waiting for the gate 'approved'"
    assert warning.hints == ("use the gate in place of 'plan':   use(approved)",)
    assert warning.where is not None
    assert warning.where.text == 'approved = approve(plan, "go on?")'
    for fine in ("plan: int = use(approved)", "x: int = param(1)"):
        assert not planned(tmp_path, body.replace("plan: int = use(plan)", fine)).warnings
    assert not planned(tmp_path, body + '\n    last = approve(work, "done?")\n').warnings[1:]
