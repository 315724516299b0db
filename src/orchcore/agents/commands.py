"""Runs one command of a user's body: any program, no shell, everything captured."""

import asyncio
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchcore.agents.output import Capture
from orchcore.agents.process import ChildProcess, Program, child_process
from orchcore.agents.tree import Trees
from orchcore.results import Completed, Failure, TurnFailed

CAPTURE_LIMIT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """What to run.

    Attributes:
        argv: Program and arguments; no shell reads them.
        cwd: The working directory.
        environ: The orchestrator's environment; all of it is inherited.
        env: Variables over those.
        timeout_s: Wall time; ``None``: no limit.
        grace_s: How long its tree has between SIGTERM and SIGKILL.
        capture_limit_bytes: What is kept of stdout and of stderr, each; the text's last line says
            so if there was more.
    """

    argv: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float | None = None
    grace_s: float = 2.0
    capture_limit_bytes: int = CAPTURE_LIMIT_BYTES


async def run_command(request: CommandRequest, trees: Trees) -> Completed:
    """Runs *request* to its end; what it leaves behind is ended, too.

    Args:
        request: What to run; its stdin is empty.
        trees: The registry its process tree is added to meanwhile.

    Returns:
        What it printed and its exit code, also if that is not 0.

    Raises:
        TurnFailed: It cannot be started (``not_installed``, ``bad_invocation``, ``crashed``) or
            took too long (``timeout``).
        asyncio.CancelledError: Cancelled; its whole tree is gone.

    Example:
        >>> request = CommandRequest(("git", "status"), Path.cwd(), os.environ, timeout_s=60)
        >>> (await run_command(request, trees)).ok
        True
    """
    began_s = time.monotonic()
    stdout, stderr = Capture(request.capture_limit_bytes), Capture(request.capture_limit_bytes)
    program = Program(
        argv=request.argv,
        cwd=request.cwd,
        env={**request.environ, **request.env},
        stderr=stderr,
        grace_s=request.grace_s,
    )
    async with child_process(program, trees) as child:
        # time in which everything is stopped (^Z) moves the end
        running_s = time.monotonic() - trees.stopped_s
        while child.exit_code is None:
            took_s = time.monotonic() - trees.stopped_s - running_s
            rest_s = 60.0 if request.timeout_s is None else request.timeout_s - took_s
            if rest_s <= 0:
                raise TurnFailed(_timeout(request))
            await child.activity(timeout_s=min(rest_s, 60.0))
            stdout.write(child.take())
        await _rest(child, stdout)
    return Completed(
        argv=request.argv,
        exit_code=child.exit_code,
        stdout=stdout.text,
        stderr=stderr.text,
        duration_s=time.monotonic() - began_s,
        truncated=stdout.cut or stderr.cut,
    )


async def _rest(child: ChildProcess, stdout: Capture) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(child.end(), name=f"end the tree of {child.pid}")
        while not child.over:
            await child.activity(timeout_s=1.0)
            stdout.write(child.take())


def _timeout(request: CommandRequest) -> Failure:
    command = shlex.join(request.argv)
    shown = command if len(command) <= 80 else f"{command[:80]}..."
    limit = f"{request.timeout_s:g} s (timeout={request.timeout_s:g})"
    return Failure("timeout", f"{shown} took longer than {limit}; it and its children were ended")
