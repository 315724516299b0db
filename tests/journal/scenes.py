"""Small worlds for the tests of the journal."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from orchcore.events import NodeEnded, RunEnded, TurnEnded, TurnStarted, Warned
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.origin import Origin
from orchcore.journal.recorder import JournalRecorder
from orchcore.journal.run_folder import RunFolder
from orchcore.results import Usage

PROGRAM = Path(__file__).with_name("writer_program.py")
NOBODY = 65534


def new_run(root: Path) -> RunFolder:
    return ProjectFolder.at(root).new_run()


def opened(folder: RunFolder, patience_s: float = 10.0) -> JournalRecorder:
    return JournalRecorder.open(folder, Origin.here("orchfile.py", ("run",)), patience_s=patience_s)


def warned(number: int) -> Warned:
    return Warned(at=float(number), text=str(number))


def turn_started(node: str = "plan", turn: str = "turn-1") -> TurnStarted:
    return TurnStarted(
        at=2.0, node=node, attempt=1, turn=turn, agent="claude", adapter="claude", model=None,
        prompt="plan it", folder="/p/turn-1",
    )  # fmt: skip


def turn_ended(
    node: str = "plan", turn: str = "turn-1", cost_usd: float | None = 0.25
) -> TurnEnded:
    return TurnEnded(
        at=3.0, node=node, attempt=1, turn=turn, duration_s=1.0, text="hi", answer='"hi"',
        session_id="s-1", usage=Usage(10, 2, 4), cost_usd=cost_usd, failure=None, exit_code=0,
    )  # fmt: skip


def node_ended(node: str, value: str | None = None) -> NodeEnded:
    return NodeEnded(at=4.0, node=node, state="passed", value=value)


def run_ended(run: str, exit_code: int = 0) -> RunEnded:
    return RunEnded(at=9.0, run=run, exit_code=exit_code, duration_s=1.0, states={"passed": 1})


@contextmanager
def writer_process(root: Path, mode: str) -> Generator[subprocess.Popen[str]]:
    """A running ``writer_program.py``; killed on leaving."""
    command = [sys.executable, str(PROGRAM), str(root), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def died_run(root: Path, acknowledged: int = 20) -> tuple[RunFolder, int]:
    """A run whose process was killed with -9 while it wrote; how much was acknowledged."""
    with writer_process(root, "endless") as process:
        run_id = said(process)
        for _ in range(acknowledged):
            said(process)
        process.kill()
        assert process.stdout is not None
        rest = process.stdout.read().split("\n")[:-1]  # a last line without its end counts not
    return ProjectFolder.seen(root).find_run(run_id), acknowledged + len(rest)


def plain_user(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs *code* as a user whom the rights of files stop, which they do not stop root.

    All imports are done first: the interpreter may lie where that user cannot read.
    """
    prelude = (
        "import os, sys, psutil\n"
        "from pathlib import Path\n"
        "from orchcore.errors import OrchcoreError\n"
        "from orchcore.journal import reader\n"
        "from orchcore.journal.folder import ProjectFolder\n"
        "from orchcore.journal.run_folder import RunFolder\n"
        f"os.geteuid() == 0 and (os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY}))\n"
        "os.chdir('/')\n"
    )
    command = [sys.executable, "-c", prelude + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def give_away(root: Path) -> None:
    """Makes *root* and all in it the plain user's."""
    if os.geteuid() == 0:
        for place, _, files in os.walk(root):
            for path in (Path(place), *(Path(place, name) for name in files)):
                os.chown(path, NOBODY, NOBODY)
