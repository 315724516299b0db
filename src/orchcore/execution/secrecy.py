"""What must not be shown of a run: which variables and which values are secret. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, cast

from pydantic import BaseModel

from orchcore.agents.adapters.protocol import Adapter
from orchcore.agents.environment import INHERITED, named
from orchcore.config import AgentSettings, Config
from orchcore.planning.annotations import SECRETS
from orchcore.planning.plan import NodeOptions, Plan

_HARMLESS = (*INHERITED, "PWD", "OLDPWD")
"""Every program gets these: their values (``/home/max``) are in half of what is shown."""
_SETTING = re.compile(
    r"_(MODEL|DIR|HOME|REGION|LOCATION|HOST|PROJECT|VERSION|TYPE|MECHANISM|TRANSPORT|CERTIFICATE"
    r"|SPEED|WIRE_API)$"
)
"""Variables of a login that hold no secret: a model, a folder, a place."""
_TELLING = re.compile(
    r"(^|_)(API_?)?(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH)S?(_|$)",
    re.IGNORECASE,
)
"""Names in an ``env`` table that say that their values are secret."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is secret in a run.

    Attributes:
        variables: Names of the variables whose values are.
        values: All that is, also of parameters and ``env`` tables; of any length.
    """

    variables: tuple[str, ...] = ()
    values: frozenset[str] = field(default=frozenset(), repr=False)


def secrets_of(plan: Plan, adapters: Mapping[str, Adapter], environ: Mapping[str, str]) -> Secrets:
    """The secrets of a run of *plan*: its parameters', its nodes', and those of all agents.

    Args:
        plan: The plan.
        adapters: By name; a body may use any of them.
        environ: Our environment.
    """
    options = (*(node.options for node in plan.nodes), *plan.steps.values())
    of_agents = secrets_of_agents(plan.config, adapters, environ, options)
    from_environment = {spec.env for spec in plan.specs if spec.secret and spec.env in environ}
    return Secrets(
        tuple(sorted({*of_agents.variables, *from_environment})),
        of_agents.values | parameter_secrets(plan),
    )


def secrets_of_agents(
    config: Config,
    adapters: Mapping[str, Adapter],
    environ: Mapping[str, str],
    options: Iterable[NodeOptions] = (),
) -> Secrets:
    """The secrets of all agents: known ones, configured ones, and those that have *options*."""
    settings: tuple[AgentSettings | NodeOptions, ...] = (*config.settings.agents.values(), *options)
    passed = {name for one in settings for name in one.pass_env}
    login = {
        name
        for adapter in adapters.values()
        for name in adapter.login_env
        if not _SETTING.search(name)
    }
    harmless = named(environ, _HARMLESS)
    variables = sorted(set(named(environ, passed | login)).difference(harmless))
    written = {
        value for one in settings for name, value in one.env.items() if _TELLING.search(name)
    }
    return Secrets(tuple(variables), frozenset({*written, *(environ[name] for name in variables)}))


def parameter_secrets(plan: Plan) -> frozenset[str]:
    """The secret texts in the values of *plan*'s parameters."""
    known = {spec.name: spec.secret for spec in plan.specs}
    return frozenset(
        text
        for name, value in plan.parameters.items()
        for text in _texts(value, all_secret=known.get(name, False) and isinstance(value, str))
        if text
    )


def _texts(value: Any, *, all_secret: bool = False) -> Iterator[str]:
    """The secret texts in *value*; a default is a plain text where a ``SecretStr`` is wanted."""
    if isinstance(value, SECRETS):
        secret: object = value.get_secret_value()
        yield secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret)
    elif all_secret:
        yield value
    else:
        for part in _parts(value):
            yield from _texts(part)


def _parts(value: object) -> Iterable[object]:
    match value:
        case Mapping():
            return cast("Mapping[object, object]", value).values()
        case list() | tuple() | set() | frozenset():
            return cast("Iterable[object]", value)
        case BaseModel():
            return [part for _, part in value]
        case _ if is_dataclass(value):
            return [getattr(value, one.name) for one in fields(value)]
        case _:
            return ()
