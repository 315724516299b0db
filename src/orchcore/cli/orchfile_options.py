"""The options that an orchfile adds to a command: one for each ``param()``."""

import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, cast, get_args, get_origin

import click

from orchcore.declarations.edges import UNSET
from orchcore.planning.annotations import plain, shown
from orchcore.planning.parameters import option_name
from orchcore.planning.plan import ParameterSpec

_PREFIX = "orchfile_"
_LONGEST_DEFAULT = 40


def options_of(specs: Iterable[ParameterSpec], taken: Iterable[str]) -> list[click.Option]:
    """An option for each of *specs*, its value left as text for planning to validate.

    Args:
        specs: The orchfile's parameters.
        taken: Option names that the command has itself (``--format``); they win.
    """
    used = set(taken)
    options: list[click.Option] = []
    for spec in specs:
        option = _option(spec)
        if not used.intersection((*option.opts, *option.secondary_opts)):
            used.update(option.opts, option.secondary_opts)
            options.append(option)
    return options


def values_of(params: Mapping[str, Any]) -> dict[str, object]:
    """The orchfile's parameters among a context's: those that were given, by name."""
    return {
        name.removeprefix(_PREFIX): list(cast("tuple[str, ...]", value))
        if isinstance(value, tuple)
        else value
        for name, value in params.items()
        if name.startswith(_PREFIX) and value is not None and value != ()
    }


def _option(spec: ParameterSpec) -> click.Option:
    long = option_name(spec.name)
    if spec.flag:
        names = f"{long}/--no-{long.removeprefix('--')}"
        return click.Option([_PREFIX + spec.name, names], default=None, help=_help(spec))
    return click.Option(
        [_PREFIX + spec.name, long],
        type=click.UNPROCESSED,
        multiple=spec.many,
        metavar=metavar(spec.annotation, many=spec.many),
        help=_help(spec),
    )


def metavar(annotation: Any, *, many: bool = False) -> str:
    """How a value's type is named in help: ``INT``, ``[low|high]``; of a list, its element's."""
    bare = plain(annotation)
    args = get_args(bare)
    if many and args:
        return metavar(args[0])
    if get_origin(bare) in (Union, types.UnionType):
        return "|".join(metavar(part) for part in args if part is not type(None))
    if get_origin(bare) is Literal:
        return f"[{'|'.join(map(str, args))}]"
    if inspect.isclass(bare) and issubclass(bare, Enum):
        return f"[{'|'.join(str(member.value) for member in bare)}]"
    return "SECRET" if shown(bare) in {"SecretStr", "SecretBytes"} else shown(bare).upper()


def _help(spec: ParameterSpec) -> str:
    facts = [
        "repeatable" if spec.many else "",
        f"env: {spec.env}" if spec.env else "",
        "required" if spec.default is UNSET else _default(spec),
    ]
    told = "; ".join(filter(None, facts))
    return f"{spec.help}  [{told}]" if told else spec.help


def _default(spec: ParameterSpec) -> str:
    value: object = spec.default
    if spec.secret or value is None or value in ("", [], ()):
        return ""
    if spec.flag:
        long = option_name(spec.name).removeprefix("--")
        return f"default: {'' if value else 'no-'}{long}"
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else [value]
    text = ", ".join(str(item.value if isinstance(item, Enum) else item) for item in items)
    short = text if len(text) <= _LONGEST_DEFAULT else f"{text[: _LONGEST_DEFAULT - 3]}..."
    return f"default: {short}"
