"""What earlier runs made, for phases that want it (``cache=``)."""

from collections.abc import Iterable
from dataclasses import replace

from orchcore.events import InstanceEnded, NodeEnded
from orchcore.execution.choosing import Choice
from orchcore.execution.clock import Clock
from orchcore.execution.keys import Key
from orchcore.execution.resolving import Cell
from orchcore.journal.cache_files import Cached, CacheFiles

SHOWN_KEY = 12
"""So many digits of a key are shown."""


class Cache:
    """Finds and keeps results.

    Args:
        files: Where they are; ``None``: nowhere.
        takes: Whether what is there is used (not with ``--no-cache``).
        clock: Tells how old they are.
    """

    def __init__(self, files: CacheFiles | None, clock: Clock, *, takes: bool = True) -> None:
        self._files = files
        self._takes = takes
        self._clock = clock

    def found(self, cell: Cell, key: Key) -> NodeEnded | InstanceEnded | None:
        """How *cell* ended in another run, if it may be used; its reason says when and where."""
        age_s = cell.node.options.cache_s
        if self._files is None or not self._takes or not age_s or not key.digest:
            return None
        cached = self._files.find(key.digest)
        if cached is None or cached.ended.key != key.digest:
            return None
        old_s = self._clock.unix() - cached.at
        models = self._files.models()
        if not 0 <= old_s <= age_s or any(models.get(k) != m for k, m in cached.models.items()):
            return None
        told = f"cached {_ago(old_s)} ago in run {cached.run}, key {key.digest[:SHOWN_KEY]}"
        return replace(cached.ended, reason=told)

    def keep(self, cell: Cell, event: NodeEnded | InstanceEnded, run: str) -> None:
        """*cell* has ended; what it gave is kept if it is wanted and whole."""
        wanted = cell.node.options.cache_s and event.state == "passed" and event.key
        if self._files is None or not wanted or event.value is None or cell.spent.uncached:
            return
        self._files.keep(event.key, Cached(run, self._clock.unix(), event, cell.spent.models))

    def hear(self, choice: Choice, model: str) -> None:
        """*model* answers a turn of *choice*."""
        if self._files is not None:
            self._files.hear(asked_as(choice), model)


def asked_as(choice: Choice) -> str:
    """Who is asked, by name and by model."""
    return f"{choice.name} {choice.model or ''}".rstrip()


_UNITS: Iterable[tuple[float, str]] = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def _ago(seconds: float) -> str:
    size, unit = next((one for one in _UNITS if seconds >= one[0]), (1.0, "s"))
    return f"{seconds // size:.0f} {unit}"
