"""The run's parameters: gathered from every edge, typed, validated."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import GenericAlias
from typing import Any, cast

from pydantic import ValidationError

from orchcore.collection.gathering import Collection
from orchcore.collection.reach import signature
from orchcore.declarations.edges import UNSET, Each, Param
from orchcore.declarations.location import line_at
from orchcore.declarations.nodes import Declared, Node
from orchcore.errors import Problem, did_you_mean
from orchcore.planning.annotations import hints, is_list, is_secret, plain, shown
from orchcore.planning.parameter_values import (
    checked_default,
    read_value,
    reads_stdin,
    wants_json,
)
from orchcore.planning.plan import ParameterSpec

RESERVED = frozenset(
    {"agent", "budget", "exitfirst", "file", "help", "jobs", "keyword", "maxfail", "model"}
    | {"progress", "report", "resume", "tag", "targets", "verbose", "version", "yes"}
)
"""Names of ``orchcore run``'s own options."""


@dataclass(frozen=True, slots=True)
class _Use:
    """One ``param()`` and what is known of it where it stands."""

    param: Param
    name: str
    annotation: Any
    user: str


def parameter_specs(collection: Collection) -> tuple[ParameterSpec, ...]:
    """Every parameter of *collection* that is declared right, in the order of first use.

    What is wrong with others is reported by ``draft``, with everything else.
    """
    return gathered(collection)[0]


def gathered(collection: Collection) -> tuple[tuple[ParameterSpec, ...], tuple[Problem, ...]]:
    """The parameters of *collection* that are declared right, and the problems of the others."""
    specs: dict[str, ParameterSpec] = {}
    problems: list[Problem] = []
    for use in _uses(collection):
        spec = _spec(use)
        if problem := _name_problem(use, spec):
            problems.append(problem)
            continue
        first = specs.get(use.name)
        if first is None:
            specs[use.name] = spec
            problems += _default_problem(spec)
        elif (plain(first.annotation), repr(first.default)) == _identity(spec):
            specs[use.name] = replace(first, users=(*first.users, use.user))
        else:
            problems.append(_conflict(first, spec))
    return tuple(specs.values()), tuple(problems)


def validated(
    specs: tuple[ParameterSpec, ...],
    given: Mapping[str, object],
    environ: Mapping[str, str],
) -> tuple[Mapping[str, object], tuple[Problem, ...]]:
    """Values by name, validated by pydantic; ``UNSET`` where a required one is not given.

    Args:
        specs: What parameters there are.
        given: Texts of a command line, or values of a program.
        environ: For parameters with ``env=``.
    """
    problems = list(_strangers(specs, given))
    values: dict[str, object] = {}
    readers: list[str] = []
    for spec in specs:
        raw, said = given.get(spec.name, UNSET), option_name(spec.name)
        if raw is UNSET and spec.env in environ:
            raw, said = environ[spec.env], f"${spec.env}"
        if raw is UNSET:
            values[spec.name] = spec.default
            continue
        readers += [said] * reads_stdin(spec, raw)
        try:
            values[spec.name] = read_value(spec, raw)
        except (ValidationError, OSError, UnicodeDecodeError) as error:
            problems.append(_invalid(spec, said, raw, error))
    return values, (*problems, *_read_twice(readers))


def _strangers(specs: tuple[ParameterSpec, ...], given: Iterable[str]) -> Iterator[Problem]:
    known = {spec.name for spec in specs}
    for name in given:
        if name not in known:
            hints = did_you_mean(name, known)
            yield Problem("parameter", f"there is no parameter '{name}'", None, hints)


def missing(
    specs: tuple[ParameterSpec, ...], values: Mapping[str, object], idle: Iterable[str]
) -> tuple[Problem, ...]:
    """Required parameters without a value, but for those that only *idle* nodes take."""
    lacking = (spec for spec in specs if values.get(spec.name) is UNSET)
    return tuple(_missing(spec) for spec in lacking if not set(spec.users) <= set(idle))


def _uses(collection: Collection) -> Iterator[_Use]:
    for found in collection.found:
        if isinstance(found.declared, Node):
            yield from _of_declared(found.declared, found.id)
    for name, step in collection.steps.items():
        yield from _of_declared(step, name)
    for resource in collection.resources:
        annotations = hints(resource.generator)
        for name, parameter in signature(resource).items():
            yield from _of_edge(parameter.default, name, annotations.get(name), resource.name)


def _of_declared(declared: Declared, user: str) -> Iterator[_Use]:
    annotations = hints(declared.spec.fn)
    for name, parameter in signature(declared).items():
        edge = declared.spec.bound.get(name, parameter.default)
        yield from _of_edge(edge, name, annotations.get(name), user)
    own = {"agent": declared.spec.cli, "parallel": declared.spec.parallel}
    for option, edge in {**own, **declared.spec.options}.items():
        yield from _of_edge(edge, option_parameter(user, option), None, user)


def _of_edge(edge: object, name: str, annotation: Any, user: str) -> Iterator[_Use]:
    if isinstance(edge, Param):
        yield _Use(edge, edge.name or name, annotation, user)
    elif isinstance(edge, Each) and isinstance(edge.source, Param):
        is_listed = edge.source.default is UNSET or isinstance(edge.source.default, list | tuple)
        known = annotation is not None and is_listed  # else: reported with the wiring
        listed = GenericAlias(list, (annotation,)) if known else None
        yield _Use(edge.source, edge.source.name or name, listed, user)


def _spec(use: _Use) -> ParameterSpec:
    annotation = use.annotation if use.annotation is not None else _type_of(use.param.default)
    return ParameterSpec(
        use.name,
        annotation,
        use.param.default,
        use.param.env,
        use.param.help,
        line_at(*use.param.at),
        many=is_list(annotation),
        flag=plain(annotation) is bool,
        secret=is_secret(annotation),
        users=(use.user,),
    )


def _type_of(default: object) -> Any:
    if isinstance(default, list | tuple):
        items = cast("list[object]", default)
        return GenericAlias(list, (type(items[0]) if items else str,))
    return str if default is UNSET or default is None else type(default)


def _identity(spec: ParameterSpec) -> tuple[Any, str]:
    return plain(spec.annotation), repr(spec.default)


def option_parameter(user: str, option: str) -> str:
    """The name of a ``param()`` without one in an *option* of a node or step: ``review_model``."""
    return re.sub(r"\W", "_", f"{user}_{option}")


def _name_problem(use: _Use, spec: ParameterSpec) -> Problem | None:
    if not use.name.isidentifier():
        message = f"the parameter's name '{use.name}' is no identifier"
        return Problem("parameter-name", message, spec.where, ("letters, digits and _ only",))
    if use.name.lower() in RESERVED:
        message = f"parameter '{use.name}' of '{use.user}' has the name of an orchcore option"
        hint = f'give it another:   param(..., name="{use.user}_{use.name}")'
        return Problem("parameter-name", message, spec.where, (hint,))
    return None


def _conflict(first: ParameterSpec, second: ParameterSpec) -> Problem:
    message = (
        f"parameter '{second.name}' is {_described(second)} here, but {_described(first)} "
        f"in {first.where}"
    )
    hint = "make type and default agree, or give one of them another name=..."
    return Problem("parameter-conflict", message, second.where, (hint,))


def _described(spec: ParameterSpec) -> str:
    shown_default = "***" if spec.secret else repr(spec.default)
    default = "required" if spec.default is UNSET else f"default {shown_default}"
    return f"{shown(spec.annotation)}, {default}"


def option_name(name: str) -> str:
    """The option of a parameter: ``--max-rounds``."""
    return f"--{name.replace('_', '-')}"


def _missing(spec: ParameterSpec) -> Problem:
    env = f", or set {spec.env}" if spec.env else ""
    text = f"   {spec.help}" if spec.help else ""
    return Problem(
        "parameter",
        f"{option_name(spec.name)} is missing: parameter '{spec.name}' has no default",
        spec.where,
        (f"{option_name(spec.name)} {shown(spec.annotation).upper()}{env}{text}",),
    )


def _read_twice(readers: list[str]) -> Iterator[Problem]:
    if len(readers) > 1:
        message = f"{' and '.join(readers)} read the standard input, which can be read only once"
        hint = f"write it to a file first:   {readers[-1]} @FILE"
        yield Problem("parameter", message, None, (hint,))


def _default_problem(spec: ParameterSpec) -> Iterator[Problem]:
    if spec.default is UNSET:
        return
    try:
        checked_default(spec)
    except ValidationError as error:
        found = "***" if spec.secret else repr(spec.default)
        message = (
            f"the default of parameter '{spec.name}' is no {shown(spec.annotation)}: "
            f"{found}: {_told(error)}"
        )
        yield Problem("parameter-default", message, spec.where)


def _invalid(spec: ParameterSpec, said: str, raw: object, error: Exception) -> Problem:
    if not isinstance(error, ValidationError):
        found = "***" if spec.secret else raw
        return Problem("parameter", f"{said} {found}: {error}", spec.where)
    if spec.secret:
        reason = _reason(error.errors()[0])
        return Problem("parameter", f"{said} ***: {reason}", spec.where)
    found = repr(error.errors()[0]["input"])
    hints: tuple[str, ...] = ()
    if isinstance(raw, str) and wants_json(error) and raw == error.errors()[0]["input"]:
        hints = (f"write it as JSON:   {said} '{{...}}'   or   {said} '[...]'",)
    return Problem("parameter", f"{said} {found}: {_told(error)}", spec.where, hints)


def _told(error: ValidationError) -> str:
    """What is wrong first, and in which field of the value."""
    first = error.errors()[0]
    in_a_field = any(isinstance(part, str) for part in first["loc"])
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if in_a_field else first["msg"]


def _reason(error: Any) -> str:
    """What is wrong with a secret, unless it was told by its own validator, who may quote it."""
    said_by_us = error["type"] not in {"value_error", "assertion_error"} and not error.get("ctx")
    return error["msg"] if said_by_us else "it is not valid"
