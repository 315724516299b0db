"""Which nodes an orchfile declares, and what they are called."""

import shlex
from pathlib import Path

import pytest

from orchcore.collection.gathering import Collection, collect
from orchcore.errors import CollectionError
from orchfiles import collected, written


def _ids(collection: Collection) -> list[str]:
    return [found.id for found in collection.found]


def test_nodes_are_in_the_order_of_definition(tmp_path: Path) -> None:
    """What is defined first is shown first."""
    body = "".join(
        f"@phase\nasync def {name}() -> int: return 1\n" for name in ["zebra", "apple", "mango"]
    )
    assert _ids(collected(tmp_path, body)) == ["zebra", "apple", "mango"]


def test_steps_and_resources_are_no_nodes(tmp_path: Path) -> None:
    """Bodies call steps, edges reach resources."""
    found = collected(
        tmp_path,
        """
        @resource
        async def db() -> AsyncIterator[int]: yield 1

        @resource
        async def unused() -> AsyncIterator[int]: yield 1

        @phase.step
        async def helper(x: int = use(db)) -> int: return x

        @phase
        async def node() -> int: return await helper()
        """,
    )
    assert _ids(found) == ["node"]
    assert list(found.steps) == ["helper"]
    assert [one.name for one in found.resources] == ["db"]


def test_the_id_is_the_name_it_is_bound_to(tmp_path: Path) -> None:
    """Factories, ``.wired``, ``.parallel`` and gates are called what they are assigned to."""
    body = """
    def make(word: str) -> Any:
        @phase
        async def say() -> str: return word
        return say

    @phase.step
    async def add(a: int, b: int = 1) -> int: return a + b

    @phase
    async def one() -> int: return 1

    hello = make("hello")
    two = add.wired(use(one))
    many = add.parallel(2, each([1, 2]))
    approved = approve(two, "ok?")
    """
    assert _ids(collected(tmp_path, body)) == ["one", "hello", "two", "many", "approved"]


def test_what_edges_reach_is_a_node_though_it_has_no_name_here(tmp_path: Path) -> None:
    """A phase of an imported module counts as soon as something is wired to it, upstream first."""
    (tmp_path / "shared_3.py").write_text(
        "from orchcore import phase, use\n"
        "@phase\nasync def base() -> int: return 1\n"
        "@phase\nasync def middle(x: int = use(base)) -> int: return x\n"
        "@phase\nasync def alone() -> int: return 2\n"
    )
    body = (
        "import shared_3\n\n@phase\nasync def top(x: int = use(shared_3.middle)) -> int: return x\n"
    )
    assert _ids(collected(tmp_path, body)) == ["base", "middle", "top"]


def test_sharing_is_by_import(tmp_path: Path) -> None:
    """An imported phase is a node like one's own."""
    (tmp_path / "shared_4.py").write_text(
        "from orchcore import phase\n@phase\nasync def base() -> int: return 1\n"
    )
    assert _ids(collected(tmp_path, "from shared_4 import base as first\n")) == ["first"]


def test_a_node_with_two_names_has_the_first(tmp_path: Path) -> None:
    """An alias makes no second node."""
    assert _ids(collected(tmp_path, "@phase\nasync def a() -> int: return 1\nb = a\n")) == ["a"]


def test_name_is_the_id_of_what_is_bound_to_none(tmp_path: Path) -> None:
    """Phases of a loop or a list are called by ``name=``."""
    body = """
    def make(word: str) -> Any:
        @phase(name=f"say-{word}")
        async def say() -> str: return word
        return say

    both = [make(word) for word in ("a", "b")]

    @phase
    async def end(a: str = use(both[0]), b: str = use(both[1])) -> str: return a + b
    """
    assert _ids(collected(tmp_path, body)) == ["say-a", "say-b", "end"]


def test_name_wins_over_the_functions(tmp_path: Path) -> None:
    """An explicit name is never ignored; a wired copy has the name it is bound to."""
    body = """
    @phase(name="planner")
    async def plan(x: int = param(1)) -> int: return x
    again = plan.wired(x=2)
    """
    assert _ids(collected(tmp_path, body)) == ["planner", "again"]


def test_a_gate_without_a_name_has_a_shell_safe_id(tmp_path: Path) -> None:
    """``use(approve(plan, ...))`` can be named on a command line without quotes."""
    body = """
    @phase
    async def plan() -> int: return 1
    @phase
    async def go(x: int = use(approve(plan, "ok?"))) -> int: return x
    """
    ids = _ids(collected(tmp_path, body))
    assert ids == ["plan", "approve-plan", "go"]
    assert all(shlex.quote(id_) == id_ for id_ in ids)


def test_two_nodes_with_one_id_are_refused(tmp_path: Path) -> None:
    """Both places are told, and how to tell them apart."""
    body = """
    def make(n: int) -> Any:
        @phase
        async def say() -> int: return n
        return say

    @phase
    async def end(a: int = use(make(1)), b: int = use(make(2))) -> int: return a + b
    """
    with pytest.raises(CollectionError) as caught:
        collected(tmp_path, body)
    assert caught.value.code == "duplicate-name"
    assert "orchfile.py:" in str(caught.value)
    assert "name=" in caught.value.hint


def test_a_phase_that_only_copies_are_made_of_is_no_node(tmp_path: Path) -> None:
    """A shared phase with open parameters is a template for ``.wired``."""
    body = """
    @phase
    async def base() -> int: return 1
    @phase
    async def template(x: int, y: int = param(2)) -> int: return x + y
    first = template.wired(use(base))
    second = template.wired(x=3, y=4)
    """
    assert _ids(collected(tmp_path, body)) == ["base", "first", "second"]


def test_a_phase_with_open_parameters_that_is_used_stays_a_node(tmp_path: Path) -> None:
    """Whoever uses a template's own result forgot to wire it: planning says so."""
    body = """
    @phase
    async def template(x: int) -> int: return x
    first = template.wired(x=3)
    @phase
    async def end(x: int = use(template)) -> int: return x
    """
    assert _ids(collected(tmp_path, body)) == ["template", "first", "end"]


@pytest.mark.parametrize(("text", "said"), [("", "is empty"), ("import os\n", "declares no phase")])
def test_an_orchfile_without_phases_is_told(tmp_path: Path, text: str, said: str) -> None:
    """The help is a phase to begin with."""
    file = tmp_path / "orchfile.py"
    file.write_text(text)
    with pytest.raises(CollectionError, match=said) as caught:
        collect((), str(file), tmp_path)
    assert caught.value.code == "no-phases"
    assert "@phase" in caught.value.hint


def test_configuration_is_read_from_the_orchfiles_folder(tmp_path: Path) -> None:
    """Not from the working directory."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "orchcore.toml").write_text("jobs = 7\n")
    (tmp_path / "orchcore.toml").write_text("jobs = 3\n")
    file = written(tmp_path / "elsewhere", "@phase\nasync def a() -> int: return 1\n")
    found = collect((), str(file), tmp_path)
    assert (found.config.jobs, found.folder) == (7, tmp_path / "elsewhere")


def test_postponed_annotations_change_nothing(tmp_path: Path) -> None:
    """Wiring never reads annotations."""
    body = """
    @phase
    async def a() -> "Unknown": return 1
    @phase
    async def b(x: "AlsoUnknown" = use(a)) -> int: return 1
    """
    file = written(tmp_path, body)
    file.write_text("from __future__ import annotations\n" + file.read_text())
    assert _ids(collect((), str(file), tmp_path)) == ["a", "b"]


def test_deep_graphs_are_collected_without_recursion(tmp_path: Path) -> None:
    """A chain of three thousand phases is no problem, and is not looked at again and again."""
    body = """
    def link(before: Any, n: int) -> Any:
        @phase(name=f"p{n}")
        async def one(x: int = use(before)) -> int: return x + 1
        return one

    @phase
    async def p0() -> int: return 0
    last: Any = p0
    for n in range(1, 3000):
        last = link(last, n)
    """
    ids = _ids(collected(tmp_path, body))
    assert (len(ids), ids[0], ids[-1]) == (3000, "p0", "p2999")


def test_what_is_no_function_can_be_declared_and_is_reported_later(tmp_path: Path) -> None:
    """A callable without a signature has no edges; collecting it does not raise."""
    assert _ids(collected(tmp_path, "strange = phase(print.__class__)\nodd = phase(min)\n")) == [
        "strange",
        "odd",
    ]


@pytest.mark.parametrize(
    "second", ["@phase\nasync def a() -> str: ...", "class a: ...", "def a(): ..."]
)
@pytest.mark.parametrize(
    "first", ["@phase", "@agent('demo')", "@phase.step", "@agent.step()", "@resource"]
)
def test_a_phase_whose_name_is_given_away_is_told(tmp_path: Path, first: str, second: str) -> None:
    """The first of two definitions of one name would be lost without a word."""
    body = f"@phase\nasync def other() -> int: return 1\n{first}\nasync def a(ai: Agent): yield\n{second}\n"
    with pytest.raises(CollectionError) as caught:
        collected(tmp_path, body)
    (problem,) = caught.value.problems
    assert problem.code == "redefined-phase"
    assert problem.where is not None
    assert problem.where.text in second
    assert "orchfile.py:11 is lost" in problem.message


def test_a_name_that_is_used_again_on_purpose_is_fine(tmp_path: Path) -> None:
    """What another name, an edge or a copy still leads to is not lost; helpers are free."""
    body = """
    @phase
    async def a(x: int = param(1)) -> int: return x
    first = a
    @phase
    async def a(x: int = param(1)) -> int: return x
    @phase
    async def c(x: int) -> int: return x
    c = c.wired(x=2)
    def helper(): ...
    def helper(): ...
    def made(n: int):
        @phase
        async def a() -> int: return n
        return a
    one, two = made(1), made(2)
    """
    assert _ids(collected(tmp_path, body)) == ["a", "first", "c", "one", "two"]


def test_a_gate_that_is_bound_to_nothing_is_a_warning(tmp_path: Path) -> None:
    """Nobody would be asked."""
    body = """
    @phase
    async def plan() -> int: return 1
    approve(plan, "go on?")
    approved = approve(plan, "go on?")
    """
    (warning,) = collected(tmp_path, body).warnings
    assert (warning.code, warning.warning) == ("gate-without-effect", True)
    assert warning.where is not None
    assert warning.where.text == 'approve(plan, "go on?")'
    assert "use(approved)" in warning.hints[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("@phase.step\nasync def s() -> int: ...\n", "is a step: a body calls it"),
        ("class Flow:\n    @phase\n    async def a() -> int: ...\n", "inside the class 'Flow'"),
        ("def flow():\n    @agent()\n    async def a(ai): ...\n", "inside the function 'flow'"),
        ("import orchcore\ndef flow():\n    @orchcore.phase\n    async def a(): ...\n", "'flow'"),
        ("def flow():\n    @staticmethod\n    def a(): ...\n", "declare one:"),
    ],
)
def test_phases_that_are_not_found_are_pointed_at(tmp_path: Path, body: str, said: str) -> None:
    """A step alone, or phases inside a class or function, are no nodes: the error says where they are."""
    with pytest.raises(CollectionError) as caught:
        collected(tmp_path, body)
    assert caught.value.code == "no-phases"
    assert said in caught.value.hint
