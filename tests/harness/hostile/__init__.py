"""Tool children that try to get away; each a small program in this folder.

Each writes the pid of the process that stays (for ten minutes) to a file once it has got rid of
its parent, session, environment or name. The program that was started may end before.
"""

import sys
from pathlib import Path

_FOLDER = Path(__file__).parent

KINDS = (
    "plain.sh",
    "own_session.sh",
    "double_fork.sh",
    "double_fork_own_session.sh",
    "own_session_no_env.sh",
    "double_fork_no_env.sh",
    "deaf.sh",
    "renamed",
    "undumpable",
    "adopter",
)


def command(kind: str, pid_file: Path) -> list[str]:
    """The argument list that starts a child of this *kind*, with no shell needed around it."""
    if kind.endswith(".sh"):
        return ["/bin/sh", str(_FOLDER / kind), str(pid_file)]
    return [sys.executable, "-S", str(_FOLDER / "daemons.py"), kind, str(pid_file)]
