"""Which version of a CLI is installed, and whether its adapter was tested with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchcore.agents.adapters.protocol import Adapter, Versions
from orchcore.agents.commands import CommandRequest, run_command
from orchcore.agents.environment import child_environment
from orchcore.agents.tree import Trees
from orchcore.results import TurnFailed

PATIENCE_S = 20.0
_NUMBER = re.compile(r"\d+(?:\.\d+)+(?:[-+.][0-9A-Za-z]+)*")

type Fit = Literal["tested", "older", "newer", "unknown"]


@dataclass(frozen=True, slots=True)
class InstalledCli:
    """A CLI whose version is asked for.

    Attributes:
        adapter: The adapter of the CLI.
        program: Replaces the adapter's program, where configured.
        env: Variables that the configuration sets.
        pass_env: Names of variables passed on from ours.
    """

    adapter: Adapter
    program: str | None
    env: Mapping[str, str]
    pass_env: tuple[str, ...] = ()


async def installed_version(
    cli: InstalledCli, environ: Mapping[str, str], trees: Trees, cwd: Path
) -> str | None:
    """The version that the CLI prints, ``None`` if it prints none or does not start.

    Args:
        cli: Which one.
        environ: Our environment; the CLI gets what a turn of it would get.
        trees: The registry its process tree is added to meanwhile.
        cwd: Where it is started.

    Raises:
        asyncio.CancelledError: Cancelled; its process is gone.
    """
    adapter = cli.adapter
    program = cli.program or adapter.program
    if not program or not adapter.versions.oldest:
        return None
    env = child_environment(environ, adapter.login_env, cli.pass_env, cli.env)
    request = CommandRequest(
        (program, *adapter.versions.argv), cwd, env, timeout_s=PATIENCE_S, capture_limit_bytes=4096
    )
    try:
        done = await run_command(request, trees)
    except TurnFailed:
        return None
    found = _NUMBER.search(done.stdout) or _NUMBER.search(done.stderr)
    return found[0] if done.ok and found else None


def fit(version: str | None, versions: Versions) -> Fit:
    """Whether *version* lies in the range that was tested.

    Example:
        >>> fit("2.2.0", Versions("2.1.197", "2.1.330"))
        'newer'
    """
    if version is None or not versions.oldest:
        return "unknown"
    if _parts(version) < _parts(versions.oldest):
        return "older"
    return "newer" if _parts(version) > _parts(versions.newest) else "tested"


def tested_range(versions: Versions) -> str:
    """``2.1.197 to 2.1.330``; nothing where nothing is known."""
    if versions.oldest == versions.newest:
        return versions.oldest
    return f"{versions.oldest} to {versions.newest}"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
