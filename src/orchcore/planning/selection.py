"""Which nodes a run is about: targets, ``-k`` and ``-t``, and all that those need."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from unicodedata import normalize

from orchcore.errors import NothingSelectedError, Problem, UsageError
from orchcore.planning.fanning import elements, expand, safe_label
from orchcore.planning.keyword import compile_keyword
from orchcore.planning.plan import Fan, PlannedNode

_GLOB = re.compile(r"[*?\[]")
_LABEL = re.compile(r"[\w./@%=-]*")
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Selection:
    """What the user asked for; empty: everything.

    Attributes:
        targets: Ids, globs, instance ids, with a leading ``+`` (and what it needs) or a
            trailing one (and what needs it); a node is meant if one of them means it.
        keyword: Expression over parts of ids: ``audit and not (slow or flaky)``.
        tag: Tags; a node is meant if it has one of them.
    """

    targets: tuple[str, ...] = ()
    keyword: str | None = None
    tag: tuple[str, ...] = ()


def select(nodes: Sequence[PlannedNode], request: Selection) -> tuple[PlannedNode, ...]:
    """Those of *nodes* that *request* means and all that they need, in the given order.

    A target means what it would mean alone, several mean all of it: a node of which only
    instances were named (``review:codex``) is limited to these, unless another target means it
    or needs it whole.

    Raises:
        UsageError: A target names nothing (``unknown-target``), or the keyword expression is
            not one (``keyword``).
        NothingSelectedError: No node is left.

    Example:
        >>> [node.id for node in select(plan.nodes, Selection(targets=("audit_*",)))]
        ['plan', 'audit_db', 'audit_web']
    """
    graph = _Graph.of(nodes)
    keep = compile_keyword(request.keyword) if request.keyword is not None else _always
    wanted: _Hits = {}
    for hits in _hits(graph, request.targets):
        roots = [id_ for id_ in hits if keep(id_) and _tagged(graph.nodes[id_], request.tag)]
        for id_ in graph.reached(roots, graph.needs):
            only = hits.get(id_, ())
            both_limited = only and wanted.get(id_, only)
            wanted[id_] = (*wanted.get(id_, ()), *only) if both_limited else ()
    if not wanted:
        raise NothingSelectedError(_nothing(nodes, request))
    return tuple(_limited(node, wanted[node.id]) for node in nodes if node.id in wanted)


def known_instances(node: PlannedNode) -> tuple[str, ...] | None:
    """Ids of *node*'s instances as far as they can be known before the run.

    Returns:
        The ids in order, those not selected left out; ``None`` if they come during the run, or
        cannot be made, or *node* has none.
    """
    fan = node.fan
    if fan is None or any(axis.kind != "list" for axis in fan.axes):
        return None
    try:
        shapes = expand(fan, [elements(axis.items, axis.edge.label) for axis in fan.axes])
    except Exception:  # noqa: BLE001  a user's label function; the run will tell what it raised
        return None
    ids = (f"{node.id}:{shape.label}" for shape in shapes)
    return tuple(
        id_ for id_ in ids if not fan.only or any(fnmatchcase(id_, only) for only in fan.only)
    )


@dataclass(frozen=True, slots=True)
class _Graph:
    """The nodes by id, and both directions of their edges."""

    nodes: Mapping[str, PlannedNode]
    needs: Mapping[str, Sequence[str]]
    needed_by: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, nodes: Iterable[PlannedNode]) -> "_Graph":
        by_id = {node.id: node for node in nodes}
        needed_by: defaultdict[str, list[str]] = defaultdict(list)
        for node in by_id.values():
            for need in node.needs:
                needed_by[need].append(node.id)
        return cls(by_id, {node.id: node.needs for node in by_id.values()}, needed_by)

    def reached(self, starts: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
        """*starts* and all that *edges* lead to; graphs may be deep, so no recursion."""
        seen: set[str] = set()
        stack = list(starts)
        while stack:
            id_ = stack.pop()
            if id_ not in seen:
                seen.add(id_)
                stack.extend(edges.get(id_, ()))
        return seen


type _Hits = dict[str, tuple[str, ...]]
"""Selected ids; each with the instance globs it is limited to, empty if it is meant whole."""


def _hits(graph: _Graph, targets: Sequence[str]) -> list[_Hits]:
    """What each target means by itself."""
    if not targets:
        return [dict.fromkeys(graph.nodes, ())]
    hits = [_hits_of(target, graph) for target in targets]
    unknown = [target for target, found in zip(targets, hits, strict=True) if not found]
    if unknown:
        problems = [_unknown(target, graph) for target in unknown]
        # A pattern that matches nothing is a selection of nothing, a wrong name is a mistake.
        patterns_only = not any(hits) and all(map(_GLOB.search, unknown))
        raise (NothingSelectedError if patterns_only else UsageError)(*problems)
    return hits


def _hits_of(target: str, graph: _Graph) -> _Hits:
    if target in graph.nodes:
        return {target: ()}
    upstream, downstream = target.startswith("+"), target.endswith("+")
    named = _named(target.removeprefix("+").removesuffix("+"), graph)
    # What it needs is selected anyway: ``+a`` says so, for those who read the command.
    reached = graph.reached(named, graph.needs) if upstream else set[str]()
    reached |= graph.reached(named, graph.needed_by) if downstream else set()
    return {**dict.fromkeys(reached, ()), **named}


def _named(name: str, graph: _Graph) -> _Hits:
    if name in graph.nodes:
        return {name: ()}
    matching: _Hits = {id_: () for id_ in graph.nodes if _GLOB.search(name) and _match(id_, name)}
    if matching:
        return matching
    head, colon, asked = name.partition(":")
    if not colon:
        return {}
    fans = [node for id_, node in graph.nodes.items() if node.fan and _match(id_, head)]
    meant = ((node, f"{node.id}:{_label(asked, node)}") for node in fans)
    return {node.id: (pattern,) for node, pattern in meant if _has(node, pattern)}


def _match(id_: str, pattern: str) -> bool:
    return id_ == pattern or fnmatchcase(id_, pattern)


def _label(asked: str, node: PlannedNode) -> str:
    """The label, or the glob of labels, that *asked* means: it may be the value itself."""
    composed = normalize("NFC", asked)
    parts = composed.split(",") if node.fan is not None and node.fan.cross else [composed]
    if _GLOB.search(asked) or all(map(_LABEL.fullmatch, parts)):
        return composed
    return ",".join(safe_label(part) or part for part in parts)


def _has(node: PlannedNode, pattern: str) -> bool:
    instances = known_instances(node)
    return instances is None or any(_match(instance, pattern) for instance in instances)


def _limited(node: PlannedNode, only: tuple[str, ...]) -> PlannedNode:
    if node.fan is None or not only:
        return node
    fan = replace(node.fan, only=tuple(dict.fromkeys(only)))
    return replace(node, fan=replace(fan, quorum=_reachable_quorum(replace(node, fan=fan), fan)))


def _reachable_quorum(node: PlannedNode, fan: Fan) -> int | None:
    """The quorum of a limited fan-out: no more than the instances that were selected."""
    known = known_instances(node)
    if fan.quorum is None or (known is None and any(map(_GLOB.search, fan.only))):
        return fan.quorum
    return min(fan.quorum, len(fan.only if known is None else known))


def _tagged(node: PlannedNode, tags: Sequence[str]) -> bool:
    return not tags or any(tag in node.options.tags for tag in tags)


def _always(_: str) -> bool:
    return True


def _unknown(target: str, graph: _Graph) -> Problem:
    if _GLOB.search(target):
        return Problem("unknown-target", f"no phase matches '{target}'", None, _listed(graph.nodes))
    name = target.strip("+")
    head = name.partition(":")[0]
    if (node := graph.nodes.get(head)) is not None and head != name:
        return _unknown_instance(name, node)
    known = [*graph.nodes, *_all_instances(graph.nodes.values())]
    near = get_close_matches(name, known, n=2, cutoff=0.5)
    if not near:
        hints = _listed(graph.nodes)
        return Problem("unknown-target", f"no phase '{target}'", None, hints)
    asked = " or ".join(f"'{one}'" for one in near)
    return Problem("unknown-target", f"no phase '{target}'; did you mean {asked}?")


def _unknown_instance(name: str, node: PlannedNode) -> Problem:
    if node.fan is None:
        hint = f"orchcore run {node.id}"
        message = f"no instance '{name}': '{node.id}' is one node"
        return Problem("unknown-target", message, node.where, (hint,))
    return Problem("unknown-target", f"no instance '{name}'", None, _listed(known_instances(node)))


def _all_instances(nodes: Iterable[PlannedNode]) -> Iterator[str]:
    for node in nodes:
        yield from known_instances(node) or ()


def _listed(names: Iterable[str] | None) -> tuple[str, ...]:
    known = list(names or ())
    more = f", and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return (f"known: {', '.join(known[:_LISTED])}{more}",) if known else ()


def _nothing(nodes: Sequence[PlannedNode], request: Selection) -> Problem:
    asked = [*request.targets]
    asked += [f"-k '{request.keyword}'"] if request.keyword is not None else []
    asked += [f"-t {tag}" for tag in request.tag]
    hints = ["see what there is:   orchcore list"]
    if request.tag:
        tags = sorted({tag for node in nodes for tag in node.options.tags})
        hints.insert(0, f"tags: {', '.join(tags)}" if tags else "no phase has tags=[...]")
    return Problem("nothing-selected", f"no phase fits {' '.join(asked)}", None, tuple(hints))
