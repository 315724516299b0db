"""What one turn is to do, from the bridge's command line."""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Task:
    """One turn.

    Attributes:
        argv: The agent's command line.
        cwd: Where it works, absolute.
        permission: ``read-only``, ``edit`` or ``full``.
        model: As requested; ``None`` leaves it to the agent.
        resume: Id of the conversation that goes on; ``None`` starts a new one.
        fork: Whether *resume* is branched instead of continued.
    """

    argv: tuple[str, ...]
    cwd: str
    permission: str
    model: str | None = None
    resume: str | None = None
    fork: bool = False

    @classmethod
    def of(cls, args: Sequence[str]) -> Self:
        """What *args* say; ``--`` stands before the agent's command line."""
        parser = ArgumentParser("acp_bridge")
        parser.add_argument("--cwd", required=True)
        parser.add_argument("--permission", required=True)
        parser.add_argument("--model")
        parser.add_argument("--resume")
        parser.add_argument("--fork", action="store_true")
        parser.add_argument("argv", nargs="+")
        found = parser.parse_args(args)
        return cls(
            tuple(found.argv), found.cwd, found.permission, found.model, found.resume, found.fork
        )
