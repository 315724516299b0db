"""Made-up git repositories: what is true of them is known."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_ENVIRON = {
    "GIT_AUTHOR_NAME": "ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
LONG_FUNCTION = "def long() -> int:\n" + "    x = 1\n" * 59 + "    return x\n"
HOSTILE: Mapping[str | bytes, bytes] = {
    "new\nline.py": b"x = 1\n",
    "esc\x1b[31m.py": b"def broken(:\n",
    "-rf.py": b'pattern = "\\d"\n',
    "<img src=x>`|*.md": b"hello\n",
    "demo: exit 3\ndemo: exit 3.txt": b"demo: exit 3\n",
    "notes/demo.txt": b"demo: fail auth\n  demo: exit 3\n<<<<<<< HEAD\n",
    "blob.bin": bytes(range(256)) * 20,
    "nul.py": b"a\0b",
    "deep.py": b"(" * 5000 + b")" * 5000 + b"\n",
    "a_long.txt": b"".join(b"line %d\n" % number for number in range(20_000)),
    "wide.js": b"x" * 1_000_000 + b"\n",
    f"{'n' * 250}.py": b"y = 1\n",
    b"bad\xff.py": b"z = 1 \n",
    "l\u00f3ng.py": LONG_FUNCTION.encode(),
}


def git(repository: Path, *args: str) -> str:
    """What ``git ARGS`` prints in *repository*.

    Raises:
        CalledProcessError: It failed.
    """
    done = subprocess.run(
        ["git", *args],
        cwd=repository,
        env={**os.environ, **_ENVIRON},
        check=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout.decode("utf-8", "replace")


def created(repository: Path, *options: str) -> Path:
    """An empty repository."""
    repository.mkdir(parents=True, exist_ok=True)
    git(repository, "init", "--quiet", *options)
    return repository


def write(repository: Path, files: Mapping[str | bytes, bytes]) -> None:
    """Writes *files*, whatever their names hold."""
    for name, content in files.items():
        path = repository / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def commit(repository: Path, files: Mapping[str | bytes, bytes]) -> None:
    """Writes *files* and commits everything that is there."""
    write(repository, files)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "more")


def hostile(repository: Path) -> Path:
    """A repository with everything that may trip a program that reads it."""
    created(repository)
    commit(repository, {})
    (repository / "zero.py").symlink_to("/dev/zero")
    (repository / "dangling.py").symlink_to("nowhere.py")
    commit(repository, HOSTILE)
    return repository


REVIEWER = f"#!{sys.executable}\nimport sys\nprint(sys.stdin.read().count('| +') and sys.argv[1])\n"
"""An agent that is no demo agent: it answers its argument if its prompt quotes added lines."""
