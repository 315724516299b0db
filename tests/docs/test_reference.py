"""The reference leaves nothing out and tells of nothing that is not there."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

import click

import orchcore
from orchcore.cli.program import program
from orchcore.config import AgentSettings, Settings
from orchcore.declarations.options import AgentFanOptions
from orchcore.results import TRANSIENT, FailureKind, NodeState

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "docs/reference"
_ERROR_TEXT = re.compile(r"error\[([a-z-]+)\]")


def test_every_error_code_of_the_source_has_a_cause_and_a_fix() -> None:
    """The codes in errors.md are exactly those that the program can draw."""
    assert set(_first_cells("errors.md")) == set(_codes_of_source())


def test_every_public_name_is_in_the_language_reference() -> None:
    """Each name of ``orchcore.__all__`` has a heading of its own."""
    headings = re.findall(r"^### `(\w+)`$", _text("language.md"), re.MULTILINE)
    assert set(headings) == set(orchcore.__all__)
    assert len(headings) == len(set(headings))


def test_every_option_is_in_the_reference_of_options() -> None:
    """Each has a row."""
    assert set(_first_cells("options.md")) == {*AgentFanOptions.__annotations__, "parallel"}


def test_every_key_is_in_the_reference_of_the_configuration() -> None:
    """Of the project's table and of an agent's."""
    keys, _, rest = _text("configuration.md").partition("## Keys of an agent")
    agent_keys = rest.partition("## What an agent")[0]
    tables = {"agents", "profiles"}
    named = {f"{table}.NAME" for table in tables}
    assert set(_cells(keys)) == (set(Settings.model_fields) - tables) | named
    assert set(_cells(agent_keys)) == set(AgentSettings.model_fields)


def test_every_command_and_option_is_in_the_reference_of_the_command_line() -> None:
    """Each command has a section; each of its options a row there, or among the targets'."""
    text = _text("command-line.md")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    with click.Context(program, info_name="orchcore") as ctx:
        names = program.list_commands(ctx)
        for name in names:
            command = cast("click.Command", program.get_command(ctx, name))
            told = f"{sections[name]}{sections['Targets']}"
            if name == "plan":
                told += sections["run"]
            for param in command.params:
                for option in param.opts if isinstance(param, click.Option) else ():
                    assert f"`{option}" in told, f"{name} {option}"
    assert set(sections) - {"Targets"} == set(names)


def test_every_state_and_failure_kind_is_in_the_reference_of_outcomes() -> None:
    """Also whether a kind is tried again."""
    text = _text("outcomes-and-exit-codes.md")
    kinds = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", text, re.MULTILINE))
    assert set(kinds) == set(get_args(FailureKind.__value__))
    assert {kind for kind, answer in kinds.items() if answer == "yes"} == set(TRANSIENT)
    for state in get_args(NodeState.__value__):
        assert re.search(rf"^\| {state} \||\*{state}\*", text, re.MULTILINE), state


def test_the_drawing_of_the_rooms_is_what_import_linter_checks() -> None:
    """architecture.md shows the layers of pyproject.toml."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    drawn = page.partition("<!-- layers -->\n```text\n")[2].partition("\n```")[0]
    assert drawn.splitlines() == layers


def _text(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def _first_cells(name: str) -> list[str]:
    return list(_cells(_text(name)))


def _cells(text: str) -> Iterator[str]:
    """The names in backquotes in the first column of every table."""
    for row in re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE):
        yield from re.findall(r"`([\w.-]+)`", row)


def _codes_of_source() -> Iterator[str]:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _is_problem(node.func) and node.args:
                yield from _texts(node.args[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from _ERROR_TEXT.findall(node.value)


def _is_problem(called: ast.expr) -> bool:
    return isinstance(called, ast.Name) and called.id == "Problem"


def _texts(code: ast.expr) -> Iterator[str]:
    for part in ast.walk(code):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
