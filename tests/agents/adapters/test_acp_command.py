"""How the bridge is started, and what is refused before it is."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.adapters.replay import invocation
from orchcore.agents.adapters.acp import PROGRAM, AcpAdapter
from orchcore.agents.adapters.finder import find_adapters, lacking
from orchcore.agents.adapters.json_fields import Fields
from orchcore.agents.adapters.protocol import Capabilities, Extra, Launch
from orchcore.agents.bridge.permission import allows, chosen
from orchcore.agents.bridge.task import Task
from orchcore.agents.invocation import Invocation
from orchcore.errors import UsageError
from orchcore.execution.fitness import ensure_agents
from orchcore.policies import TurnLimits
from orchfiles import planned

GEMINI = ("gemini", "--acp")
ORCHFILE = '@agent("mine")\nasync def ask(ai: Agent) -> str: return await ai.ask("x")\n'


def asked(**changes: Any) -> Invocation:
    fields: dict[str, Any] = {"adapter": "acp", "argv": GEMINI, **changes}
    return invocation(**fields)


def launch(**changes: Any) -> Launch:
    return AcpAdapter().command(asked(**changes))


def task(**changes: Any) -> Task:
    """What the bridge is told to do."""
    argv = launch(**changes).argv
    assert argv[:4] == (sys.executable, "-E", "-P", str(PROGRAM))
    return Task.of(argv[4:])


def test_plain_turn() -> None:
    """The agent's command line stands behind the bridge's, and the prompt goes to stdin."""
    assert task() == Task(GEMINI, "/work", "read-only")
    assert launch(prompt="prömpt").stdin == "prömpt".encode()
    assert PROGRAM.exists()


def test_program_and_arguments() -> None:
    """The program may stand alone or in place of the template's; arguments come last."""
    assert task(argv=(), program="goose", args=("acp",)).argv == ("goose", "acp")
    assert task(program="/opt/gemini", args=("-x",)).argv == ("/opt/gemini", "--acp", "-x")


def test_choices() -> None:
    """Model, permission and conversation are told to the bridge, whatever they look like."""
    told = task(model="--m", permission="edit", resume="-id", fork=True)
    assert told == Task(GEMINI, "/work", "edit", "--m", "-id", fork=True)
    assert not task(fork=True).fork


def test_opencode_is_made_to_ask() -> None:
    """OpenCode does not ask by itself; under full it need not."""
    argv = ("/usr/bin/opencode", "acp")
    assert "ask" in launch(argv=argv).env["OPENCODE_PERMISSION"]
    assert launch(argv=argv, permission="full").env == {}
    assert launch().env == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": ("read",)},
        {"schema": {}},
        {"hermetic": True},
        {"limits": TurnLimits(max_turns=3)},
    ],
)
def test_unsupported_options(changes: dict[str, Any]) -> None:
    """What the protocol has no word for is refused, with a hint."""
    with pytest.raises(UsageError) as refused:
        launch(**changes)
    assert refused.value.code == "unsupported-option"
    assert refused.value.hint


def test_nothing_to_start() -> None:
    """Without a program there is no agent."""
    with pytest.raises(UsageError) as refused:
        launch(argv=())
    assert (refused.value.code, refused.value.hint) == (
        "missing-argv",
        'argv = ["gemini", "--acp"]',
    )


def test_permission_options() -> None:
    """One call is allowed or rejected before all are; odd kinds are never allowed."""
    kinds = ("allow_always", "reject_always", "allow_once", "reject_once", "allow_once")
    options = [Fields({"kind": kind, "optionId": str(n)}) for n, kind in enumerate(kinds)]
    assert (chosen(options, allowed=True), chosen(options, allowed=False)) == ("2", "3")
    assert (chosen(options[:2], allowed=True), chosen(options[:2], allowed=False)) == ("0", "1")
    assert chosen([], allowed=True) is None
    assert not allows("edit", "")
    assert not allows("odd", "edit")


@dataclass(frozen=True)
class Lacking(AcpAdapter):
    """Needs a part of orchcore that is not installed."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(extra=Extra("acp", "no-such-distribution"))


def planning_codes(folder: Path, argv: Iterable[str], adapter: AcpAdapter) -> list[str]:
    shown = ", ".join(f'"{word}"' for word in argv)
    (folder / "orchcore.toml").write_text(f'[agents.mine]\nadapter = "acp"\nargv = [{shown}]\n')
    environ: Mapping[str, str] = {"PATH": "/usr/bin:/bin"}
    try:
        ensure_agents(planned(folder, ORCHFILE), {"acp": adapter}, environ)
    except UsageError as error:
        return [problem.code for problem in error.problems]
    return []


def test_missing_extra_is_told_while_planning(tmp_path: Path) -> None:
    """Without the library a plan is refused, with the command that installs it."""
    assert planning_codes(tmp_path, ["cat"], Lacking()) == ["not-installed"]
    problem = lacking(Lacking())
    assert problem is not None
    assert problem.hints == ("pip install 'orchcore[acp]'", "uv add 'orchcore[acp]'")
    assert lacking(AcpAdapter()) is None
    assert [name for name, other in find_adapters([]).items() if lacking(other)] == []


def test_missing_program_is_told_while_planning(tmp_path: Path) -> None:
    """A program that is not in PATH is told too; one with a path is only known when it starts."""
    assert planning_codes(tmp_path, ["cat"], AcpAdapter()) == []
    assert planning_codes(tmp_path, ["no-such-agent"], AcpAdapter()) == ["not-installed"]
    assert planning_codes(tmp_path, ["./tools/agent"], AcpAdapter()) == []


def test_library_is_not_loaded_beforehand() -> None:
    """Neither orchcore nor the adapter imports the library: only the bridge does."""
    code = (
        "import sys, orchcore\n"
        "from orchcore.agents.adapters.finder import find_adapters\n"
        "find_adapters([])['acp'].capabilities\n"
        "assert 'acp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
