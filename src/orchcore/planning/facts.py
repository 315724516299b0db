"""What is worth saying of a planned node, as short texts; the drawings share them.

Names, labels and conditions come from users. Here they become one line each without anything
that cannot be seen; quoting for a format is each drawing's own.
"""

from collections.abc import Iterator

from orchcore.declarations.edges import Marker
from orchcore.declarations.sources import Condition
from orchcore.planning.plan import Fan, NodeOptions, Plan, PlannedNode
from orchcore.planning.selection import known_instances

_LISTED = 8


def one_line(text: str) -> str:
    r"""*text* with everything invisible written out: ``a\nb``, ``\x1b[31m``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def edge_text(value: object) -> str:
    """An option's value or edge as a person would write it; empty for ``None``."""
    if value is None:
        return ""
    return one_line(value.shown() if isinstance(value, Marker) else str(value))


def agent_of(node: PlannedNode, plan: Plan) -> str:
    """Which agent works on *node*; empty if none does or none is named."""
    if node.role != "agent":
        return ""
    named = node.options.cli
    if plan.agent is not None or named is None:
        named = plan.agent or plan.config.settings.default_agent
    return edge_text(named)


def model_of(node: PlannedNode, plan: Plan) -> str:
    """Which model was asked for; empty if none was."""
    if node.role != "agent":
        return ""
    return edge_text(node.options.model if plan.model is None else plan.model)


def role_text(node: PlannedNode, plan: Plan) -> str:
    """``agent claude``, ``phase``, ``gate``."""
    model = model_of(node, plan)
    return " ".join(filter(None, (node.role, agent_of(node, plan), model and f"({model})")))


def needs_text(node: PlannedNode) -> str:
    """``needs plan, review``; empty if it needs nothing."""
    return f"needs {', '.join(map(one_line, node.needs))}" if node.needs else ""


def instances_text(node: PlannedNode, plan: Plan) -> str:
    """``2 instances: codex, claude``; empty outside a fan-out."""
    if node.fan is None:
        return ""
    known = known_instances(node)
    if known is None:
        return f"instances from {', '.join(_origins(node.fan, plan))}{_only(node.fan)}"
    labels = [one_line(id_[len(node.id) + 1 :]) for id_ in known]
    more = ", ..." if len(labels) > _LISTED else ""
    listed = f": {', '.join(labels[:_LISTED])}{more}" if node.fan.axes or node.fan.only else ""
    return f"{len(labels)} instance{'' if len(labels) == 1 else 's'}{listed}"


def parallel_text(node: PlannedNode) -> str:
    """``3 at once, 2 must pass``; empty outside a fan-out and for gates."""
    fan = node.fan
    if fan is None or node.role == "gate":
        return ""
    selected = " of those selected" if fan.only else ""
    quorum = f", {fan.quorum}{selected} must pass" if fan.quorum is not None else ""
    return f"{fan.parallel} at once{quorum}{', first failure stops' if fan.fail_fast else ''}"


def when_text(node: PlannedNode) -> str:
    """``when plan.where(...)``, ``when False`` (a parameter said no); empty if it always runs."""
    if isinstance(node.when, Condition):
        return f"when {one_line(str(node.when))}"
    return "" if node.when else "when False"


def limits_text(node: PlannedNode) -> str:
    """``timeout 30m, idle 5m, 1 retry``: what was set for *node*; empty if nothing was."""
    options = node.options
    retries = "1 retry" if options.retries == 1 else f"{options.retries} retries"
    return ", ".join(
        filter(
            None,
            (
                f"timeout {duration_text(options.timeout_s)}" if options.timeout_s else "",
                f"idle {duration_text(options.idle_s)}" if options.idle_s else "",
                retries if options.retries else "",
                *_counted(options),
                *(f"{one_line(name)} {count}" for name, count in options.limits.items()),
            ),
        )
    )


def duration_text(seconds: float) -> str:
    """*seconds* as one would write them in an orchfile: ``90s``, ``5m``, ``2h``."""
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def _origins(fan: Fan, plan: Plan) -> Iterator[str]:
    for axis in fan.axes:
        bound = plan.ids.get(axis.edge.source) if axis.kind != "list" else None
        yield one_line(axis.edge.shown() if bound is None else f"each({bound})")


def _only(fan: Fan) -> str:
    return f", only {', '.join(map(one_line, fan.only))}" if fan.only else ""


def _counted(options: NodeOptions) -> Iterator[str]:
    """The limits of one CLI call, each in a few words."""
    if options.max_turns is not None:
        yield f"max_turns {options.max_turns}"
    if options.max_tool_calls is not None:
        yield f"max_tool_calls {options.max_tool_calls}"
