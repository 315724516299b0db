"""A node's options: known, available, of the right type, with parameters filled in."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from orchcore.declarations.agent import TurnOptions
from orchcore.declarations.edges import UNSET, Each, Marker, Maybe, Param, Use
from orchcore.declarations.nodes import Callee, Declared
from orchcore.declarations.options import AgentFanOptions, AgentOptions, PhaseOptions
from orchcore.declarations.sources import Source
from orchcore.errors import Location, Problem, UsageError, did_you_mean
from orchcore.planning.parameters import option_parameter
from orchcore.planning.plan import NodeOptions
from orchcore.policies import Permission, duration_s

_NODE_ONLY = frozenset({"when", "after", "optional", "recovery", "budget", "cache"})
_FAN_ONLY = frozenset({"quorum", "fail_fast", "cross"})
_PHASE = frozenset(PhaseOptions.__annotations__)
_AGENT = frozenset(AgentOptions.__annotations__)
_ALL = frozenset(AgentFanOptions.__annotations__)
_USING = frozenset(TurnOptions.__annotations__)


def _seconds(value: Any) -> float:
    try:
        seconds = duration_s(value)
    except TypeError:
        raise ValueError(f"{value!r} is not a duration") from None
    if seconds == 0:
        raise ValueError("it would be over before it begins; leave it out for no limit")
    return seconds


type _Seconds = Annotated[float, BeforeValidator(_seconds)]

_CACHED_S = 7 * 86400.0


def _cached_s(value: Any) -> float | None:
    """For how long a result is used: a bool is no number of seconds."""
    if isinstance(value, bool):
        return _CACHED_S if value else None
    return _seconds(value)


class _Checked(BaseModel):
    """The types and ranges of those options that are plain values."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    permission: Permission | None = None
    tools: list[str] | tuple[str, ...] | None = None
    timeout: _Seconds | None = None
    idle: _Seconds | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    reasks: Annotated[int, Field(ge=0)] = 2
    max_turns: Annotated[int, Field(ge=1)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    env: Mapping[str, str] = Field(default_factory=dict[str, str])
    pass_env: list[str] | tuple[str, ...] = ()
    limits: Mapping[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict[str, int])
    tags: list[str] | tuple[str, ...] = ()
    optional: bool = False
    recovery: Literal["rerun", "halt"] = "rerun"
    cache: Annotated[float | None, BeforeValidator(_cached_s)] = None
    fallback: list[str] | tuple[str, ...] = ()
    on_rate_limit: Literal["wait", "fallback", "fail"] | None = None
    rate_limit_max_wait: _Seconds = 6 * 3600.0
    budget: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    estimate_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class FanChecked(BaseModel):
    """The options beside ``parallel``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    parallel: Annotated[int, Field(ge=1)] = 1
    quorum: Annotated[int, Field(ge=0)] | None = None
    fail_fast: bool = False
    cross: bool = False


_NAME = re.compile(r"\w[\w.@%-]*")
_UNFIT = re.compile(r"[^\w.@%-]+")
_PLAIN = NodeOptions()
_ONE = FanChecked()


def option_problems(declared: Declared, id_: str) -> Iterator[Problem]:
    """Options that are unknown or misplaced."""
    spec = declared.spec
    known = _AGENT if spec.role == "agent" else _PHASE
    yield from _name_problem(declared, id_)
    for name in spec.options:
        if name in _NODE_ONLY and isinstance(declared, Callee):
            message = f"option '{name}' of step '{id_}' means nothing where a body calls it"
            hint = "say it at the node whose body calls the step, or write it in that body: if ..."
            yield Problem("option", message, declared.declared_at, (hint,))
        elif name in _FAN_ONLY:
            if spec.parallel is None:
                message = f"option '{name}' of '{id_}' needs instances"
                hint = f"@{spec.role}(parallel=4, {name}=...)"
                yield Problem("option", message, declared.declared_at, (hint,))
        elif name not in known:
            misplaced = name in _ALL
            message = f"phase '{id_}' has no option '{name}'"
            hints = ("it needs an agent: @agent",) if misplaced else did_you_mean(name, known)
            yield Problem("unknown-option", message, declared.declared_at, hints)


def limit_problems(
    users: Iterable[tuple[str, Location, NodeOptions]],
) -> Iterator[Problem]:
    """Named limits that are of one size here and of another there.

    Args:
        users: Id, place and options of every node and step.
    """
    first: dict[str, tuple[int, str]] = {}
    for id_, where, options in users:
        for name, size in options.limits.items():
            before, other = first.setdefault(name, (size, id_))
            if before != size:
                message = f"limit '{name}' is {size} for '{id_}' and {before} for '{other}'"
                hint = (
                    f"a limit has one size, wherever it is named:   LIMITS = {{{name!r}: {before}}}"
                )
                yield Problem("option", message, where, (hint,))


def filled(value: object, parameter: str, values: Mapping[str, object]) -> object:
    """*value*, or the parameter's value where it is one; *parameter* names it if nothing does."""
    if not isinstance(value, Param):
        return value
    return values.get(value.name or parameter, value.default)


def _given(
    options: Mapping[str, object], id_: str, values: Mapping[str, object]
) -> dict[str, object]:
    """*options* with parameters filled in, without those that wait for a missing parameter."""
    every = {
        name: filled(option, option_parameter(id_, name), values)
        for name, option in options.items()
    }
    return {name: value for name, value in every.items() if value is not UNSET}


def node_options(
    declared: Declared, id_: str, values: Mapping[str, object]
) -> tuple[NodeOptions, tuple[Problem, ...]]:
    """The checked options of *declared*.

    Args:
        declared: The node or step.
        id_: Its id, for messages.
        values: Parameters by name.
    """
    spec = declared.spec
    if not spec.options and spec.cli is None:
        return _PLAIN, ()
    raw = _given({**spec.options, "agent": spec.cli}, id_, values)
    cli = raw.get("agent")
    try:
        checked = _Checked.model_validate(raw)
    except ValidationError as error:
        return _PLAIN, _problems(error, declared, id_)
    wrong = [
        Problem("option", f"option '{name}' of '{id_}': {value!r} is no text or path",
                declared.declared_at, ("wire it:   use(...), each([...]) or param(...)",))
        for name, value in (("agent", cli), *((name, raw.get(name)) for name in ("model", "cwd")))
        if not isinstance(value, str | os.PathLike | Marker | Source | Callee | None)
    ]  # fmt: skip
    more = (*_fallback_problem(checked, declared, id_), *_cache_problem(checked, declared, id_))
    return _built(checked, raw, cli), (*wrong, *more)


def _fallback_problem(checked: _Checked, declared: Declared, id_: str) -> Iterator[Problem]:
    wanted = checked.on_rate_limit == "fallback"
    if wanted and not checked.fallback:
        message = f"option 'on_rate_limit' of '{id_}' is \"fallback\", and no agent stands in"
        yield Problem("option", message, declared.declared_at, ('fallback=["codex"]',))
    elif checked.fallback and not wanted and checked.on_rate_limit is not None:
        message = f"option 'fallback' of '{id_}' means nothing beside on_rate_limit="
        message += f'"{checked.on_rate_limit}"'
        hint = 'on_rate_limit="fallback", or leave it out'
        yield Problem("option", message, declared.declared_at, (hint,))


def _cache_problem(checked: _Checked, declared: Declared, id_: str) -> Iterator[Problem]:
    if checked.cache and checked.permission in ("edit", "full"):
        message = f"option 'cache' of '{id_}' means nothing beside permission="
        message += f'"{checked.permission}": another run would get its answer without its files'
        yield Problem("option", message, declared.declared_at, ("leave cache= out",))


def using_options(before: NodeOptions, changes: Mapping[str, object]) -> NodeOptions:
    """*before* with the *changes* of ``ai.using``.

    Raises:
        UsageError: With every option that is unknown or wrong.
    """
    problems = [_unusable(name) for name in changes if name not in _USING]
    if problems:
        raise UsageError(*problems)
    try:
        checked = _Checked.model_validate(dict(changes))
    except ValidationError as error:
        raise UsageError(*(_using_problem(item) for item in error.errors())) from None
    return replace(
        before,
        permission=checked.permission or before.permission,
        tools=before.tools if checked.tools is None else tuple(checked.tools),
        timeout_s=before.timeout_s if checked.timeout is None else checked.timeout,
        idle_s=before.idle_s if checked.idle is None else checked.idle,
        env={**before.env, **checked.env},
        turn_usd=before.turn_usd if checked.budget is None else checked.budget,
    )


def _unusable(name: str) -> Problem:
    hints = did_you_mean(name, _USING)
    return Problem("unknown-option", f"ai.using has no option '{name}'", None, hints)


def _using_problem(error: Any) -> Problem:
    return Problem("option", f"ai.using({error['loc'][0]}={error['input']!r}): {error['msg']}")


def fan_options(
    declared: Declared, id_: str, values: Mapping[str, object]
) -> tuple[FanChecked, tuple[Problem, ...]]:
    """The checked options beside ``parallel``."""
    spec = declared.spec
    raw = _given({**spec.options, "parallel": spec.parallel}, id_, values)
    try:
        return FanChecked.model_validate(raw), ()
    except ValidationError as error:
        return _ONE, _problems(error, declared, id_)


def _name_problem(declared: Declared, id_: str) -> Iterator[Problem]:
    name = declared.spec.options.get("name", id_)
    if isinstance(name, str) and _NAME.fullmatch(name):
        return
    fit = _UNFIT.sub("-", str(name)).strip("-.") or "plan"
    message = f"name={name!r} of '{id_}' is not fit for a shell"
    yield Problem("option", message, declared.declared_at, (f'name="{fit}"',))


def _built(checked: _Checked, raw: Mapping[str, Any], cli: object) -> NodeOptions:
    return NodeOptions(
        cli=cli,
        model=raw.get("model"),
        cwd=raw.get("cwd"),
        permission=checked.permission,
        tools=None if checked.tools is None else tuple(checked.tools),
        timeout_s=checked.timeout,
        idle_s=checked.idle,
        retries=checked.retries,
        reasks=checked.reasks,
        max_turns=checked.max_turns,
        max_tool_calls=checked.max_tool_calls,
        env=checked.env,
        pass_env=tuple(checked.pass_env),
        limits=checked.limits,
        tags=tuple(checked.tags),
        optional=checked.optional,
        halts=checked.recovery == "halt",
        fallback=tuple(checked.fallback),
        cache_s=checked.cache,
        limit_wait_s=0.0 if checked.on_rate_limit == "fail" else checked.rate_limit_max_wait,
        budget_usd=checked.budget,
        estimate_usd=checked.estimate_usd,
    )


def _problems(error: ValidationError, declared: Declared, id_: str) -> tuple[Problem, ...]:
    """One for each option: a union has an error for each of its parts."""
    first = {item["loc"][0]: item for item in reversed(error.errors())}
    return tuple(_problem(item, declared, id_) for item in reversed(first.values()))


def _problem(error: Any, declared: Declared, id_: str) -> Problem:
    name = str(error["loc"][0])
    found = error["input"]
    message = f"option '{name}' of '{id_}': {_shown(found)}: {error['msg']}"
    return Problem("option", message, declared.declared_at)


def _shown(found: object) -> str:
    if isinstance(found, Use | Maybe | Each):
        return f"{found.shown()} is not possible here (only agent name, model and cwd take edges)"
    return found.shown() if isinstance(found, Marker) else repr(found)
