"""What is done beside an agent's first turn."""

import time
from pathlib import Path

import pytest

from cli.commands import orchcore

FLOW = """
from orchcore import Agent, agent, each

@agent("odd", parallel=3)
async def work(ai: Agent, number: int = each([1, 2, 3])) -> str:
    return await ai.ask("go")
"""
CLAUDE = """#!/bin/sh
if [ "$1" = --version ]; then echo asked >>{folder}/asked; {version}; exit; fi
cat >/dev/null; sleep {turn_s}
echo '{{"type":"system","subtype":"init","session_id":"s"}}'
echo '{{"type":"result","subtype":"success","is_error":false,"result":"done"}}'
"""


def ran(folder: Path, version: str, turn_s: float = 0.6, more: str = "") -> str:
    """What a run prints whose agent is a program that tells its version so."""
    program = folder / "claude"
    program.write_text(CLAUDE.format(folder=folder, version=version, turn_s=turn_s))
    program.chmod(0o700)
    (folder / "orchfile.py").write_text(FLOW)
    (folder / "orchcore.toml").write_text(
        f'[agents.odd]\nadapter = "claude"\nprogram = "{program}"\n{more}'
    )
    done = orchcore("run", "--progress", "plain", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("echo 9.8.7", "odd 9.8.7 is newer than what its adapter 'claude' was tested with"),
        ("echo 'v1.0.0 (x)'", "odd 1.0.0 is older than what its adapter 'claude' was tested with"),
    ],
)
def test_an_untested_version_is_warned_of_once(tmp_path: Path, version: str, told: str) -> None:
    """The CLI is asked once in a run of three turns, and the run goes on."""
    assert ran(tmp_path, version).count(told) == 1
    assert (tmp_path / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("version", ["echo 2.1.330", "exit 1", "echo no number"])
def test_a_tested_or_silent_version_is_not(tmp_path: Path, version: str) -> None:
    """What cannot be known is no reason to worry anybody."""
    assert "tested with" not in ran(tmp_path, version)


def test_the_version_is_asked_for_with_what_a_turn_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that ``pass_env`` names reach the question, too."""
    monkeypatch.setenv("WRAPPED_VERSION", "9.8.7")
    told = ran(tmp_path, "echo $WRAPPED_VERSION", more='pass_env = ["WRAPPED_VERSION"]\n')
    assert "odd 9.8.7 is newer" in told


def test_a_slow_version_delays_nothing(tmp_path: Path) -> None:
    """The run ends when its turns have, and the question ends with it."""
    began = time.monotonic()
    ran(tmp_path, "sleep 60", turn_s=0)
    assert time.monotonic() - began < 30
