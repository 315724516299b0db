"""The run's parameters: found, typed, validated."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchcore.declarations.edges import UNSET
from orchcore.errors import CollectionError, UsageError
from orchcore.planning.parameters import option_name, parameter_specs
from orchcore.planning.plan import ParameterSpec
from orchcore.planning.selection import known_instances
from orchfiles import collected, planned, written

ONE = "@phase\nasync def work({}) -> None: ...\n"


def _value(folder: Path, declared: str, given: object, body: str = "") -> Any:
    plan = planned(folder, body + ONE.format(f"x: {declared}"), parameters={"x": given})
    return plan.parameters["x"]


KINDS = """
from dataclasses import dataclass
from typing import Annotated, TypedDict
from pydantic import AfterValidator, Secret, SecretBytes

class Model(BaseModel):
    inner: list[SecretStr] | None = None

@dataclass
class Tuple:
    inner: tuple[Model, ...]

class Table(TypedDict):
    inner: Model

class Plain(BaseModel):
    inner: "Plain | None" = None

type Tree = list[Tree]

def _refuse(value: SecretStr) -> SecretStr:
    raise ValueError(value.get_secret_value())

type Picky = Annotated[SecretStr, AfterValidator(_refuse)]
"""


def _specs(folder: Path, body: str) -> dict[str, ParameterSpec]:
    return {spec.name: spec for spec in parameter_specs(collected(folder, body))}


TYPES = """
class Color(Enum):
    RED = "red"

class Task(BaseModel):
    id: str
    hours: int = 1

class Anything:
    pass

type Alias = int
"""


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ("int = param(3)", "4", 4),
        ("float = param(0.5)", "1e3", 1000.0),
        ("bool = param(True)", False, False),
        ("bool = param(False)", "yes", True),
        ("str = param()", "text", "text"),
        ("Path = param()", "a/b", Path("a/b").absolute()),
        ('Literal["low", "high"] = param("low")', "high", "high"),
        ("list[int] = param([])", ["1", "2"], [1, 2]),
        ("int | None = param(None)", "7", 7),
        ("Alias = param(1)", "7", 7),
        ("dict[str, int] = param()", '{"a": 1}', {"a": 1}),
        ("list[str] = param()", '["a", "b"]', ["a", "b"]),
        ("Any = param(3)", "4", "4"),
    ],
)
def test_texts_become_values_of_the_declared_type(
    tmp_path: Path, declared: str, given: object, expected: object
) -> None:
    """Pydantic reads what a command line gives."""
    assert _value(tmp_path, declared, given, TYPES) == expected


def test_enums_and_models_are_read(tmp_path: Path) -> None:
    """An Enum by its value, a model as JSON, a list of models as one JSON each."""
    assert _value(tmp_path, "Color = param()", "red", TYPES).name == "RED"
    assert _value(tmp_path, "Task = param()", '{"id": "a"}', TYPES).hours == 1
    tasks = _value(
        tmp_path, "list[Task] = param([])", ['{"id": "a"}', '{"id": "b", "hours": 2}'], TYPES
    )
    assert [(task.id, task.hours) for task in tasks] == [("a", 1), ("b", 2)]


def test_a_class_that_pydantic_does_not_know_takes_instances_only(tmp_path: Path) -> None:
    """A program may give one; a text is refused in words, not with a traceback."""
    with pytest.raises(UsageError, match="instance of Anything"):
        _value(tmp_path, "Anything = param()", "text", TYPES)


@pytest.mark.parametrize(
    "declared", ["str = param()", "str | None = param(None)", "SecretStr = param()"]
)
def test_at_reads_a_file(tmp_path: Path, declared: str) -> None:
    """``@file`` is the file's content, ``@@`` a literal ``@``."""
    (tmp_path / "task.md").write_text("# Täsk\n")
    found = _value(tmp_path, declared, f"@{tmp_path}/task.md")
    assert getattr(found, "get_secret_value", lambda: found)() == "# Täsk\n"
    found = _value(tmp_path, declared, "@@home")
    assert getattr(found, "get_secret_value", lambda: found)() == "@home"


def test_at_reads_a_file_for_each_item(tmp_path: Path) -> None:
    """A repeated option takes files, too."""
    (tmp_path / "a").write_text("A")
    assert _value(tmp_path, "list[str] = param([])", [f"@{tmp_path}/a", "b"]) == ["A", "b"]


def test_other_types_take_at_literally(tmp_path: Path) -> None:
    """A Path that begins with @ is a path."""
    assert _value(tmp_path, "Path = param()", "@x") == Path("@x").absolute()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The option, the file and the reason."""
    with pytest.raises(UsageError, match=r"--x @nowhere.*No such file"):
        _value(tmp_path, "str = param()", "@nowhere")


def test_dash_reads_stdin(tmp_path: Path) -> None:
    """``-`` is what is piped in."""
    file = written(tmp_path, ONE.format("x: str = param()"))
    code = (
        "from pathlib import Path\n"
        "from orchcore.collection.gathering import collect\n"
        "from orchcore.planning.drafting import Request, draft\n"
        f"collection = collect((), {str(file)!r}, Path({str(tmp_path)!r}))\n"
        "print(draft(collection, Request(parameters={'x': '-'})).parameters['x'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"piped", capture_output=True, check=True
    )
    assert done.stdout == b"piped\n"


def test_a_wrong_value_is_told_with_its_place(tmp_path: Path) -> None:
    """error[parameter]: --x 'three' is not a valid integer, and the line of param()."""
    with pytest.raises(UsageError) as caught:
        _value(tmp_path, "int = param(3)", "three")
    assert caught.value.code == "parameter"
    assert "--x 'three'" in str(caught.value)
    assert "valid integer" in str(caught.value)
    assert "param(3)" in str(caught.value)


def test_bad_json_is_told_as_the_types_own_error(tmp_path: Path) -> None:
    """Text that begins like JSON but is none fails as the text it is, or for its JSON."""
    with pytest.raises(UsageError, match="--x '\\[1, '"):
        _value(tmp_path, "list[int] = param()", "[1, ")
    with pytest.raises(UsageError, match=r"--x '\{': Input should be a valid integer"):
        _value(tmp_path, "int = param()", "{")


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ('{"id": "a", "hours": "q"}', "--x 'q': hours: Input should be a valid integer", ""),
        ('{"id": ', "Invalid JSON", ""),
        ("hello", "--x 'hello': Input should be a valid dictionary", "as JSON:   --x '{...}'"),
    ],
)
def test_a_wrong_object_is_told_by_its_field(
    tmp_path: Path, given: str, said: str, hint: str
) -> None:
    """What is wrong within JSON, that it is no JSON, or how to write some."""
    with pytest.raises(UsageError) as caught:
        _value(tmp_path, "Task = param()", given, TYPES)
    assert said in caught.value.problems[0].message
    assert hint in caught.value.hint


def test_a_value_of_a_variable_is_told_by_its_name(tmp_path: Path) -> None:
    """$LEVEL, not --level, which nobody wrote."""
    body = ONE.format('level: int = param(1, env="LEVEL")')
    with pytest.raises(UsageError, match=r"\$LEVEL 'high': Input should be a valid integer"):
        planned(tmp_path, body, environ={"LEVEL": "high"})


def test_defaults_are_of_the_declared_type(tmp_path: Path) -> None:
    """All that are not, at once and each with its line; nothing is converted."""
    body = """
    class Task(BaseModel):
        id: str
    @phase
    async def wrong(
        a: int = param("abc"),
        b: list[int] = param("q"),
        c: int = param(None),
        d: bool = param("no"),
        e: Path = param("x"),
        f: Literal["low", "high"] = param("middle"),
        g: SecretStr = param(7),
    ) -> None: ...
    @phase(parallel=2)
    async def right(
        h: int | None = param(None),
        i: float = param(1),
        j: list[Task] = param([Task(id="x")]),
        k: SecretStr = param(SecretStr("s")),
        l: str = each(param(["a"])),
        m: "asyncio.Event" = param(asyncio.Event()),
        n: Any = param(3),
    ) -> None: ...
    """
    with pytest.raises(CollectionError) as caught:
        planned(tmp_path, body)
    problems = caught.value.problems
    assert {problem.code for problem in problems} == {"parameter-default"}
    lines = [problem.where.text for problem in problems if problem.where]
    assert [line[0] for line in lines] == list("abcdefg")
    assert problems[0].message == (
        "the default of parameter 'a' is no int: 'abc': Input should be a valid integer"
    )
    assert "***" in problems[-1].message


def test_all_wrong_parameters_are_told_at_once(tmp_path: Path) -> None:
    """A missing one, a wrong one and an unknown one."""
    body = ONE.format(
        'a: int = param(help="how many"), bee: int = param(1), c: str = param(env="C_ENV")'
    )
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, body, parameters={"bee": "x", "be": 1})
    messages = [problem.message for problem in caught.value.problems]
    assert len(messages) == 4
    assert caught.value.hint == "did you mean 'bee'?"
    hints = [hint for problem in caught.value.problems for hint in problem.hints]
    assert "--a INT   how many" in hints
    assert "--c STR, or set C_ENV" in hints


def test_the_environment_gives_what_the_command_line_does_not(tmp_path: Path) -> None:
    """``env=`` is second to the option."""
    body = ONE.format('x: int = param(1, env="X_ENV")')
    assert planned(tmp_path, body, environ={"X_ENV": "5"}).parameters["x"] == 5
    plan = planned(tmp_path, body, environ={"X_ENV": "5"}, parameters={"x": "6"})
    assert plan.parameters["x"] == 6


def test_secrets_are_marked_and_never_shown(tmp_path: Path) -> None:
    """Neither the specification nor an error has the text."""
    body = ONE.format("token: SecretStr = param(), other: SecretStr | None = param(None)")
    specs = _specs(tmp_path, body)
    assert specs["token"].secret
    assert specs["other"].secret
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, body, parameters={"token": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


def test_whatever_holds_a_secret_is_one(tmp_path: Path) -> None:
    """Lists, models, dataclasses and tables too, however deep; a type within itself has an end."""
    body = f"{KINDS}\n" + ONE.format(
        "a: list[SecretStr] = param([]), b: SecretBytes | None = param(None), "
        "c: Model = param(None), d: dict[str, Tuple] = param({}), e: Table = param({}), "
        "f: Tree = param(None), g: Annotated[SecretStr, 'x'] = param('y'), "
        "h: Secret[int] = param(1), i: Plain = param(None), j: Literal['a'] = param('a')"
    )
    found = {name: spec.secret for name, spec in _specs(tmp_path, body).items()}
    assert found == dict.fromkeys("abcdegh", True) | dict.fromkeys("fij", False)


def test_a_validator_of_a_secret_is_not_quoted(tmp_path: Path) -> None:
    """It may have put the value into its message."""
    body = f"{KINDS}\n" + ONE.format("x: Picky = param()")
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, body, parameters={"x": "hunter2-hunter2"})
    assert caught.value.problems[0].message == "--x ***: it is not valid"


def test_what_an_option_needs_to_know(tmp_path: Path) -> None:
    """Flags, lists, help, default, users."""
    specs = _specs(
        tmp_path,
        """
        @phase
        async def a(art: bool = param(True), n: int = param(2, help="rounds")) -> None: ...
        @phase(parallel=2)
        async def b(n: int = param(2), t: str = each(param(["x"], name="topic"))) -> None: ...
        """,
    )
    assert specs["art"].flag
    assert specs["topic"].many
    assert specs["topic"].annotation == list[str]
    assert specs["n"].users == ("a", "b")
    assert (specs["n"].help, specs["n"].default) == ("rounds", 2)
    assert option_name("max_rounds") == "--max-rounds"


@pytest.mark.parametrize(
    ("declared", "annotation"),
    [
        ("x=param(3)", int),
        ("x=param()", str),
        ("x=param(None)", str),
        ("x=param(['a'])", list[str]),
        ("x=param([])", list[str]),
        ("x=param((1, 2))", list[int]),
    ],
)
def test_a_default_gives_the_type_where_there_is_no_annotation(
    tmp_path: Path, declared: str, annotation: object
) -> None:
    """``param(3)`` is an int."""
    assert _specs(tmp_path, ONE.format(declared))["x"].annotation == annotation


def test_parameters_of_options_steps_and_resources_are_the_runs(tmp_path: Path) -> None:
    """Everything that is a param() is an option of the run."""
    specs = _specs(
        tmp_path,
        """
        @resource
        async def db(url: str = param("sqlite://")) -> AsyncIterator[int]: yield 1
        @agent.step(timeout=param("5m", name="limit"))
        async def ask(ai: Agent, style: str = param("short")) -> str: ...
        @agent(param("demo", name="who"), retries=param(2, name="tries"))
        async def work(ai: Agent, x: int = use(db)) -> int: ...
        gated = work.wired(x=param(4, name="y"))
        """,
    )
    assert set(specs) == {"url", "limit", "style", "who", "tries", "y"}


def test_one_name_must_mean_one_thing(tmp_path: Path) -> None:
    """Same name, same type, same default, or both places are told."""
    body = """
    @phase
    async def a(n: int = param(1)) -> None: ...
    @phase
    async def b(n: int = param(2)) -> None: ...
    @phase
    async def c(n: str = param()) -> None: ...
    """
    with pytest.raises(CollectionError) as caught:
        planned(tmp_path, body)
    assert [problem.code for problem in caught.value.problems] == ["parameter-conflict"] * 2
    assert "int, default 2 here, but int, default 1 in" in str(caught.value)
    assert "str, required here" in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("model: str = param()", "the name of an orchcore option"),
        ("Yes: bool = param(False)", "the name of an orchcore option"),
        ('x: str = param(name="not fit")', "no identifier"),
    ],
)
def test_names_that_cannot_be_options_are_refused(tmp_path: Path, declared: str, said: str) -> None:
    """A name of the command's own options, or none that can be one."""
    with pytest.raises(CollectionError, match=said) as caught:
        planned(tmp_path, ONE.format(declared))
    assert caught.value.code == "parameter-name"


def test_a_parameter_in_an_option_is_named_by_node_and_option(tmp_path: Path) -> None:
    """Unless it has a name of its own; its value goes to that node alone."""
    body = """
    options = {"retries": param(1), "model": param("small")}
    @agent(each(param(["codex"])), parallel=param(2), **options)
    async def review(ai: Agent) -> None: ...
    @agent(param("claude"), name="look-again", when=param(True), **options)
    async def again(ai: Agent) -> None: ...
    """
    given = {"review_model": "large", "review_parallel": "3", "look_again_when": "false"}
    given["review_agent"] = '["x", "y"]'
    plan = planned(tmp_path, body, parameters=given)
    review, again = plan.node("review"), plan.node("look-again")
    assert {spec.name for spec in plan.specs} == {
        *("review_agent", "review_parallel", "review_retries", "review_model"),
        *("look_again_agent", "look_again_when", "look_again_retries", "look_again_model"),
    }
    assert (review.options.model, again.options.model) == ("large", "small")
    assert (review.options.retries, again.options.cli, again.when) == (1, "claude", False)
    assert known_instances(review) == ("review:x", "review:y")
    assert review.fan is not None
    assert review.fan.parallel == 3


def test_a_name_may_have_dashes(tmp_path: Path) -> None:
    """As its option is written; the parameter has ``_`` for them."""
    body = ONE.format('url: str = param("a", name="db-url"), more: str = param("a", name="db_url")')
    assert planned(tmp_path, body, parameters={"db_url": "b"}).parameters == {"db_url": "b"}


def test_drawing_needs_no_values(tmp_path: Path) -> None:
    """Without ``complete`` a missing parameter is no problem, also not as an option."""
    body = """
    @agent(param(name="who"), timeout=param(name="limit"), when=param(name="art"))
    async def a(ai: Agent, n: int = param()) -> list[int]: ...
    @phase(parallel=param(name="many"), quorum=param(name="enough"))
    async def b(x: int = each(param(name="xs"))) -> None: ...
    """
    plan = planned(tmp_path, body, complete=False)
    assert plan.parameters["n"] is UNSET
    assert plan.node("a").when is True
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, body)
    assert {problem.code for problem in caught.value.problems} == {"parameter"}


def test_a_program_gives_values_as_they_are(tmp_path: Path) -> None:
    """Values need no text form."""
    assert _value(tmp_path, "list[int] = param([])", [1, 2]) == [1, 2]
    assert _value(tmp_path, "Path = param()", Path("x")) == Path("x")


def test_one_unreadable_annotation_does_not_hide_the_others(tmp_path: Path) -> None:
    """With postponed annotations a name that only a type checker sees spoils itself alone."""
    body = ONE.format('a: "Missing" = param("t"), n: "int" = param(1)')
    assert planned(tmp_path, body, parameters={"n": "2", "a": "z"}).parameters == {"n": 2, "a": "z"}


@pytest.mark.parametrize(
    "given", [{"a": "-", "b": "-"}, {"many": ["-", "x", "-"]}, {"a": "-", "many": ["-"]}]
)
def test_stdin_is_read_once(tmp_path: Path, given: dict[str, object]) -> None:
    """Who comes second would get nothing, silently."""
    body = ONE.format("a: str = param(''), b: str = param(''), many: list[str] = param([])")
    with pytest.raises(UsageError, match="read the standard input, which can be read only once"):
        planned(tmp_path, body, parameters=given)
