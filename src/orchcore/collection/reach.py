"""What a declaration is wired to, as far as it can be seen without any graph."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, cast

from orchcore.declarations.edges import Each, Marker, Maybe, Use
from orchcore.declarations.gates import Approval
from orchcore.declarations.nodes import Declared, Node
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import (
    Condition,
    Either,
    FanSession,
    FanSettled,
    Picked,
    Session,
    Settled,
    Source,
)

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

type Derived = Picked[Any] | Session | FanSession | Settled[Any] | FanSettled[Any]
type Root = Node | Approval | Resource[Any, Any]


def derived_from(derived: Derived) -> Source[Any]:
    """The source that *derived* was made from."""
    return cast("Source[Any]", derived.source)


def roots(what: object) -> Iterator[Root]:
    """The nodes, gates and resources that *what* is made from.

    Args:
        what: A source, a condition, an edge, or anything else (which has no roots).
    """
    match what:
        case Node() | Approval() | Resource():
            yield what
        case Picked() | Session() | FanSession() | Settled() | FanSettled():
            yield from roots(derived_from(cast("Any", what)))
        case Either():
            yield from roots(what.first)
            yield from roots(what.second)
        case Condition():
            yield from roots(what.source)
            for part in what.parts:
                yield from roots(part)
        case Use() | Maybe() | Each():
            yield from roots(what.source)
        case _:
            return


def conversations(source: object) -> Iterator[Source[Any]]:
    """The agent nodes whose conversations *source* gives, as far as it is made from sessions."""
    match source:
        case Session() | FanSession():
            yield derived_from(source)
        case Picked():
            yield from conversations(derived_from(cast("Derived", source)))
        case Either():
            yield from conversations(source.first)
            yield from conversations(source.second)
        case _:
            return


def signature(declared: Declared | Resource[Any, Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of the function behind *declared*; none if it cannot be inspected."""
    fn = declared.generator if isinstance(declared, Resource) else declared.spec.fn
    try:
        return inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return {}


def own_parameters(declared: Declared) -> Mapping[str, inspect.Parameter]:
    """The parameters of *declared*, the agent handle left out."""
    parameters = dict(signature(declared))
    if declared.spec.role == "agent" and parameters:
        del parameters[next(iter(parameters))]
    return parameters


def unwired(declared: Declared) -> tuple[str, ...]:
    """The parameters of *declared* that get no value."""
    return tuple(
        name
        for name, parameter in own_parameters(declared).items()
        if name not in declared.spec.bound
        and parameter.default is inspect.Parameter.empty
        and parameter.kind not in VARIADIC
    )


def edges(declared: Declared | Approval | Resource[Any, Any]) -> Iterator[object]:
    """Everything *declared* mentions that may be an edge: parameters, options, conditions."""
    if isinstance(declared, Approval):
        yield declared.source
        return
    bound: Mapping[str, object] = {}
    if isinstance(declared, Declared):
        bound = declared.spec.bound
        yield from (declared.spec.cli, declared.spec.parallel)
        for option in declared.spec.options.values():
            yield from (
                cast("list[object]", option) if isinstance(option, list | tuple) else (option,)
            )
    for name, parameter in signature(declared).items():
        edge = bound.get(name, parameter.default)
        if isinstance(edge, Marker):
            yield edge


def reachable(declared: Declared | Approval | Resource[Any, Any]) -> Iterator[Root]:
    """The roots of everything *declared* mentions, nearest first, with repetitions."""
    for edge in edges(declared):
        yield from roots(edge)
