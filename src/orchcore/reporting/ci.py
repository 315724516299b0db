"""How the CI systems want their logs folded and their errors marked.

Sources: GitHub "Workflow commands" (``::group::``, ``::error file=,line=``; ``%``, CR and LF are
percent-encoded, in properties ``:`` and ``,`` too), GitLab "Custom collapsible sections".
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from orchcore.reporting.sanitize import clean_line, harmless_in_logs


class Dialect(Protocol):
    """What one CI system wants; every answer is whole lines, or nothing."""

    def opened(self, title: str, at: float) -> str:
        """Begins a folded block; *at* is unix seconds."""
        ...

    def shut(self, title: str, at: float) -> str:
        """Ends the block that began with *title*."""
        ...

    def marked(self, level: str, text: str, where: str = "") -> str:
        """Marks an ``error`` or a ``warning``; *where* is ``file:line``."""
        ...


class NoCi:
    """A pipe, a file or a terminal: a heading above a block, nothing else."""

    def opened(self, title: str, at: float) -> str:
        """A heading."""
        del at
        return f"---- {clean_line(title)} ----\n"

    def shut(self, title: str, at: float) -> str:
        """Nothing."""
        del title, at
        return ""

    def marked(self, level: str, text: str, where: str = "") -> str:
        """Nothing: the line itself was printed."""
        del level, text, where
        return ""


class GitHub(NoCi):
    """GitHub Actions."""

    def __init__(self, workspace: str) -> None:
        """Paths below *workspace* are written relative to it, as annotations need them."""
        self._workspace = workspace

    def opened(self, title: str, at: float) -> str:
        """A group."""
        del at
        return f"::group::{_message(title)}\n"

    def shut(self, title: str, at: float) -> str:
        """Its end."""
        del title, at
        return "::endgroup::\n"

    def marked(self, level: str, text: str, where: str = "") -> str:
        """An annotation, at its line of the user's file where that is known."""
        path, _, line = where.rpartition(":")
        place = f" file={_property(self._relative(path))},line={line}" if line.isdigit() else ""
        return f"::{level}{place}::{_message(text)}\n"

    def _relative(self, path: str) -> str:
        if not self._workspace:
            return path
        try:
            return str(Path(path).resolve().relative_to(Path(self._workspace).resolve()))
        except (ValueError, OSError):
            return path


class GitLab(NoCi):
    """GitLab CI. Its sections are made of the only control codes a plain log ever gets."""

    def opened(self, title: str, at: float) -> str:
        """A collapsed section."""
        heading = harmless_in_logs(clean_line(title))
        return (
            f"\x1b[0Ksection_start:{int(at)}:{_section(title)}[collapsed=true]\r\x1b[0K{heading}\n"
        )

    def shut(self, title: str, at: float) -> str:
        """Its end."""
        return f"\x1b[0Ksection_end:{int(at)}:{_section(title)}\r\x1b[0K\n"


def dialect_for(environ: Mapping[str, str]) -> Dialect:
    """The dialect of the CI system that *environ* tells of."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return GitHub(environ.get("GITHUB_WORKSPACE", ""))
    if environ.get("GITLAB_CI") == "true":
        return GitLab()
    return NoCi()


def _message(text: str) -> str:
    return clean_line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _section(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", title)
