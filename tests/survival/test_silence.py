"""Who is not stalled: agents of an orchcore that stood still, and agents that think hard."""

import os
import signal
import sys
import time
from dataclasses import astuple
from functools import partial
from pathlib import Path

import pytest

from survival.stage import HERE, SOON_S, Project, at_once, said, shown

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the harness adopts orphans as Linux can"
)

LONG_S = 120.0
TALKS = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo $n; sleep 0.5; done\n"
WORKS = """\
trap 'echo done; exit 0' USR1
(sleep 12; kill -USR1 $$) &
while :; do :; done
"""


def test_agents_of_an_orchcore_that_stood_still_are_not_stalled(tmp_path: Path) -> None:
    """SIGSTOP for twice ``idle``, of the orchestrator or all three: its agents are forgiven it."""
    parts = ("orchestrator", "all")
    at_once(*(partial(_stand_still, part, tmp_path / part) for part in parts))


def _stand_still(part: str, folder: Path) -> None:
    project = project_of("talking", TALKS, folder)
    with project.run() as room:
        said("work", room)
        three = room.three(SOON_S)
        time.sleep(1)
        stopped = [three.orchestrator] if part == "orchestrator" else list(astuple(three))
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(5)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        assert room.wait(LONG_S) == 0, shown(room)
        assert room.left_after(0) == []
    assert project.recorded()["states"] == {"passed": 1}


def test_fifty_busy_agents_are_not_stalled(tmp_path: Path) -> None:
    """On two cores each has a few hundredths of one, and that is life."""
    project = project_of("busy", WORKS, tmp_path)
    with project.run() as room:
        assert room.wait(LONG_S) == 0, shown(room)
        assert room.left_after(0) == []
    assert project.recorded()["states"] == {"passed": 50}


def project_of(flow: str, script: str, folder: Path) -> Project:
    """The *flow* with *script* as its agent."""
    project = Project.of(flow, folder)
    agent = folder / "script.sh"
    agent.write_text(script)
    config = folder / "orchcore.toml"
    config.write_text(config.read_text().replace(str(HERE / "agent.sh"), str(agent)))
    return project
