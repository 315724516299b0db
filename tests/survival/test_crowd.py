"""Two hundred agents at once of a user without privileges, and what runs out then."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from harness.subreaper import Subreaper
from survival.stage import ORCHCORE, Project, environ, shown, until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.getuid() != 0 or shutil.which("setpriv") is None,
    reason="only root of Linux can become another user; needs setpriv",
)

AGENTS = 200
SPARE = 54321
"""A user who owns nothing."""
LONG_S = 60.0

_CONFIG = f"""\
jobs = {AGENTS}
[agents.worker]
adapter = "text"
argv = ["/bin/sh", "agent.sh", "{{prompt}}"]
max_parallel = {AGENTS}
"""
_AGENT = """\
touch "ready/$1"
read -r go < go
exec seq -f %099.0f 2000
"""


@pytest.fixture
def crowd() -> Generator[Project]:
    """The project, where the spare user may go: tests' own folders are for root alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = Project.of("crowd", folder)
        (folder / "orchcore.toml").write_text(_CONFIG)
        (folder / "agent.sh").write_text(_AGENT)
        (folder / "ready").mkdir()
        os.mkfifo(folder / "go")
        for path in (folder, *folder.iterdir()):
            os.chown(path, SPARE, SPARE)
        yield project


def unprivileged(project: Project, *, files: int, hard: int) -> Subreaper:
    """``orchcore run`` of the spare user with that many files, who may raise them up to *hard*.

    The one privilege is to read what tests were installed from; none that pipes would ask for.
    """
    reads = "-all,+dac_read_search"
    user = ("--reuid", str(SPARE), "--regid", str(SPARE), "--clear-groups")
    become = ("setpriv", *user, "--inh-caps", reads, "--ambient-caps", reads)
    command = [
        "prlimit",
        f"--nofile={files}:{hard}",
        *become,
        *ORCHCORE,
        "run",
        "--progress",
        "plain",
    ]
    home = {"HOME": str(project.folder), "PYTHONDONTWRITEBYTECODE": "1"}
    # a program without files to spare cannot write what it covered
    ours = {name: value for name, value in environ().items() if not name.startswith("COVERAGE")}
    return Subreaper(command, cwd=project.folder, env={**ours, **home})


def test_two_hundred_agents_of_a_user_without_privileges(crowd: Project) -> None:
    """Every launch succeeds and no line is lost, also if fewer files than that takes are allowed."""
    ready = crowd.folder / "ready"
    with unprivileged(crowd, files=512, hard=8192) as room:
        until(lambda: len(list(ready.iterdir())) == AGENTS, room, LONG_S)
        go = os.open(crowd.folder / "go", os.O_RDWR)
        os.write(go, b"\n" * AGENTS)  # a line each
        assert room.wait(LONG_S) == 0, shown(room)
        os.close(go)
        assert room.left_after(0) == []
        assert f"{AGENTS} passed" in shown(room)


def test_too_few_files_are_a_clear_failure(crowd: Project) -> None:
    """With no more than 256 files the launches fail and say why; nothing is left."""
    with unprivileged(crowd, files=256, hard=256) as room:
        until(lambda: "Too many open files" in room.output(), room, LONG_S)
        go = os.open(crowd.folder / "go", os.O_RDWR)
        os.write(go, b"\n" * AGENTS)  # those that could be launched go on to their end
        assert room.wait(LONG_S) == 1, shown(room)
        os.close(go)
        assert room.left_after(0) == []
        assert "Too many open files (ulimit -n is 256)" in shown(room)
        assert "Traceback" not in shown(room)
