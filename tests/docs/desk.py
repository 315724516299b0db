"""A reader's desk: a folder in which the blocks of one page are carried out in order."""

import ast
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docs.transcripts import difference, exchanges
from orchcore.collection.gathering import collect
from orchcore.config import load_config
from orchcore.planning.drafting import Request, draft

HOME = "/home/ann"
"""How pages call the folder above the desk."""

_LOUD = ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_ACTIONS", "GITLAB_CI")


@dataclass(slots=True)
class Desk:
    """One page's folder, and what its console blocks printed.

    Attributes:
        home: Shown as ``/home/ann``; the page begins in ``project`` below it.
        cwd: Where the page has gone by ``cd``.
        printed: For each block, by its place in the page, its text as it should be.
    """

    home: Path
    cwd: Path = field(init=False)
    printed: dict[int, str] = field(default_factory=dict[int, str])

    def __post_init__(self) -> None:
        """Makes the folder; upward searches end there."""
        self.cwd = self.home / "project"
        (self.cwd / ".git").mkdir(parents=True)

    def python(self, text: str) -> str:
        """Writes a block to its file and checks that file; gives what is wrong with it.

        The file is what the first line says (``# flow.py``), else ``orchfile.py``. A block that
        does not import orchcore goes on in the file that is there.
        """
        first = text.partition("\n")[0]
        name = first.removeprefix("# ") if first.endswith(".py") else "orchfile.py"
        path = self.cwd / name
        goes_on = not _imports_orchcore(text) and name == "orchfile.py" and path.exists()
        before = f"{path.read_text('utf-8')}\n\n" if goes_on else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(before + text, "utf-8")
        if path.name == "orchfile.py":
            with _same_imports():
                draft(collect([], str(path), self.cwd), Request(complete=False))
        else:
            compile(text, name, "exec")
        return ""

    def toml(self, text: str) -> str:
        """Writes a block to the configuration's file and loads it."""
        first = text.partition("\n")[0]
        name = "pyproject.toml" if "[tool." in text else "orchcore.toml"
        name = first.removeprefix("# ") if first.endswith(".toml") else name
        (self.cwd / name).write_text(text, "utf-8")
        load_config(self.cwd)
        return ""

    def console(self, text: str, place: int = 0) -> str:
        """Runs a block's commands; gives what they print differently."""
        wrong: list[str] = []
        told: list[str] = []
        for exchange in exchanges(text):
            printed = self._run(exchange.command)
            found = difference(exchange.output, printed)
            if found:
                wrong.append(f"$ {exchange.command}\n{found}")
            told += [f"$ {exchange.command}", *(printed if found else exchange.output)]
        self.printed[place] = "\n".join(told) + "\n"
        return "\n".join(wrong)

    def _run(self, command: str) -> list[str]:
        memory = self.home / ".cwd"
        script = f"{command}\ncode=$?\npwd >{memory}\nexit $code"
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=self.cwd,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        self.cwd = Path(memory.read_text("utf-8").strip())
        return [self._shown(line.rstrip()) for line in done.stdout.splitlines()]

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _LOUD}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        quick = {"ORCHCORE_DEMO_SPEED": "0", "LC_ALL": "C.UTF-8", "TERM": "dumb", "COLUMNS": "100"}
        return {**kept, **quick, "PATH": path, "HOME": str(self.home)}

    def _shown(self, line: str) -> str:
        python = str(Path(sys.executable).parent)
        return line.replace(str(self.home), HOME).replace(python, f"{HOME}/.venv/bin")


def _imports_orchcore(text: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "orchcore"
        for node in ast.parse(text).body
    )


@contextmanager
def _same_imports() -> Generator[None]:
    """Forgets the modules and folders that an orchfile brings along."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if not name.startswith(("orchcore", "pydantic")):
                del sys.modules[name]


def pages(root: Path) -> Iterator[Path]:
    """Every page of the documentation, README first."""
    yield root / "README.md"
    yield from sorted((root / "docs").rglob("*.md"))
