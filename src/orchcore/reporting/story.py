"""A run so far, folded from its events.

A ``Story`` belongs to one display, which tells it every event in order and draws what it finds.
No I/O and no clock: the time comes with the events, or as an argument. Events for nodes that
the plan did not draw are taken as they come: a display never fails a run.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from orchcore.events import (
    AgentSaid,
    AgentStalled,
    ApprovalAsked,
    ApprovalGiven,
    AttemptStarted,
    Event,
    InstanceEnded,
    LimitAwaited,
    NodeDrawn,
    NodeEnded,
    NodeExpanded,
    Queued,
    RetryScheduled,
    RunEnded,
    RunStarted,
    StopRequested,
    SubStepEnded,
    SubStepStarted,
    TurnEnded,
    TurnReused,
    TurnStarted,
    Warned,
)
from orchcore.reporting.leaf import Leaf
from orchcore.results import NodeState, counted_states

TALLIED = (
    "passed", "reused", "partial", "failed", "blocked", "skipped", "cancelled", "paused",
    "running", "waiting",
)  # fmt: skip
"""States in the order in which they are counted out."""

type Fate = Literal["unknown", "goes on", "died"]
"""What is known from elsewhere of a run whose last event was not told."""

_SHARED = frozenset({"blocked", "skipped", "cancelled", "paused"})
"""Ends of a node that are also the ends of its instances that never started."""


@dataclass(slots=True)
class NodeStory:
    """One node of the plan.

    Attributes:
        own: The node itself; what is shown until it has instances.
        instances: By id, in their order; empty outside a fan-out.
        expanded: Whether it was told that these are all.
    """

    drawn: NodeDrawn
    own: Leaf
    instances: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    expanded: bool = False
    end: NodeEnded | None = None

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """What is shown of it: its instances, or itself."""
        return tuple(self.instances.values()) or (self.own,)

    @property
    def told(self) -> tuple[Leaf, ...]:
        """``leaves``, and itself where it is partial or its instances do not tell why it failed."""
        state = self.own.state
        instances: list[NodeState] = [leaf.state for leaf in self.instances.values()]
        failure = self.end.failure if self.end is not None else None
        by_quorum = state == "failed" and failure is not None and failure.kind == "quorum"
        by_itself = state in counted_states(state, instances)[len(instances) :]
        return (*self.leaves, self.own) if instances and (by_quorum or by_itself) else self.leaves

    def awaited_by(self, label: str) -> str:
        """What an instance with *label* (``:codex``) waits for; empty if that has ended."""
        element = self.instances.get(f"{self.drawn.id}{label}") if label else None
        if element is not None:
            return "" if element.ended else element.id
        return f"{self.drawn.id}:*" if self.drawn.fan else self.drawn.id


@dataclass(slots=True)
class Story:
    """Everything a display may want to know about a run.

    Attributes:
        run: The first event; ``None`` before it.
        nodes: By id, in plan order.
        ended: The last event; ``None`` while the run goes on.
        fate: What is known of it while it has not ended.
        stop: Why the run is being ended early, if it is: the first reason that was given.
        warnings: In the order they came.
    """

    run: RunStarted | None = None
    nodes: dict[str, NodeStory] = field(default_factory=dict[str, NodeStory])
    ended: RunEnded | None = None
    fate: Fate = "unknown"
    stop: StopRequested | None = None
    warnings: list[Warned] = field(default_factory=list[Warned])
    _by_id: dict[str, Leaf] = field(default_factory=dict[str, Leaf])

    def tell(self, event: Event) -> None:
        """Takes *event* in; a kind that is not known is nothing to tell."""
        told = self._told.get(type(event))
        if told is not None:
            told(self, event)

    @property
    def leaves(self) -> Iterator[Leaf]:
        """All that is shown, in plan order."""
        for node in self.nodes.values():
            yield from node.leaves

    @property
    def told(self) -> Iterator[Leaf]:
        """``leaves``, and the fan-outs that came to something that their instances do not tell."""
        for node in self.nodes.values():
            yield from node.told

    def give_up(self) -> None:
        """The run's process died: what had not ended never will."""
        self.fate = "died"
        for leaf in self.leaves:
            if not leaf.ended:
                leaf.state = "cancelled"

    def leaf(self, leaf_id: str) -> Leaf:
        """The node or instance *leaf_id*, made up where the plan did not draw it."""
        return self._by_id.get(leaf_id) or self._unforeseen(leaf_id)

    def node_of(self, leaf: Leaf) -> NodeStory:
        """The node that *leaf* is, or is an instance of."""
        return self.nodes[leaf.node]

    def awaited(self, leaf: Leaf) -> tuple[str, ...]:
        """What *leaf* still waits for: ``review:*`` for a fan-out; empty when it is ready.

        Once the instances of its own node are known, all that it shares with them is there: what
        it still waits for is the element with its own label.
        """
        node = self.node_of(leaf)
        needs = (self.nodes.get(need) for need in node.drawn.needs)
        label = leaf.id.removeprefix(node.drawn.id) if node.expanded else ""
        return tuple(
            awaited
            for need in needs
            if need is not None and need.end is None and (awaited := need.awaited_by(label))
        )

    def tally(self) -> dict[str, int]:
        """How many are in each state, in the order of ``TALLIED``, zeros left out.

        Leaves count, and fan-outs that came to something that no instance tells.
        """
        counts: Mapping[str, int] = self.ended.states if self.ended else self._counts()
        others = (state for state in counts if state not in TALLIED)
        return {state: counts[state] for state in (*TALLIED, *others) if counts.get(state)}

    def cost_usd(self) -> float | None:
        """What the priced turns cost so far; ``None`` when no price is known."""
        known = [cost for leaf in self.leaves if (cost := leaf.cost_usd) is not None]
        if self.ended is not None and (known or self.ended.cost_usd):
            return self.ended.cost_usd
        return sum(known) if known else None

    def unpriced_turns(self) -> int:
        """How many finished turns have no known price."""
        if self.ended is not None:
            return self.ended.unpriced_turns
        return sum(leaf.unpriced_turns for leaf in self.leaves)

    def simulated(self) -> bool:
        """Whether a demo agent took part."""
        return any(leaf.simulated for leaf in self.leaves) or bool(
            self.ended and self.ended.simulated
        )

    def elapsed_s(self, now: float) -> float:
        """How long the run takes or took."""
        if self.ended is not None:
            return self.ended.duration_s
        return max(now - self.run.at, 0.0) if self.run else 0.0

    def _counts(self) -> Counter[str]:
        return Counter(
            state
            for node in self.nodes.values()
            for state in counted_states(
                node.own.state, [leaf.state for leaf in node.instances.values()]
            )
        )

    def _unforeseen(self, leaf_id: str) -> Leaf:
        node_id, _, label = leaf_id.partition(":")
        if not label:
            return self._draw(
                NodeDrawn(leaf_id, "phase", (), fan=False, instances=(), where="")
            ).own
        if node_id not in self.nodes:
            self._draw(NodeDrawn(node_id, "phase", (), fan=True, instances=(), where=""))
        return self._add_instance(self.nodes[node_id], leaf_id)

    def _draw(self, drawn: NodeDrawn) -> NodeStory:
        node = self.nodes[drawn.id] = NodeStory(drawn, Leaf(drawn.id, drawn.id))
        self._by_id[drawn.id] = node.own
        for instance in drawn.instances:
            self._add_instance(node, instance)
        return node

    def _add_instance(self, node: NodeStory, leaf_id: str) -> Leaf:
        if leaf_id not in node.instances:
            node.instances[leaf_id] = self._by_id[leaf_id] = Leaf(leaf_id, node.drawn.id)
        return node.instances[leaf_id]

    def _start_run(self, event: RunStarted) -> None:
        """The first process begins it; each further one goes on with it, and tells all anew."""
        self.run = event
        self.ended = self.stop = None
        for drawn in event.nodes:
            self._draw(drawn)

    def _expand(self, event: NodeExpanded) -> None:
        self.leaf(event.node)
        node = self.nodes[event.node]
        node.expanded = True
        for instance in event.instances:
            self._add_instance(node, instance)

    def _end_node(self, event: NodeEnded) -> None:
        self.leaf(event.node).finish(event)
        node = self.nodes[event.node]
        node.end = event
        if not any(leaf.end for leaf in node.instances.values()):
            # Nothing of it ever ran (blocked, skipped, cancelled): one line says it all.
            node.instances.clear()
        for leaf in node.instances.values():
            if leaf.end is None:
                leaf.state = event.state if event.state in _SHARED else "cancelled"

    def _end_run(self, event: RunEnded) -> None:
        self.ended = event

    def _stop(self, event: StopRequested) -> None:
        self.stop = event if self.stop is None else replace(event, reason=self.stop.reason)

    def _warn(self, event: Warned) -> None:
        self.warnings.append(event)

    def _start_attempt(self, event: AttemptStarted) -> None:
        self.leaf(event.node).start(event.at, event.attempt)

    def _retry(self, event: RetryScheduled) -> None:
        self.leaf(event.node).schedule_retry(event)

    def _queue(self, event: Queued) -> None:
        self.leaf(event.node).queue(event.at, waits=event.waits)

    def _end_instance(self, event: InstanceEnded) -> None:
        self.leaf(event.node).finish(event)

    def _start_turn(self, event: TurnStarted) -> None:
        self.leaf(event.node).start_turn(event)

    def _hear(self, event: AgentSaid) -> None:
        self.leaf(event.node).hear(event.at, event.turn, event.event)

    def _end_turn(self, event: TurnEnded) -> None:
        self.leaf(event.node).end_turn(event)

    def _reuse_turn(self, event: TurnReused) -> None:
        leaf = self.leaf(event.node)
        leaf.reused_turns += 1
        leaf.simulated |= event.simulated

    def _start_step(self, event: SubStepStarted) -> None:
        sign = "$ " if event.step == "command" else ""
        self.leaf(event.node).activity = f"{sign}{event.label}"

    def _end_step(self, event: SubStepEnded) -> None:
        leaf = self.leaf(event.node)
        leaf.activity = ""
        leaf.note_failure(event.path, event.failure)

    def _ask(self, event: ApprovalAsked) -> None:
        leaf = self.leaf(event.node)
        leaf.start(event.at, leaf.attempt)
        leaf.question = event.question

    def _answer(self, event: ApprovalGiven) -> None:
        leaf = self.leaf(event.node)
        leaf.question = ""
        leaf.answered_by = event.by

    def _await_limit(self, event: LimitAwaited) -> None:
        self.leaf(event.node).await_limit(event)

    def _stall(self, event: AgentStalled) -> None:
        leaf = self.leaf(event.node)
        leaf.activity = f"silent for {event.silent_s:.0f}s, ending it"
        leaf.idle_limit_s = event.limit_s

    _told: ClassVar[Mapping[type, Callable[..., None]]] = {
        RunStarted: _start_run,
        NodeExpanded: _expand,
        AttemptStarted: _start_attempt,
        RetryScheduled: _retry,
        Queued: _queue,
        InstanceEnded: _end_instance,
        NodeEnded: _end_node,
        TurnStarted: _start_turn,
        AgentSaid: _hear,
        TurnEnded: _end_turn,
        TurnReused: _reuse_turn,
        SubStepStarted: _start_step,
        SubStepEnded: _end_step,
        ApprovalAsked: _ask,
        ApprovalGiven: _answer,
        AgentStalled: _stall,
        LimitAwaited: _await_limit,
        Warned: _warn,
        StopRequested: _stop,
        RunEnded: _end_run,
    }
