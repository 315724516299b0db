"""Configuration as data: ``[tool.orchcore]`` in pyproject.toml, or ``orchcore.toml``.

What is said later wins: defaults, file, profile, variables ``ORCHCORE_*``, command line.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from orchcore.errors import Problem, UsageError, did_you_mean
from orchcore.layering import Key, Layer, ensure_trusted, file_layer, merged
from orchcore.policies import Permission, duration_s

__all__ = ["AgentSettings", "Config", "PriceSettings", "Settings", "ensure_trusted", "load_config"]

VARIABLES = "ORCHCORE_"
PROFILE_VARIABLE = "ORCHCORE_PROFILE"


def _of_text(value: object) -> object:
    """A list or table that a variable tells as JSON."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return cast("object", json.loads(value))
    except ValueError:
        return value


type Seconds = Annotated[float, BeforeValidator(duration_s)]
type Words = Annotated[tuple[str, ...], BeforeValidator(_of_text)]
type Variables = Annotated[Mapping[str, str], BeforeValidator(_of_text)]
type Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceSettings(BaseModel):
    """``prices`` of an agent: USD per million tokens, in place of the listed prices.

    Attributes:
        input: Of input that was not read from a cache.
        output: Of output, thinking included.
        cached_input: Of input read from a cache; by default as *input*.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Usd
    output: Usd
    cached_input: Usd | None = None


class AgentSettings(BaseModel):
    """``[tool.orchcore.agents.NAME]``: how one named agent is started.

    Attributes:
        adapter: Which adapter reads it; by default the agent's own name.
        program: Replaces the adapter's program: a name in PATH or a path.
        argv: The ``text`` adapter's template, such as ``["mytool", "{prompt}"]``; the agent's
            command line for ``acp``.
        model: Default model.
        args: Extra arguments.
        env: Extra variables.
        pass_env: Names of variables passed on from ours.
        permission: Default permission.
        idle, timeout: Defaults of the options of the same name.
        hermetic: Whether the CLI is kept from reading the user's own configuration of it.
        max_parallel: Turns of this agent at once, over the whole run.
        account: Whose limits its turns share; by default told by adapter, address and login.
        prices: Prices that replace the listed ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str | None = None
    program: str | None = None
    argv: Words = ()
    model: str | None = None
    args: Words = ()
    env: Variables = Field(default_factory=dict[str, str])
    pass_env: Words = ()
    permission: Permission | None = None
    idle: Seconds | None = None
    timeout: Seconds | None = None
    hermetic: bool = False
    max_parallel: Annotated[int, Field(ge=1)] = 8
    account: str | None = None
    prices: Annotated[PriceSettings | None, BeforeValidator(_of_text)] = None


class Profile(BaseModel):
    """``[tool.orchcore.profiles.NAME]``: settings that replace others when it is chosen.

    Attributes:
        default_agent: The agent of phases that name none.
        jobs: Turns and commands at once (``-j``).
        max_agents: Agents of all runs of this user at once on this machine.
        budget: USD that a run may cost (``--budget``); ``None``: no limit.
        agents: Named agents; each key replaces the one of the agent of that name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_agent: str | None = None
    jobs: Annotated[int, Field(ge=1)] | None = None
    max_agents: Annotated[int, Field(ge=1)] | None = None
    budget: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    agents: Mapping[str, AgentSettings] = Field(default_factory=dict[str, AgentSettings])


class Settings(Profile):
    """``[tool.orchcore]``.

    Attributes:
        orchfile: Which file is the orchfile, relative to the configuration file.
        default_agent: The agent of phases that name none.
        jobs: Turns and commands at once (``-j``).
        max_agents: Agents of all runs of this user at once on this machine.
        budget: USD that a run may cost (``--budget``).
        agents: Named agents.
        profiles: Sets of settings to choose from with ``--profile`` or ``ORCHCORE_PROFILE``.
    """

    orchfile: str | None = None
    profiles: Mapping[str, Profile] = Field(default_factory=dict[str, Profile])


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force and where they came from.

    Attributes:
        settings: All layers together.
        path: The file, or ``None`` if there is none.
        layers: What said them, the last the strongest.
        profile: The profile that was chosen.
    """

    settings: Settings = field(default_factory=Settings)
    path: Path | None = None
    layers: tuple[Layer, ...] = ()
    profile: str | None = None

    def agent(self, name: str) -> AgentSettings:
        """The settings of the agent called *name*, which may be none.

        A program that is a relative path (``./bin/tool``) is below the file's folder, wherever the
        agent works.
        """
        settings = self.settings.agents.get(name, AgentSettings())
        argv = (self._located(settings.argv[0]), *settings.argv[1:]) if settings.argv else ()
        program = None if settings.program is None else self._located(settings.program)
        return settings.model_copy(update={"argv": argv, "program": program})

    def _located(self, program: str) -> str:
        if self.path is None or os.sep not in program:
            return program
        return str(self.path.parent.resolve() / program)

    @property
    def jobs(self) -> int:
        """Turns and commands at once; by default twice the cores, at least 4."""
        return self.settings.jobs or max(4, 2 * (os.cpu_count() or 2))

    def max_agents(self, jobs: int) -> int:
        """Agents at once on this machine; by default twice the cores, at least 4 and *jobs*."""
        return self.settings.max_agents or max(4, 2 * (os.cpu_count() or 2), jobs)

    def origin(self, *key: str) -> str:
        """Where the value of *key* (``"agents", "claude", "model"``) was said, or ``default``."""
        return next((layer.origin(key) for layer in _saying(self.layers, key)), "default")


def upwards(start: Path) -> Iterator[Path]:
    """*start* and its parents, up to the repository's root or the file system's."""
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def load_config(start: Path, profile: str | None = None) -> Config:
    """The nearest configuration from *start* upwards, with the profile and variables over it.

    Args:
        start: A folder.
        profile: The profile to choose; by default what ``ORCHCORE_PROFILE`` names.

    Raises:
        UsageError: A file is not TOML, has unknown keys or wrong values, or is not safe; a variable
            has a wrong value or nearly the name of a setting; no such profile.
    """
    file = next((layer for folder in upwards(start) if (layer := file_layer(folder))), None)
    layers = [layer for layer in (file, _environment(file)) if layer is not None]
    settings = _settings(layers)
    chosen = profile or os.environ.get(PROFILE_VARIABLE) or None
    if chosen is not None:
        layers[bool(file) : bool(file)] = [_profile(chosen, settings, file)]
        settings = _settings(layers)
    return Config(settings, None if file is None else file.file, tuple(layers), chosen)


def _profile(name: str, settings: Settings, file: Layer | None) -> Layer:
    if file is None or name not in settings.profiles:
        hints = did_you_mean(name, settings.profiles) or ("[tool.orchcore.profiles." + name + "]",)
        raise UsageError(Problem("unknown-profile", f"no profile is called '{name}'", None, hints))
    profiles = cast("Mapping[str, Mapping[str, object]]", file.values["profiles"])
    return Layer(profiles[name], file.file, (*file.prefix, "profiles", name))


def _environment(file: Layer | None) -> Layer | None:
    """What variables say; those that are nearly a setting's are refused, others are not ours."""
    told = [name for name in os.environ if name.startswith(VARIABLES) and name != PROFILE_VARIABLE]
    heads = {name.removeprefix(VARIABLES).partition("__")[0].lower(): name for name in told}
    if mistakes := [(head, name) for head, name in heads.items() if head not in _SAYABLE]:
        _ensure_no_slip(mistakes)
    if not heads.keys() & _SAYABLE:
        return None
    _ensure_case_kept(told)
    return Layer(_as_named(_variables(), file), None, (VARIABLES.rstrip("_"),))


def _variables() -> dict[str, object]:
    from pydantic_settings import (
        BaseSettings,
        EnvSettingsSource,
        SettingsConfigDict,
        SettingsError,
    )

    class Environment(Profile, BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix=VARIABLES, env_nested_delimiter="__", extra="ignore"
        )

    try:
        return EnvSettingsSource(Environment)()
    except SettingsError as error:  # of ``agents``, the only one that is told as JSON as a whole
        said = f"'{VARIABLES}AGENTS': no JSON ({error.__cause__})"
        raise UsageError(Problem("configuration", said)) from None


def _as_named(values: dict[str, object], file: Layer | None) -> dict[str, object]:
    """*values* with agents called as *file* calls them: variables' names have no case."""
    if file is None or not isinstance(values.get("agents"), Mapping):
        return values
    said = (file.values, *_table(file.values, "profiles").values())
    names = {name: name for table in said for name in _table(table, "agents")}
    names = {name.lower(): name for name in names} | names
    agents = (
        Layer({names.get(name, names.get(name.lower(), name)): value})
        for name, value in _table(values, "agents").items()
    )
    return {**values, "agents": merged(agents)}


def _table(table: object, key: str) -> Mapping[str, object]:
    inner = cast("Mapping[str, object]", table).get(key) if isinstance(table, Mapping) else None
    return cast("Mapping[str, object]", inner) if isinstance(inner, Mapping) else {}


_SAYABLE = frozenset(Profile.model_fields)


def _ensure_case_kept(told: list[str]) -> None:
    """Refuses variables for one variable of ``env``, whose name would become lower-case."""
    paths = {name: name.removeprefix(VARIABLES).split("__", 3) for name in told}
    lost = [
        Problem(
            "configuration",
            f"'{name}': cannot say in which case to write '{path[3]}'",
            hints=(f"""{VARIABLES}{"__".join(path[:3])}='{{"{path[3]}": "..."}}'""",),
        )
        for name, path in paths.items()
        if len(path) == 4 and (path[0].lower(), path[2].lower()) == ("agents", "env")
    ]
    if lost:
        raise UsageError(*lost)


def _ensure_no_slip(mistakes: list[tuple[str, str]]) -> None:
    from difflib import get_close_matches

    slips = [
        Problem("unknown-key", f"no setting is called {name}", None, did_you_mean(head, _SAYABLE))
        for head, name in mistakes
        if get_close_matches(head, _SAYABLE, n=1, cutoff=0.75)
    ]
    if slips:
        raise UsageError(*slips)


def _saying(layers: tuple[Layer, ...] | list[Layer], key: Key) -> Iterator[Layer]:
    return (layer for layer in reversed(layers) if layer.holds(key))


def _settings(layers: list[Layer]) -> Settings:
    try:
        return Settings.model_validate(merged(layers))
    except ValidationError as error:
        raise UsageError(*(_problem(item, layers) for item in error.errors())) from None


def _problem(error: Any, layers: list[Layer]) -> Problem:
    key = tuple(str(part) for part in error["loc"])
    said = (one for end in range(len(key), 0, -1) for one in _saying(layers, key[:end]))
    layer = next(said, layers[0])
    shown = ".".join(key) if layer.file else layer.origin(key)
    if error["type"] == "extra_forbidden":
        hints = did_you_mean(key[-1], _known(key))
        return Problem("unknown-key", f"unknown key '{shown}'", layer.place(key), hints)
    return Problem("configuration", f"'{shown}': {error['msg']}", layer.place(key))


def _known(key: Key) -> list[str]:
    """The keys that could stand where the last of *key* does."""
    if "prices" in key:
        return list(PriceSettings.model_fields)
    if "agents" in key[:-1]:
        return list(AgentSettings.model_fields)
    return list((Profile if key[0] == "profiles" else Settings).model_fields)
