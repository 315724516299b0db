"""Every param() of an orchfile is an option of the commands that read it."""

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from cli.commands import project
from orchcore.cli.orchfile_options import metavar
from orchcore.cli.program import program

ORCHFILE = """\
import enum
from pathlib import Path
from pydantic import SecretStr
from orchcore import phase, param

class Depth(enum.Enum):
    LOW = "low"
    HIGH = "high"

@phase
async def show(
    task: str = param(help="what to do", env="MY_TASK"),
    max_rounds: int = param(3, help="rounds at most"),
    art: bool = param(False, help="with pictures"),
    lens: list[str] = param(["speed", "style"]),
    depth: Depth = param(Depth.LOW),
    key: SecretStr = param(SecretStr("hush"), help="the key"),
    where: Path | None = param(None),
) -> str: ...
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project(tmp_path, ORCHFILE))
    monkeypatch.delenv("MY_TASK", raising=False)
    return tmp_path


def call(*args: str) -> Result:
    return CliRunner().invoke(program, list(args), terminal_width=200)


@pytest.mark.usefixtures("here")
def test_help_shows_the_orchfiles_options() -> None:
    """Each parameter stands in a section of its own with type, help, default, env, required."""
    result = call("run", "--help")
    assert result.exit_code == 0
    section = result.stdout.partition("Options of ./orchfile.py:")[2]
    lines = {line.split()[0]: line for line in section.splitlines() if "--" in line}
    assert lines["--task"].endswith("[env: MY_TASK; required]")
    assert "STR" in lines["--task"]
    assert "rounds at most  [default: 3]" in lines["--max-rounds"]
    assert "--art / --no-art" in lines["--art"]
    assert "[default: no-art]" in lines["--art"]
    assert "[repeatable; default: speed, style]" in lines["--lens"]
    assert "[low|high]" in lines["--depth"]
    assert "hush" not in section
    assert "PATH" in lines["--where"]


def test_help_survives_a_broken_orchfile(here: Path) -> None:
    """Help is shown without the orchfile's options, and says why they are missing."""
    (here / "orchfile.py").write_text("import nope_nope")
    result = call("run", "--help")
    assert result.exit_code == 0
    assert "--jobs" in result.stdout
    assert "No module named 'nope_nope'" in " ".join(result.stdout.split())
    (here / "orchfile.py").unlink()
    result = call("run", "--help")
    assert result.exit_code == 0
    assert "There is none" in result.stdout


@pytest.mark.usefixtures("here")
def test_values_reach_the_plan() -> None:
    """Given options are validated by the parameter's type; a list repeats its option."""
    assert call("plan", "--task", "x", "--max-rounds", "5", "--lens", "a", "--art").exit_code == 0
    assert call("plan", "--task", "-", "--depth", "high").exit_code == 0


@pytest.mark.usefixtures("here")
def test_environment_gives_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    """env= is read where the command line says nothing."""
    assert call("plan").exit_code == 4
    monkeypatch.setenv("MY_TASK", "x")
    assert call("plan").exit_code == 0


@pytest.mark.usefixtures("here")
def test_all_wrong_values_are_told_at_once() -> None:
    """Each invalid value and each missing parameter is a problem of its own."""
    result = call("plan", "--max-rounds", "three", "--depth", "deep")
    assert result.exit_code == 4
    for part in ("--task is missing", "--max-rounds 'three'", "--depth 'deep'", "3 errors"):
        assert part in result.stderr


@pytest.mark.usefixtures("here")
def test_looking_needs_no_parameters() -> None:
    """list, graph and check work while required parameters are missing."""
    assert call("list").exit_code == 0
    assert call("graph").exit_code == 0


def test_reserved_name_is_an_error(here: Path) -> None:
    """A parameter with the name of an option of orchcore is refused when it is collected."""
    (here / "orchfile.py").write_text(ORCHFILE.replace("task: str", "jobs: str"))
    result = call("list")
    assert result.exit_code == 4
    assert "parameter-name" in result.stderr


def test_own_option_of_a_command_wins(here: Path) -> None:
    """A parameter called format leaves graph's --format alone and works elsewhere."""
    (here / "orchfile.py").write_text(
        ORCHFILE.replace("max_rounds: int = param(3", 'format: str = param("x"')
    )
    assert call("graph", "--format", "dot").stdout.startswith("digraph")
    assert call("plan", "--task", "x", "--format", "y").exit_code == 0


def other(here: Path, name: str) -> str:
    """Another orchfile, whose phase and parameter are called as it is."""
    path = here / name
    path.parent.mkdir(exist_ok=True)
    stem = path.stem if path.stem != "orchfile" else path.parent.name
    path.write_text(
        f"from orchcore import phase, param\n@phase\nasync def {stem}(in_{stem}: str = param('')) -> str: ...\n"
    )
    return name


@pytest.mark.parametrize(
    "args",
    [
        ("-f", "other.py"),
        ("--file=other.py",),
        ("other.py",),
        ("other.py::other",),
        ("--in-other", "x", "other.py"),
        ("other.py", "--in-other", "orchfile.py"),
        ("-f", "other.py", "--in-other=x", "other"),
    ],
)
def test_named_orchfile_is_the_one_that_gives_options(here: Path, args: tuple[str, ...]) -> None:
    """-f or a path among the targets decides which file's parameters are options."""
    other(here, "other.py")
    result = call("list", *args)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("other")


def test_folder_with_an_orchfile_is_a_target(here: Path) -> None:
    """A folder names the orchfile in it."""
    other(here, "flows/orchfile.py")
    assert call("list", "flows").stdout.startswith("flows")


def test_value_that_looks_like_a_path_is_not_imported(here: Path) -> None:
    """A parameter's value is never taken for an orchfile, though it is a Python file."""
    (here / "data.py").write_text("raise SystemExit('imported!')")
    result = call("list", "--task", "data.py")
    assert result.exit_code == 0
    assert "show" in result.stdout


def test_path_after_a_flag_is_a_target(here: Path) -> None:
    """Where no other orchfile is found, a path after an unknown option names it."""
    other(here, "other.py")
    (here / "other.py").write_text(
        "from orchcore import phase, param\n@phase\nasync def other(art: bool = param(False)) -> str: ...\n"
    )
    (here / "orchfile.py").unlink()
    assert call("list", "--art", "other.py").stdout.startswith("other")


def test_two_orchfiles_are_refused(here: Path) -> None:
    """A run has one orchfile."""
    other(here, "other.py")
    result = call("list", "other.py", "orchfile.py")
    assert result.exit_code == 4
    assert "two-orchfiles" in result.stderr


@pytest.mark.usefixtures("here")
def test_missing_file_is_named() -> None:
    """A path that does not exist is told, rather than another orchfile taken."""
    result = call("list", "nosuch.py")
    assert result.exit_code == 4
    assert "nosuch.py" in result.stderr


@pytest.mark.usefixtures("here")
def test_separator_ends_the_options() -> None:
    """After -- everything is a target."""
    assert "no phase '--help'" in call("list", "--", "--help").stderr


class Level(Enum):
    LOW = "low"
    HIGH = 2


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "STR"),
        (int, "INT"),
        (str | None, "STR"),
        (int | str, "INT|STR"),
        (Literal["a", "b"], "[a|b]"),
        (Level, "[low|2]"),
        (Path, "PATH"),
        (SecretStr, "SECRET"),
    ],
)
def test_types_are_named_as_people_do(annotation: object, text: str) -> None:
    """The metavar is the type's name, or the choices."""
    assert metavar(annotation) == text
    assert metavar(list[annotation], many=True) == text  # type: ignore[valid-type]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("flag", ["--art", "--no-art"])
def test_a_flag_takes_no_value(flag: str) -> None:
    """What stands after it is a target; one that is none may have been meant as its value."""
    result = call("list", flag, "yes")
    assert result.exit_code == 4
    assert f"help: {flag} takes no value:   --art or --no-art" in result.stderr
    assert "takes no value" not in call("list", "--max-rounds", "3", "yes").stderr
