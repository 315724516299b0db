"""Binding: every parameter of every node to its edge, or a problem."""

import inspect
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from orchcore.collection.gathering import Collection, Found
from orchcore.collection.reach import (
    VARIADIC,
    conversations,
    own_parameters,
    roots,
    signature,
    unwired,
)
from orchcore.declarations.agent import Agent
from orchcore.declarations.edges import UNSET, Each, Marker, Maybe, Param, Use, are_items
from orchcore.declarations.location import line_at
from orchcore.declarations.nodes import Callee, Declared, Node
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import Source
from orchcore.errors import Problem
from orchcore.planning.annotations import hints, plain, shown
from orchcore.planning.fitting import given_once, gives, no_items, surely_differ
from orchcore.planning.plan import Wire


def wires(declared: Declared) -> tuple[Wire, ...]:
    """Every parameter of *declared* that gets a value, the agent handle left out."""
    annotations = hints(declared.spec.fn)
    found: list[Wire] = []
    for name, parameter in own_parameters(declared).items():
        edge = declared.spec.bound.get(name, parameter.default)
        if edge is not inspect.Parameter.empty and parameter.kind not in VARIADIC:
            positional = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
            found.append(Wire(name, edge, annotations.get(name), positional))
    return tuple(found)


def conversation(declared: Declared) -> object:
    """The edge of an agent node's first parameter: a session it goes on with, or ``None``."""
    if declared.spec.role != "agent":
        return None
    first = next(iter(signature(declared).values()), None)
    if first is None:
        return None
    edge = declared.spec.bound.get(first.name, first.default)
    return edge if isinstance(edge, Marker) else None


def problems(collection: Collection) -> Iterator[Problem]:
    """Everything wrong with the wiring of *collection*, in the order of definition."""
    for found in collection.found:
        if isinstance(found.declared, Node):
            yield from _function_problems(found.declared, found.id)
            yield from _unwired(found, collection)
            yield from _misfits(found)
        else:
            yield from _source_problem(found.declared.source, found, "approve")
            yield from _scope_problem(found.declared.source, found, "approve")
    for name, step in collection.steps.items():
        yield from _function_problems(step, name)
    for resource in collection.resources:
        yield from _resource_problems(resource)


def _function_problems(declared: Declared, name: str) -> Iterator[Problem]:
    spec = declared.spec
    inner: object = spec.fn
    if isinstance(inner, Declared):
        yield _decorated_twice(declared, inner, name)
        return
    if not inspect.iscoroutinefunction(spec.fn):
        yields = inspect.isasyncgenfunction(spec.fn)
        kind = "an async generator" if yields else "not async"
        hint = f"write   async def {getattr(spec.fn, '__name__', name)}(...)"
        if yields:
            hint = "give one value:   `return` in place of `yield`, a list for several"
        yield Problem("sync-function", f"'{name}' is {kind}", declared.declared_at, (hint,))
    if spec.stray:
        where = line_at(*spec.wired_at) if spec.wired_at else declared.declared_at
        yield Problem("arguments", f"'{name}': {spec.stray}", where)
    if spec.role == "agent" and not _takes_agent(declared):
        hint = f"async def {name}(ai: Agent, ...)"
        yield Problem(
            "no-agent-parameter",
            f"'{name}' has an agent, so its first parameter must be an Agent",
            declared.declared_at,
            (hint,),
        )


def _decorated_twice(declared: Declared, inner: Declared, name: str) -> Problem:
    above, below = (
        f"@{one.spec.role}{'.step' if isinstance(one, Callee) else ''}" for one in (declared, inner)
    )
    hint = f"keep one: @{inner.spec.role} makes a node, @{inner.spec.role}.step what bodies call"
    message = f"'{name}' is declared twice: by {above} above {below}"
    return Problem("declared-twice", message, inner.declared_at, (hint,))


def _takes_agent(declared: Declared) -> bool:
    first = next(iter(signature(declared).values()), None)
    if first is None or first.kind in VARIADIC:
        return False
    annotation = hints(declared.spec.fn).get(first.name)
    return annotation is None or plain(annotation) in (Agent, Any, object)


def _unwired(found: Found, collection: Collection) -> Iterator[Problem]:
    declared = cast("Node", found.declared)
    for name in unwired(declared):
        expected = hints(declared.spec.fn).get(name)
        if plain(expected) is Agent and declared.spec.role == "phase":
            message = f"phase '{found.id}' takes an Agent, but is declared without one"
            yield Problem("unwired-parameter", message, found.where, ("give it one:   @agent",))
            continue
        yield Problem(
            "unwired-parameter",
            f"parameter '{name}' of phase '{found.id}' is not wired to anything",
            found.where,
            (
                *_closest(name, expected, found, collection),
                f"or make it a run parameter:   {_typed(name, expected)} = param()",
                f"or declare a step, to be called with arguments:   @{declared.spec.role}.step",
            ),
        )


def _typed(name: str, annotation: Any) -> str:
    return name if annotation is None else f"{name}: {shown(annotation)}"


def _closest(name: str, expected: Any, found: Found, collection: Collection) -> Iterator[str]:
    """The phase the user likely meant: by type first, then by name."""
    from difflib import get_close_matches

    others = {f.id: f for f in collection.found if f is not found and isinstance(f.declared, Node)}
    by_type = [
        id_ for id_, f in others.items() if expected is not None and gives(f.declared) == expected
    ]
    by_name = get_close_matches(name, others, n=1, cutoff=0.5)
    chosen = next(iter([id_ for id_ in by_name if id_ in by_type] or by_type or by_name), None)
    if chosen is None:
        yield f"wire it:   {_typed(name, expected)} = use(some_phase)"
        return
    other = others[chosen]
    given = gives(other.declared)
    told = f", gives {shown(given)}" if given is not None else ""
    wired = f"wire it:   {_typed(name, expected)} = use({chosen})"
    yield f"{wired}     (closest phase: '{chosen}', {other.where}{told})"


def _misfits(found: Found) -> Iterator[Problem]:
    declared = cast("Node", found.declared)
    yield from _conversation_problem(declared, found)
    every = [*wires(declared), Wire("ai", conversation(declared), None)]
    every += [Wire(name, edge, None) for name, edge in _option_edges(declared)]
    for wire in every:
        if isinstance(wire.edge, Use | Maybe):
            yield from _source_problem(wire.edge.source, found, wire.edge.verb)
            yield from _mismatch(wire, found)
        elif isinstance(wire.edge, Each):
            yield from list(_each_problem(wire.edge.source, found)) or _mismatch(wire, found)
        elif isinstance(wire.edge, Source | Callee):
            yield from _forgotten(wire, found)
    after = declared.spec.options.get("after", [])
    if not isinstance(after, list | tuple):
        hint = f"after=[{getattr(after, 'name', '...')}]"
        yield Problem("option", f"'after' of '{found.id}' is no list", found.where, (hint,))
        return
    for source in cast("list[object]", after):
        yield from _source_problem(source, found, "after")
        yield from _scope_problem(source, found, "after")
    yield from _scope_problem(declared.spec.options.get("when"), found, "when")


def _option_edges(declared: Declared) -> Iterator[tuple[str, object]]:
    yield "agent", declared.spec.cli
    for name in ("model", "cwd"):
        yield name, declared.spec.options.get(name)


def _conversation_problem(declared: Declared, found: Found) -> Iterator[Problem]:
    edge = conversation(declared)
    if edge is None or not _takes_agent(declared):
        return
    source = edge.source if isinstance(edge, Use | Maybe | Each) else None
    if not any(conversations(source)):
        name = source.name if isinstance(source, Source) else "plan"
        message = f"the agent of phase '{found.id}' is wired to no conversation"
        yield Problem("not-a-session", message, found.where, (f"ai: Agent = use({name}.session)",))
    elif declared.spec.cli is not None:
        message = f"'{found.id}' goes on with a conversation, so its agent is that one's"
        hint = f"leave out the name:   @agent(...)   instead of   @agent({declared.spec.cli!r})"
        yield Problem("session-agent", message, found.where, (hint,))


def _forgotten(wire: Wire, found: Found) -> Iterator[Problem]:
    name = getattr(wire.edge, "name", "...")
    message = f"'{wire.parameter}' of phase '{found.id}' is '{name}' itself, not what it gives"
    wanted = f"{name}.wired(...)" if isinstance(wire.edge, Callee) else name
    yield Problem("no-edge", message, found.where, (f"{wire.parameter}=use({wanted})",))


def _scope_problem(what: object, found: Found, verb: str) -> Iterator[Problem]:
    """Resources of an instance exist only while it runs."""
    for root in roots(what):
        if isinstance(root, Resource) and root.scope == "instance":
            message = f"{verb} of '{found.id}' needs '{root.name}', a resource of an instance"
            hint = 'take it as a parameter:   use(...), or make it   @resource(scope="run")'
            yield Problem("resource-scope", message, found.where, (hint,))


def _each_problem(source: object, found: Found) -> Iterator[Problem]:
    yield from _scope_problem(source, found, "each")
    if isinstance(source, Param):
        default = source.default
        if default is not UNSET and not isinstance(default, list | tuple):
            message = f"each(param({default!r})) of phase '{found.id}' goes over no list"
            yield Problem("each-items", message, found.where, (f"each(param([{default!r}]))",))
    elif isinstance(source, str | bytes | AbstractSet | Mapping):
        kind = type(cast("object", source)).__name__
        message = f"each(...) of phase '{found.id}' goes over a {kind}, which has no list of items"
        yield Problem("each-items", message, found.where, ("write a list:   each([...])",))
    elif isinstance(source, Marker) or not are_items(source):
        yield from _source_problem(source, found, "each")


def _source_problem(source: object, found: Found, verb: str) -> Iterator[Problem]:
    if isinstance(source, Source):
        return
    if isinstance(source, Callee):
        hint = f"wire the step first:   {verb}({source.name}.wired(...)), or call it in the body"
        message = f"{verb}({source.name}) of phase '{found.id}': '{source.name}' is a step"
    elif isinstance(source, Marker):
        hint = f"write one edge:   {source.shown()}"
        message = f"{verb}({source.shown()}) of phase '{found.id}' wraps an edge in an edge"
    else:
        hint = "decorate the function with @phase or @agent"
        if isinstance(source, str) and source.isidentifier():
            hint = f"without the quotes:   {verb}({source})"
        message = f"{verb}({source!r}) of phase '{found.id}' is not given a phase or resource"
    yield Problem("not-a-source", message, found.where, (hint,))


def _mismatch(wire: Wire, found: Found) -> Iterator[Problem]:
    edge = cast("Use | Maybe | Each", wire.edge)
    source = edge.source
    if isinstance(edge, Each) and (what := no_items(source)) is not None:
        name = cast("Source[Any]", source).name
        message = (
            f"each({name}) of phase '{found.id}' needs a list, but '{name}' gives {shown(what)}"
        )
        hint = f"give a list of it, or take it whole:   use({name})"
        yield Problem("type-mismatch", message, found.where, (hint,))
        return
    given = given_once(source) if isinstance(edge, Each) else gives(source)
    if wire.annotation is None or given is None or not surely_differ(given, wire.annotation):
        return
    name = cast("Source[Any]", source).name
    each = "in each instance " if isinstance(edge, Each) else ""
    taken = f"{shown(given)} | None" if isinstance(edge, Maybe) else shown(given)
    yield Problem(
        "type-mismatch",
        f"'{name}' gives {each}{shown(given)}, but '{found.id}' expects "
        f"{shown(wire.annotation)} for parameter '{wire.parameter}'",
        found.where,
        (
            f"take what it gives:   {wire.parameter}: {taken} = {edge.shown()}",
            f"or derive the other:   {edge.verb}({name}.pick(lambda value: ...))",
        ),
    )


def _resource_problems(resource: Resource[Any, Any]) -> Iterator[Problem]:
    where = resource.declared_at
    if not inspect.isasyncgenfunction(resource.generator):
        hint = f"write   async def {resource.name}(...): ...; yield value"
        message = f"resource '{resource.name}' is no async generator function"
        yield Problem("not-a-generator", message, where, (hint,))
    if resource.scope not in ("run", "instance"):
        message = f"resource '{resource.name}': scope={resource.scope!r}"
        yield Problem("option", message, where, ('write   scope="run"   or   scope="instance"',))
    for name in resource.options:
        message = f"resource '{resource.name}' has no option '{name}'"
        yield Problem("unknown-option", message, where, ("known: scope",))
    for name, parameter in signature(resource).items():
        edge = parameter.default
        plain_default = edge is not inspect.Parameter.empty and not isinstance(edge, Marker)
        if resource.scope == "run":
            yield from _scope_problem(edge, Found(resource.name, cast("Any", resource)), "use")
        if plain_default or isinstance(edge, Param) or is_resource_edge(edge):
            continue
        message = f"parameter '{name}' of resource '{resource.name}' is wired to no resource"
        hint = f"resources take params and resources only:   {name} = param()"
        yield Problem("resource-parameter", message, where, (hint,))


def is_resource_edge(edge: object) -> bool:
    """Whether *edge* gives a resource, or what is picked from one, and nothing else."""
    return isinstance(edge, Use) and all(isinstance(root, Resource) for root in roots(edge))
