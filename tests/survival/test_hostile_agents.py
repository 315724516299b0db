"""Agents that misbehave in every way, in runs of the whole program, judged by descent alone."""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness import hostile
from harness.hostile.agents import LONG_LINE_BYTES
from harness.subreaper import Subreaper
from survival.stage import SOON_S, Project, at_once, is_there, shown, until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="child subreapers are Linux's"
)

AGENTS = Path(hostile.__file__).with_name("agents.py")
LONG_S = 120.0
MIB = 1024


@dataclass(frozen=True, slots=True)
class Expected:
    """What becomes of an agent's turn.

    Attributes:
        failure: Kind of its failure.
        chars: Length of its answer; ``None``: any.
        warning: What is told of a turn that passed all the same.
        size: Of the prompt.
        adapter: Which one reads it.
    """

    failure: str | None = None
    chars: int | None = None
    warning: str = ""
    size: int = 10
    adapter: str = "text"


KINDS: Mapping[str, Expected] = {
    "tools": Expected(chars=len("all tools are away")),
    "deaf": Expected("stalled"),
    "wrapper": Expected("stalled"),
    "stops": Expected("stalled"),
    "stays": Expected(chars=len("the result"), warning="did not exit", adapter="claude"),
    "closes_stdout": Expected(chars=len("goodbye, stdout")),
    "lends_stdout": Expected(chars=len("exiting")),
    "leaves_stdin": Expected(chars=len("not interested"), size=10_000_000),
    "garbage": Expected(),
    "long_lines": Expected(chars=3 * LONG_LINE_BYTES + 2),
    "forks": Expected(chars=len("two hundred")),
    "becomes_another": Expected(chars=len("I am another")),
}


def test_nothing_of_an_odd_agent_outlives_its_turn(tmp_path: Path) -> None:
    """When a turn has ended only orchcore's own processes are left, and the turn is what it was."""
    at_once(*(partial(_play, kind, tmp_path / kind) for kind in KINDS))


def _play(kind: str, folder: Path) -> None:
    expected = KINDS[kind]
    project = odd(kind, folder, adapter=expected.adapter)
    with project.run("work", "look", "--size", str(expected.size), "--progress", "json") as room:
        turn = looked_at(project, room)
        assert failure_of(turn) == expected.failure, (kind, turn)
        assert expected.warning in "".join(turn["warnings"]), kind
    if expected.failure is None and expected.chars is not None:
        assert int((folder / "answered").read_text()) == expected.chars, kind
    assert not any(is_there(int(file.read_text())) for file in (folder / "ready").glob("*")), kind


def test_gigabyte_of_complaints_costs_neither_memory_nor_patience(tmp_path: Path) -> None:
    """Stderr is drained and its tail kept; the event loop does not notice."""
    project = odd("floods_stderr", tmp_path)
    with project.run("--progress", "json") as room:
        turn = looked_at(project, room)
        assert failure_of(turn) is None
    assert int((tmp_path / "grown").read_text()) < 100 * MIB
    (log,) = tmp_path.glob(".orchcore/runs/*/*/**/stderr.log")
    assert log.stat().st_size == 64 * 2**20
    lags = [float(late) for late in (tmp_path / "lags").read_text().split()]
    assert lags[len(lags) // 2] < 0.05
    assert lags[-1] < 2


def test_line_that_never_ends_costs_no_memory(tmp_path: Path) -> None:
    """100 MB without a newline end as ``output_limit`` and less than 100 MB larger."""
    project = odd("never_ends_a_line", tmp_path)
    with project.run("--progress", "json") as room:
        turn = looked_at(project, room)
        assert failure_of(turn) == "output_limit"
        assert "printed a line of more than 67108864 bytes" in turn["failure"]["detail"]
    assert int((tmp_path / "grown").read_text()) < 100 * MIB


def odd(kind: str, folder: Path, *, adapter: str = "text") -> Project:
    """The flow ``odd`` with an agent of that *kind*."""
    project = Project.of("odd", folder)
    (folder / "ready").mkdir()
    program = folder / "agent"
    words = [sys.executable, "-S", str(AGENTS), kind, str(folder / "ready")]
    version = '[ "$1" = --version ] && exec echo 1.0.0\n'
    program.write_text(f"#!/bin/sh\n{version}exec {shlex.join(words)}\n")
    program.chmod(0o755)
    told = f'argv = ["{program}"]' if adapter == "text" else f'program = "{program}"'
    (folder / "orchcore.toml").write_text(f'[agents.odd]\nadapter = "{adapter}"\n{told}\n')
    return project


def looked_at(project: Project, room: Subreaper) -> dict[str, Any]:
    """The agent's turn, once it has ended and only the three processes of orchcore are left."""
    until((project.folder / "settled").exists, room, LONG_S)
    three = room.three(SOON_S)
    left = {one.pid for one in room.alive()} - {three.front, three.keeper, three.orchestrator}
    assert not left, [one for one in room.alive() if one.pid in left]
    (project.folder / "looked").touch()
    room.wait(SOON_S)
    assert room.left_after(0) == []
    assert "Traceback" not in shown(room)
    events = [json.loads(line) for line in shown(room).splitlines() if line.startswith("{")]
    (turn,) = (event for event in events if event["kind"] == "turn_ended")
    told: dict[str, Any] = turn
    return told


def failure_of(turn: Mapping[str, Any]) -> str | None:
    """The kind of its failure."""
    return None if turn["failure"] is None else str(turn["failure"]["kind"])
