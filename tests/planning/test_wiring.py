"""What is wrong with an orchfile, and the text that mends it."""

from pathlib import Path

import pytest

from orchcore.errors import CollectionError, Problem
from orchfiles import HEADER, planned

BASE = """
class Plan(BaseModel):
    steps: list[str]
class Design(BaseModel):
    text: str
@phase
async def plan() -> Plan: return Plan(steps=[])
@phase.step
async def helper(x: int = 1) -> int: return x
@agent("claude")
async def coder(ai: Agent) -> str: return ""
@phase(parallel=2)
async def several() -> str: ...
@resource(scope="instance")
async def room() -> AsyncIterator[int]: yield 1
@resource
async def db() -> AsyncIterator[int]: yield 1
"""


def _problems(folder: Path, body: str) -> list[Problem]:
    with pytest.raises(CollectionError) as caught:
        planned(folder, BASE + body)
    return list(caught.value.problems)


def _problem(folder: Path, body: str) -> Problem:
    (problem,) = _problems(folder, body)
    return problem


def _line(body: str, text: str) -> int:
    lines = (HEADER + BASE + body).splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_an_unwired_parameter_says_what_to_write(tmp_path: Path) -> None:
    """The closest phase by type, a run parameter, or a step."""
    body = "@agent\nasync def review(ai: Agent, plann: Plan) -> str: ...\n"
    problem = _problem(tmp_path, body)
    assert problem.code == "unwired-parameter"
    assert problem.message == "parameter 'plann' of phase 'review' is not wired to anything"
    assert problem.where is not None
    assert problem.where.line == _line(body, "def review")
    assert problem.where.text == "async def review(ai: Agent, plann: Plan) -> str: ..."
    wire, run, step = problem.hints
    assert wire.startswith("wire it:   plann: Plan = use(plan)     (closest phase: 'plan', ")
    assert wire.endswith(", gives Plan)")
    assert run == "or make it a run parameter:   plann: Plan = param()"
    assert step == "or declare a step, to be called with arguments:   @agent.step"


@pytest.mark.parametrize(
    ("declared", "hint"),
    [
        ("codr", "wire it:   codr = use(coder)     (closest phase: 'coder', "),
        ("zzz: list[Design]", "wire it:   zzz: list[Design] = use(some_phase)"),
        ("zzz", "wire it:   zzz = use(some_phase)"),
        ("plan: Design", "wire it:   plan: Design = use(plan)     (closest phase: 'plan', "),
    ],
)
def test_the_closest_phase_is_by_type_or_name(tmp_path: Path, declared: str, hint: str) -> None:
    """Where nothing is close, the form is shown."""
    problem = _problem(tmp_path, f"@phase\nasync def x({declared}) -> None: ...\n")
    assert problem.hints[0].startswith(hint)


def test_lists_and_keyword_arguments_need_no_wire(tmp_path: Path) -> None:
    """``*args`` and ``**kwargs`` are empty."""
    planned(tmp_path, "@phase\nasync def x(*a: int, **b: int) -> None: ...\n")


def test_a_type_that_cannot_fit_is_told(tmp_path: Path) -> None:
    """error[type-mismatch]: 'plan' gives Plan, but 'x' expects Design."""
    problem = _problem(tmp_path, "@phase\nasync def x(p: Design = use(plan)) -> None: ...\n")
    assert problem.code == "type-mismatch"
    assert problem.message == "'plan' gives Plan, but 'x' expects Design for parameter 'p'"


@pytest.mark.parametrize(
    "declared",
    [
        "p: Plan = use(plan)",
        "p: Plan | None = maybe(plan)",
        "p: BaseModel = use(plan)",
        "p: Any = use(plan)",
        "p: Design = use(plan.pick(lambda p: Design(text='')))",
        "p: 'Plan' = use(plan)",
        "p: list[Plan] = use(many)",
        "p: list[int] = param([])",
    ],
)
def test_types_that_may_fit_are_left_to_the_type_checker(tmp_path: Path, declared: str) -> None:
    """Only what cannot be right is refused."""
    many = "@phase(parallel=1)\nasync def many() -> Plan: ...\n"
    planned(tmp_path, BASE + many + f"@phase\nasync def x({declared}) -> None: ...\n")


def test_the_instances_of_a_fan_out_are_a_list(tmp_path: Path) -> None:
    """``use(many)`` is list[Plan], which is no list[Design]."""
    body = "@phase(parallel=1)\nasync def many() -> Plan: ...\n"
    body += "@phase\nasync def x(p: list[Design] = use(many)) -> None: ...\n"
    assert "gives list[Plan]" in _problem(tmp_path, body).message


@pytest.mark.parametrize(
    ("declared", "code", "said", "hint"),
    [
        ("@phase\ndef x() -> int: ...", "sync-function", "'x' is not async", "async def x(...)"),
        (
            "@phase\nasync def x() -> AsyncIterator[int]: yield 1",
            "sync-function",
            "'x' is an async generator",
            "`return` in place of `yield`",
        ),
        (
            "@phase\nasync def x(ai: Agent) -> int: ...",
            "unwired-parameter",
            "'x' takes an Agent, but is declared without one",
            "give it one:   @agent",
        ),
        (
            "@phase\nasync def x(p: Plan = use('plan')) -> int: ...",
            "not-a-source",
            "use('plan')",
            "without the quotes:   use(plan)",
        ),
        ("x = approve('plan', 'ok?')", "not-a-source", "approve('plan')", "approve(plan)"),
        (
            "@phase(parallel=2)\nasync def x(p: Plan = each(plan)) -> int: ...",
            "type-mismatch",
            "each(plan) of phase 'x' needs a list, but 'plan' gives Plan",
            "use(plan)",
        ),
        ("@phase.step\ndef x() -> int: ...", "sync-function", "'x' is not async", "async def"),
        ("@agent\nasync def x() -> int: ...", "no-agent-parameter", "must be an Agent", "ai: Agent"),
        ("@agent\nasync def x(*a: int) -> int: ...", "no-agent-parameter", "must be", "ai: Agent"),
        (
            "@agent\nasync def x(p: int = use(plan)) -> int: ...",
            "no-agent-parameter",
            "must be an Agent",
            "async def x(ai: Agent, ...)",
        ),
        (
            "@phase(parallel=1)\nasync def x(p: int = use(helper)) -> int: ...",
            "not-a-source",
            "use(helper) of phase 'x': 'helper' is a step",
            "use(helper.wired(...))",
        ),
        (
            "@phase\nasync def x(p: int = maybe(param(1, name='y'))) -> int: ...",
            "not-a-source",
            "wraps an edge in an edge",
            "param(y)",
        ),
        (
            "@phase\nasync def x(p: int = use(len)) -> int: ...",
            "not-a-source",
            "is not given a phase or resource",
            "@phase or @agent",
        ),
        (
            "x = approve(len, 'ok?')",
            "not-a-source",
            "approve(<built-in function len>)",
            "@phase or @agent",
        ),
        (
            "@phase\nasync def x(p: Plan = plan) -> int: ...",
            "no-edge",
            "'p' of phase 'x' is 'plan' itself",
            "p=use(plan)",
        ),
        (
            "@phase\nasync def x(p: int = helper) -> int: ...",
            "no-edge",
            "is 'helper' itself",
            "use(helper.wired(...))",
        ),
        (
            "@agent('claude', model=plan)\nasync def x(ai: Agent) -> int: ...",
            "no-edge",
            "'model' of phase 'x' is 'plan' itself",
            "model=use(plan)",
        ),
        (
            "@agent(cwd=use(helper))\nasync def x(ai: Agent) -> int: ...",
            "not-a-source",
            "'helper' is a step",
            "use(helper.wired(...))",
        ),
        (
            "@phase(parallel=2)\nasync def x(p: str = each('abc')) -> int: ...",
            "each-items",
            "goes over a str",
            "each([...])",
        ),
        (
            "@phase(parallel=2)\nasync def x(p: str = each({'a': 1})) -> int: ...",
            "each-items",
            "goes over a dict",
            "each([...])",
        ),
        (
            "@phase(parallel=2)\nasync def x(p: str = each(param('a'))) -> int: ...",
            "each-items",
            "each(param('a')) of phase 'x' goes over no list",
            "each(param(['a']))",
        ),
        (
            "@phase(parallel=2)\nasync def x(p: int = each(helper)) -> int: ...",
            "not-a-source",
            "'helper' is a step",
            "each(helper.wired(...))",
        ),
        (
            "@phase(parallel=2)\nasync def x(p: int = each(i for i in [1])) -> int: ...",
            "not-a-source",
            "is not given a phase",
            "@phase",
        ),
        (
            "@phase\nasync def x(p: int = each([1])) -> int: ...",
            "each-without-parallel",
            "phase 'x' uses each([1]) for 'p', so it gives a list; say how many at once",
            "@phase(parallel=4)",
        ),
        (
            "@agent(each(['a']))\nasync def x(ai: Agent) -> int: ...",
            "each-without-parallel",
            "for 'agent'",
            "@agent(parallel=4)",
        ),
        (
            "@phase(after=plan)\nasync def x() -> int: ...",
            "option",
            "'after' of 'x' is no list",
            "after=[plan]",
        ),
        (
            "@phase(after=[helper])\nasync def x() -> int: ...",
            "not-a-source",
            "after(helper)",
            "wired",
        ),
        (
            "@phase(when=plan)\nasync def x() -> int: ...",
            "option",
            "'when' of 'x' is no condition",
            "when=plan.where",
        ),
        (
            "@agent\nasync def x(ai: Agent = use(plan)) -> int: ...",
            "not-a-session",
            "wired to no conversation",
            "ai: Agent = use(plan.session)",
        ),
        (
            "@agent\nasync def x(ai: Agent = param()) -> int: ...",
            "not-a-session",
            "wired to no conversation",
            "use(plan.session)",
        ),
        (
            "@agent('codex')\nasync def x(ai: Agent = use(coder.session)) -> int: ...",
            "session-agent",
            "its agent is that one's",
            "leave out the name",
        ),
        (
            "@phase(parallel=2)\nasync def x(p: int = each(room)) -> int: ...",
            "resource-scope",
            "each of 'x' needs 'room', a resource of an instance",
            "take it as a parameter",
        ),
        (
            "@phase(when=room.where(bool))\nasync def x() -> int: ...",
            "resource-scope",
            "when of 'x'",
            "take it",
        ),
        ("@phase(after=[room])\nasync def x() -> int: ...", "resource-scope", "after of 'x'", "take"),
        ("x = approve(room, 'ok?')", "resource-scope", "approve of 'x'", "take"),
        (
            "@phase(parallel=2)\nasync def x(a: int = each([1]), b: int = each([1, 2])) -> int: ...",
            "each-lengths",
            "have 1 and 2 elements",
            "cross=True",
        ),
        (
            "x = helper.wired(1, 2, 3)",
            "arguments",
            "'x': too many positional arguments",
            "",
        ),
        (
            "@phase(parallel=2)\nasync def x(a: int = each([1], after=len), b: int = each([1], after=len)) -> int: ...",
            "each-after",
            "orders its instances by two",
            "one of them",
        ),
        (
            "@phase(parallel=2, cross=True)\nasync def x(a: int = each(range(999)), b: int = each(range(999))) -> int: ...",
            "too-many-instances",
            "'x' has 999 x 999 = 998,001 instances; a node may have 100,000",
            "fewer or shorter lists",
        ),
        (
            "@phase(parallel=2)\nasync def x(a: int = each(b'ab')) -> int: ...",
            "each-items",
            "goes over a bytes",
            "each([...])",
        ),
        (
            "@phase\n@phase.step\nasync def x() -> int: ...",
            "declared-twice",
            "'x' is declared twice: by @phase above @phase.step",
            "keep one: @phase makes a node, @phase.step what bodies call",
        ),
        (
            "@agent('claude')\n@agent\nasync def x(ai: Agent) -> int: ...",
            "declared-twice",
            "by @agent above @agent",
            "keep one",
        ),
        (
            "@phase\n@agent\nasync def x(ai: Agent) -> int: ...",
            "declared-twice",
            "by @phase above @agent",
            "keep one",
        ),
        (
            "@phase(parallel=2)\nasync def x(a: str = each(several, label=str)) -> int: ...",
            "each-label",
            "each(several) of 'x' keeps the labels",
            "fanned out first",
        ),
    ],
)  # fmt: skip
def test_each_mistake_has_its_code_place_and_help(
    tmp_path: Path, declared: str, code: str, said: str, hint: str
) -> None:
    """Every error says what was found, where, and the text that mends it."""
    problem = _problem(tmp_path, f"{declared}\n")
    assert problem.code == code
    assert said in problem.message
    assert hint in " ".join(problem.hints)
    assert problem.where is not None
    assert problem.where.path.name == "orchfile.py"
    assert problem.where.line > _line("", "async def db")


@pytest.mark.parametrize(
    ("declared", "code", "said"),
    [
        (
            "async def r(x: int) -> AsyncIterator[int]: yield 1",
            "resource-parameter",
            "'x' of resource 'r'",
        ),
        (
            "async def r(x: int = use(plan)) -> AsyncIterator[int]: yield 1",
            "resource-parameter",
            "wired to no resource",
        ),
        (
            "async def r(x: int = each([1])) -> AsyncIterator[int]: yield 1",
            "resource-parameter",
            "wired to no resource",
        ),
        ("async def r() -> int: return 1", "not-a-generator", "no async generator"),
        ("def r() -> Any: yield 1", "not-a-generator", "no async generator"),
    ],
)
def test_resources_use_params_and_resources_only(
    tmp_path: Path, declared: str, code: str, said: str
) -> None:
    """A resource outlives nodes, so it cannot be wired to one."""
    problem = _problem(
        tmp_path, f"@resource\n{declared}\n@phase\nasync def x(r: int = use(r)) -> None: ...\n"
    )
    assert (problem.code, said in problem.message) == (code, True)


def test_a_runs_resource_cannot_need_an_instances(tmp_path: Path) -> None:
    """The run's lives longer."""
    body = "@resource\nasync def r(x: int = use(room)) -> AsyncIterator[int]: yield x\n"
    body += "@phase\nasync def x(r: int = use(r)) -> None: ...\n"
    assert _problem(tmp_path, body).code == "resource-scope"


def test_resources_have_one_option(tmp_path: Path) -> None:
    """Unknown ones and unknown scopes are told."""
    body = "@resource(scope='node', size=3)\nasync def r() -> AsyncIterator[int]: yield 1\n"
    body += "@phase\nasync def x(r: int = use(r)) -> None: ...\n"
    scope, size = _problems(tmp_path, body)
    assert "scope='node'" in scope.message
    assert "no option 'size'" in size.message


def test_what_a_resource_may_take(tmp_path: Path) -> None:
    """Params, resources, what is picked from resources, plain defaults."""
    body = """
@resource(scope="instance")
async def r(
    a: int = param(1), b: int = use(db), c: int = use(db.pick(lambda d: d + 1)), d: int = 3, e: int = use(room)
) -> AsyncIterator[int]:
    yield a
@phase
async def x(r: int = use(r)) -> None: ...
"""
    planned(tmp_path, BASE + body)


def test_all_problems_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    """One run of the collector is enough to see everything."""
    body = """
@phase(retrys=1)
async def one(x: int) -> int: ...
@phase
def two() -> int: ...
@phase
async def three(p: Plan = plan, n: int = param(1)) -> int: ...
@phase
async def four(n: str = param("x")) -> int: ...
"""
    problems = _problems(tmp_path, body)
    assert [problem.code for problem in problems] == [
        "unwired-parameter",
        "unknown-option",
        "sync-function",
        "no-edge",
        "parameter-conflict",
    ]
    lines = [problem.where.line for problem in problems if problem.where]
    assert lines == sorted(lines)


def test_a_stray_argument_is_told_where_it_was_given(tmp_path: Path) -> None:
    """``.wired`` is judged by the function's signature."""
    body = "x = coder.wired(nothing=1)\n"
    problem = _problem(tmp_path, body)
    assert "unexpected keyword argument 'nothing'" in problem.message
    assert problem.where is not None
    assert problem.where.line == _line(body, "x = coder.wired")


def test_a_positional_only_parameter_is_wired_by_position(tmp_path: Path) -> None:
    """``def f(x, /)`` is a phase like any other."""
    plan = planned(tmp_path, BASE + "@phase\nasync def x(p: Plan = use(plan), /) -> None: ...\n")
    assert plan.node("x").wires[0].positional


def test_sessions_may_be_chosen_and_picked(tmp_path: Path) -> None:
    """``use(a.session | b.session)`` is a conversation, too."""
    body = """
@agent(when=plan.where(lambda p: False))
async def other(ai: Agent) -> str: ...
@agent
async def x(ai: Agent = use(other.session | coder.session)) -> str: ...
"""
    assert planned(tmp_path, BASE + body).node("x").needs == ("other", "coder")


WIDE = """
class Colour(Enum):
    RED = "red"
@phase
async def number() -> int: ...
@phase
async def flag() -> bool: ...
@phase
async def files() -> list[Path]: ...
@phase
async def pair() -> tuple[str, int]: ...
@phase
async def perhaps() -> int | None: ...
@phase
async def table() -> dict[str, int]: ...
@phase(parallel=2)
async def fan() -> Plan: ...
@resource
async def pool() -> AsyncIterator[Path]: yield Path()
gate = approve(number, "Sure?")
sorts = approve(files, "Sure?", each=True)
"""


@pytest.mark.parametrize(
    "declared",
    [
        "p: Plan = use(fan)",
        "p: str = use(number)",
        "p: Plan = use(number)",
        "p: Path = use(files)",
        "p: list[int] = use(files)",
        "p: int = use(table)",
        "p: dict[str, str] = use(table)",
        "p: Colour = use(number)",
        "p: tuple[str, str] = use(pair)",
        "p: str | None = use(number)",
        "p: str | None = maybe(number)",
        "p: Literal['a'] = use(number)",
        "p: str = use(pool)",
        "p: str = use(gate)",
        "p: list[str] = use(sorts)",
        "p: str = use(perhaps)",
        "p: str = use(number | plan)",
    ],
)
def test_what_can_never_fit_is_refused_without_a_type_checker(
    tmp_path: Path, declared: str
) -> None:
    """Numbers, texts, paths, lists and models are told apart, also inside lists and unions."""
    body = f"{WIDE}@phase\nasync def x({declared}) -> None: ...\n"
    assert _problem(tmp_path, body).code == "type-mismatch"


@pytest.mark.parametrize(
    "declared",
    [
        "p: list[Plan] = use(fan)",
        "p: Any = use(fan)",
        "p: object = use(fan)",
        "p: Iterable[Plan] = use(fan)",
        "p: Sequence[BaseModel] = use(fan)",
        "p: list[BaseModel] | Plan = use(fan)",
        "p: list = use(files)",
        "p: int = use(flag)",
        "p: float = use(number)",
        "p: bool = use(number)",
        "p: int = use(perhaps)",
        "p: int | None = maybe(number)",
        "p: Literal[1] = use(number)",
        "p: Mapping[str, int] = use(table)",
        "p: dict[str, float] = use(table)",
        "p: tuple[object, ...] = use(pair)",
        "p: Sized = use(files)",
        "p: T = use(number)",
        "p: Path = use(pool)",
        "p: int = use(gate)",
        "p: list[Path] = use(sorts)",
        "p: str | Plan = use(number | plan)",
        "p: Text = use(number.pick(str))",
        "p: Outcome[int] = use(settled(number))",
    ],
)
def test_what_might_fit_is_never_refused(tmp_path: Path, declared: str) -> None:
    """A false alarm would make a sound orchfile unusable."""
    imports = "from collections.abc import *\nfrom typing import TypeVar, NewType\n"
    imports += "T = TypeVar('T')\nText = NewType('Text', str)\n"
    planned(tmp_path, f"{imports}{BASE}{WIDE}@phase\nasync def x({declared}) -> None: ...\n")


def test_one_element_is_compared_with_what_each_instance_expects(tmp_path: Path) -> None:
    """``each`` of list[Path] gives a Path to an instance, ``each`` of a fan-out its element."""
    for source, given in (("files", "Path"), ("fan", "Plan"), ("sorts", "Path")):
        fan = "@phase(parallel=2)\nasync def x(p: {} = each({})) -> None: ...\n"
        planned(tmp_path, BASE + WIDE + fan.format(given, source))
        problem = _problem(tmp_path, WIDE + fan.format("int", source))
        assert f"gives in each instance {given}, but 'x' expects int" in problem.message


def test_whatever_may_have_items_can_be_taken_one_by_one(tmp_path: Path) -> None:
    """Only what is surely no list is refused: sequences of one's own and unknown types are not."""
    body = """
    from collections.abc import Sequence
    from dataclasses import dataclass
    @dataclass
    class Own(Sequence[int]):
        n: int
        def __len__(self): return self.n
        def __getitem__(self, index): return index
    @phase
    async def own() -> Own: return Own(2)
    @phase
    async def some() -> Any: ...
    @phase
    async def either() -> list[int] | None: ...
    @phase
    async def pair() -> tuple[int, int]: ...
    @phase(parallel=2, cross=True)
    async def x(a: int = each(own), b: int = each(some), c: int = each(either), d: int = each(pair)) -> None: ...
    """
    planned(tmp_path, body)
