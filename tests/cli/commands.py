"""Starts the real program, as a shell would."""

import os
import subprocess
import sys
from pathlib import Path

ORCHCORE = [sys.executable, "-m", "orchcore"]

SMALL = '''\
from orchcore import Agent, agent, param, phase, use

@agent
async def plan(ai: Agent, task: str = param("a README", help="what to do")) -> str:
    """Plans."""
    return await ai.ask(task)

@phase
async def verdict(plan: str = use(plan)) -> str:
    return plan
'''


def orchcore(
    *args: str, cwd: Path, env: dict[str, str] | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs ``orchcore`` to its end.

    Args:
        args: Its arguments.
        cwd: Its working directory.
        env: Variables over ``quiet_environ``.
        text: Its standard input; the null device without.
    """
    return subprocess.run(
        [*ORCHCORE, *args],
        cwd=cwd,
        env={**quiet_environ(), **(env or {})},
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def quiet_environ() -> dict[str, str]:
    """Our environment without what changes a display, and with a demo agent that never waits."""
    loud = {"CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "GITHUB_ACTIONS"}
    kept = {name: value for name, value in os.environ.items() if name not in loud}
    return {**kept, "TERM": "xterm", "ORCHCORE_DEMO_SPEED": "0", "LC_ALL": "C.UTF-8"}


def project(folder: Path, source: str = SMALL) -> Path:
    """*folder* with an orchfile, the end of every upward search."""
    (folder / ".git").mkdir()
    (folder / "orchfile.py").write_text(source, "utf-8")
    return folder
