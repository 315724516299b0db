"""Writes orchfiles for tests and runs them without agents."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchcore.collection.gathering import Collection, collect
from orchcore.planning.drafting import Request, draft
from orchcore.planning.plan import Plan
from orchcore.testing import Rehearsal, Rehearsed, ScriptedRunner, replied
from orchcore.testing.scripted import Script

HEADER = """\
import asyncio
from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal
from pydantic import BaseModel, SecretStr
from orchcore import *
"""


def written(folder: Path, body: str, name: str = "orchfile.py") -> Path:
    """The path of an orchfile that holds the usual imports and *body*."""
    path = folder / name
    path.write_text(HEADER + textwrap.dedent(body), "utf-8")
    return path


def collected(folder: Path, body: str) -> Collection:
    """What an orchfile of *body* declares."""
    return collect((), str(written(folder, body)), folder)


def planned(folder: Path, body: str, **request: Any) -> Plan:
    """The plan of an orchfile of *body*; keywords as in ``Request``."""
    environ: Mapping[str, str] = request.pop("environ", {})
    return draft(collected(folder, body), Request(environ=environ, **request))


def rehearsal(folder: Path, body: str, script: Script | None = None, **setup: Any) -> Rehearsal:
    """A rehearsal of *body*; keywords as in ``Rehearsal``, ``params`` and ``jobs`` go to its request.

    Agents are called ``scripted`` unless the orchfile or *setup* says otherwise; without *script*
    they echo their prompts.
    """
    params: Mapping[str, object] = setup.pop("params", {})
    request = Request(
        targets=tuple(setup.pop("targets", ())),
        parameters=params,
        jobs=setup.pop("jobs", None),
        agent=setup.pop("agent", None),
    )
    config = folder / "orchcore.toml"
    if not config.exists():
        config.write_text('default_agent = "scripted"\n')
    files = folder / "run"
    files.mkdir(exist_ok=True)
    runner = setup.pop("runner", None) or ScriptedRunner(script or _echo)
    return Rehearsal(
        orchfile=written(folder, body), folder=files, runner=runner, request=request, **setup
    )


async def played(folder: Path, body: str, script: Script | None = None, **setup: Any) -> Rehearsed:
    """What a rehearsal of *body* came to."""
    return await rehearsal(folder, body, script, **setup).run()


def _echo(asked: Any) -> Any:
    return replied(asked.prompt)
