"""Runs a copy of the examples as a person would, and reads what they left."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_PLAIN = {"ORCHCORE_DEMO_SPEED": "0", "LC_ALL": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull}


def copied(folder: Path) -> Path:
    """A copy of all examples below *folder*, without records of earlier runs."""
    unwanted = shutil.ignore_patterns(".orchcore", "__pycache__", ".*_cache")
    return Path(shutil.copytree(EXAMPLES, folder / "examples", ignore=unwanted))


def run_example(
    target: Path, *options: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``orchcore run TARGET --agent demo`` to its end.

    Args:
        target: A folder with an orchfile, or an orchfile.
        options: More arguments; a later ``--agent`` wins.
        cwd: Where it is started; beside *target* by default.
        env: Variables over ours.
    """
    loud = {"CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"}
    ours = {name: value for name, value in os.environ.items() if name not in loud}
    argv = ["run", str(target), "--agent", "demo", "--progress", "plain", *options]
    return subprocess.run(
        [sys.executable, "-m", "orchcore", *argv],
        cwd=cwd or target.parent,
        env={**ours, **_PLAIN, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def artifact(example: Path, name: str) -> str:
    """The text of the only file called *name* that the runs of *example* left."""
    (found,) = (example / ".orchcore").rglob(name)
    return found.read_text("utf-8")
