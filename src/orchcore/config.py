"""Configuration as data: ``[tool.orchcore]`` in pyproject.toml, or ``orchcore.toml``."""

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from orchcore.errors import Location, Problem, UsageError, did_you_mean, shown_path
from orchcore.policies import Permission, duration_s

type Seconds = Annotated[float, BeforeValidator(duration_s)]


class AgentSettings(BaseModel):
    """``[tool.orchcore.agents.NAME]``: how one named agent is started.

    Attributes:
        adapter: Which adapter reads it; by default the agent's own name.
        program: Replaces the adapter's program: a name in PATH or a path.
        argv: The ``text`` adapter's template, such as ``["mytool", "{prompt}"]``.
        model: Default model.
        args: Extra arguments.
        env: Extra variables.
        pass_env: Names of variables passed on from ours.
        permission: Default permission.
        idle, timeout: Defaults of the options of the same name.
        max_parallel: Turns of this agent at once, over the whole run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str | None = None
    program: str | None = None
    argv: tuple[str, ...] = ()
    model: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict[str, str])
    pass_env: tuple[str, ...] = ()
    permission: Permission | None = None
    idle: Seconds | None = None
    timeout: Seconds | None = None
    max_parallel: Annotated[int, Field(ge=1)] = 8


class Settings(BaseModel):
    """``[tool.orchcore]``.

    Attributes:
        orchfile: Which file is the orchfile, relative to the configuration file.
        default_agent: The agent of phases that name none.
        jobs: Turns and commands at once (``-j``).
        agents: Named agents.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    orchfile: str | None = None
    default_agent: str | None = None
    jobs: Annotated[int, Field(ge=1)] | None = None
    agents: Mapping[str, AgentSettings] = Field(default_factory=dict[str, AgentSettings])


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force and where they came from.

    Attributes:
        settings: What the file says.
        path: The file, or ``None`` if there is none.
    """

    settings: Settings = field(default_factory=Settings)
    path: Path | None = None

    @property
    def jobs(self) -> int:
        """Turns and commands at once; by default twice the cores, at least 4."""
        return self.settings.jobs or max(4, 2 * (os.cpu_count() or 2))


def upwards(start: Path) -> Iterator[Path]:
    """*start* and its parents, up to the repository's root or the file system's."""
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def load_config(start: Path) -> Config:
    """The nearest configuration from *start* upwards.

    Raises:
        UsageError: A file is not TOML, has unknown keys or wrong values, or is not safe.
    """
    for folder in upwards(start):
        for name in ("orchcore.toml", "pyproject.toml"):
            if (table := _table(folder / name)) is not None:
                return Config(_settings(table, folder / name), folder / name)
    return Config()


def ensure_trusted(path: Path) -> None:
    """Refuses a file found by upward search that somebody else could have planted.

    Raises:
        UsageError: It belongs to another user, or others may write it.
    """
    status = path.stat()
    if status.st_uid in (os.geteuid(), 0) and not status.st_mode & stat.S_IWOTH:
        return
    raise UsageError(
        Problem(
            "untrusted-file",
            f"{shown_path(path)} belongs to another user or may be written by others",
            Location(path, 1),
            (f"chmod o-w {shown_path(path)}, or name it yourself with -f",),
        )
    )


def _table(path: Path) -> Mapping[str, object] | None:
    if not path.is_file():
        return None
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(Problem("configuration", str(error), Location(path, 1))) from None
    if path.name == "pyproject.toml":
        tool = cast("dict[str, Any]", data.get("tool", {}))
        if "orchcore" not in tool:
            return None
        data = cast("dict[str, Any]", tool["orchcore"])
    ensure_trusted(path)
    return data


def _settings(table: Mapping[str, object], path: Path) -> Settings:
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise UsageError(*(_problem(item, path) for item in error.errors())) from None


def _problem(error: Any, path: Path) -> Problem:
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        in_agent = place[0] == "agents"
        known = AgentSettings.model_fields if in_agent else Settings.model_fields
        hints = did_you_mean(place[-1], known)
        return Problem("unknown-key", f"unknown key '{key}'", _line(path, place[-1]), hints)
    return Problem("configuration", f"'{key}': {error['msg']}", _line(path, place[-1]))


def _line(path: Path, key: str) -> Location:
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        if key in text.split("#")[0]:
            return Location(path, number, text.strip())
    return Location(path, 1)
