"""What ``run`` gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from orchcore.declarations.sources import Source
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
    _values: Mapping[Any, object]
    _ids: Mapping[Any, str]

    @property
    def ok(self) -> bool:
        """Whether everything passed."""
        return self.exit_code == 0

    def value[T](self, source: Source[T], /) -> T:
        """What *source* gave.

        Raises:
            KeyError: It gave nothing, or is no node of this run.
        """
        return cast("T", self._values[source])

    def state(self, node: Source[object] | str, /) -> NodeState:
        """The state in which a node or instance ended.

        Raises:
            KeyError: No such node.
        """
        return self.states[node if isinstance(node, str) else self._ids[node]]
