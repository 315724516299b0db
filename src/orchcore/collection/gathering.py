"""From a module's namespace to a ``Collection``."""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from orchcore.collection.discovery import find
from orchcore.collection.loading import load
from orchcore.collection.reach import Root, reachable, unwired
from orchcore.collection.source_text import SourceText
from orchcore.config import Config, load_config
from orchcore.declarations.gates import Approval
from orchcore.declarations.location import line_at
from orchcore.declarations.nodes import Callee, Declared, Node
from orchcore.declarations.resource import Resource
from orchcore.errors import CollectionError, Location, Problem, shown_path

type Declaration = Node | Approval
type Importer = Callable[[Path], ModuleType]

_UNFIT = re.compile(r"\W+")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A node of the graph and its id."""

    id: str
    declared: Declaration

    @property
    def where(self) -> Location:
        """Where it was declared."""
        return self.declared.declared_at


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """What one orchfile declares.

    Attributes:
        orchfile: The file, absolute.
        found: Its nodes in the order of definition, those reached by edges before their users.
        steps: Bound steps by name; they are no nodes, their parameters may be the run's.
        resources: Every resource that a node or step reaches.
        config: The configuration in force for this file.
        selectors: What the user asked for.
        warnings: What was written and has no effect.
    """

    orchfile: Path
    found: tuple[Found, ...]
    steps: Mapping[str, Callee]
    resources: tuple[Resource[Any, Any], ...]
    config: Config
    selectors: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def folder(self) -> Path:
        """The project's folder: where relative paths and the record belong."""
        return self.orchfile.parent


def collect(
    targets: Iterable[str], file: str | None, cwd: Path, imported: Importer = load
) -> Collection:
    """Finds, imports and reads the orchfile that *targets*, *file* and *cwd* name.

    Args:
        targets: Words of a command line.
        file: What ``-f`` says.
        cwd: Where the search starts, absolute.
        imported: Gives the module of the file; by default a new one.

    Raises:
        OrchcoreError: With every problem found.
    """
    asked = find(targets, file, cwd)
    config = load_config(asked.orchfile.parent)
    namespace = vars(imported(asked.orchfile))
    return gather_nodes(asked.orchfile, namespace, config, asked.selectors)


def gather_nodes(
    orchfile: Path, namespace: Mapping[str, Any], config: Config, selectors: tuple[str, ...] = ()
) -> Collection:
    """The collection of *namespace*: what is bound there, plus what that reaches by edges.

    Raises:
        CollectionError: It declares no phase, two nodes have one id, or one was lost.
    """
    names = _names(namespace)
    reached: dict[Root | Declared, None] = {}
    steps = {k: v for k, v in namespace.items() if isinstance(v, Callee)}
    for declared in [*names, *steps.values()]:
        _visit(declared, reached)
    found = tuple(
        Found(names.get(one) or _unbound(one), one)
        for one in _without_templates(reached)
        if isinstance(one, Node | Approval)
    )
    text = SourceText(orchfile, namespace)
    if not found:
        raise CollectionError(_nothing(orchfile, steps, text))
    problems = (*_doubles(found), *text.redefined((*reached, *namespace.values())))
    if problems:
        raise CollectionError(*problems)
    resources = tuple(one for one in reached if isinstance(one, Resource))
    warnings = tuple(text.unbound_gates())
    return Collection(orchfile, found, steps, resources, config, selectors, warnings)


def _names(namespace: Mapping[str, Any]) -> dict[Declaration, str]:
    names: dict[Declaration, str] = {}
    for name, value in namespace.items():
        if isinstance(value, Node | Approval) and value not in names:
            names[value] = _given_name(value) or name
    return names


def _given_name(declared: Declaration) -> str:
    """What ``name=`` says, unless *declared* is a copy: then it is its original's."""
    if not isinstance(declared, Node) or declared.spec.wired_at is not None:
        return ""
    name = declared.spec.options.get("name")
    return name if isinstance(name, str) else ""


def _unbound(declared: Declaration) -> str:
    """The id of what only edges lead to; a gate's must be fit for a shell, too."""
    if isinstance(declared, Approval):
        return _UNFIT.sub("-", declared.name).strip("-")
    return declared.name


def _without_templates(reached: Iterable[Root | Declared]) -> Iterator[Root | Declared]:
    """All but those phases that only ``.wired`` copies were made of."""
    every = tuple(reached)
    copied = {one.spec.fn for one in every if isinstance(one, Node) and one.spec.wired_at}
    used = {root for one in every for root in reachable(one)} if copied else set[Root]()
    for one in every:
        if not (isinstance(one, Node) and one not in used and _is_template(one, copied)):
            yield one


def _is_template(node: Node, copied: Container[object]) -> bool:
    return not node.spec.wired_at and node.spec.fn in copied and bool(unwired(node))


def _visit(start: Root | Declared, reached: dict[Root | Declared, None]) -> None:
    """Adds *start* and all it reaches, upstream first, without recursion (graphs may be deep)."""
    stack: list[tuple[Root | Declared, bool]] = [(start, False)]
    seen: set[Root | Declared] = set()
    while stack:
        declared, done = stack.pop()
        if done:
            reached[declared] = None
        elif declared not in seen and declared not in reached:
            seen.add(declared)
            stack.append((declared, True))
            stack.extend((root, False) for root in reversed(list(reachable(declared))))


def _doubles(found: tuple[Found, ...]) -> Iterator[Problem]:
    first: dict[str, Found] = {}
    for node in found:
        other = first.setdefault(node.id, node)
        if other is not node:
            hints = ("bind one of them to another name, or give it name=...",)
            message = f"two phases are called '{node.id}' (the other: {other.where})"
            yield Problem("duplicate-name", message, node.where, hints)


def _nothing(orchfile: Path, steps: Mapping[str, Callee], text: SourceText) -> Problem:
    empty = not orchfile.read_text("utf-8", "replace").strip()
    called = tuple(
        f"'{name}' ({step.declared_at}) is a step: a body calls it, or   again = {name}.wired(...)"
        for name, step in steps.items()
    )
    return Problem(
        "no-phases",
        f"{shown_path(orchfile)} {'is empty' if empty else 'declares no phase'}",
        line_at(str(orchfile), 1),
        (*called, *text.hidden(), "declare one:\n@phase\nasync def hello() -> str: ..."),
    )
