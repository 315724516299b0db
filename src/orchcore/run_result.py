"""What ``run`` gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from orchcore.declarations.sources import Source
from orchcore.errors import OrchcoreError, Problem, did_you_mean
from orchcore.results import NodeState


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to.

    Attributes:
        run: The run's id.
        exit_code: As the command line would exit.
        states: State of every node and instance, by id.
        folder: Where it is recorded.
    """

    run: str
    exit_code: int
    states: Mapping[str, NodeState]
    folder: Path
    _value_of: Callable[[Source[Any]], object] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether everything passed."""
        return self.exit_code == 0

    def value[T](self, source: Source[T], /) -> T:
        """What *source* gave: a node, a gate, or what is made from them.

        Raises:
            OrchcoreError: It gave nothing, was not run, or is a conversation.

        Example:
            >>> result.value(plan.pick(lambda plan: plan.steps))
        """
        return cast("T", self._value_of(source))

    def state(self, node: str, /) -> NodeState:
        """The state in which a node or instance ended.

        Args:
            node: Its id: ``"review"``, ``"review:codex"``.

        Raises:
            OrchcoreError: No such node was run.
        """
        if node in self.states:
            return self.states[node]
        hints = did_you_mean(str(getattr(node, "name", node)), self.states)
        message = f"no phase or instance {node!r} was run"
        raise OrchcoreError(Problem("unknown-target", message, None, hints))
