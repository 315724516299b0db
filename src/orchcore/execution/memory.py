"""What need not be done again: results of earlier processes and attempts, found by their keys."""

from collections import Counter
from contextvars import ContextVar

from orchcore.events import InstanceEnded, NodeEnded, SubStepEnded, TurnEnded, TurnStarted
from orchcore.execution.keys import Key
from orchcore.journal.past import Past, PastTurn
from orchcore.results import FileState


class Scope:
    """A place in a run where things are called: a body's attempt, or a step's.

    Equal calls within it are told apart by their order.

    Args:
        name: Equal for the same place in another process.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: Counter[str] = Counter()

    def key(self, parts: dict[str, str]) -> Key:
        """The key of something called here that depends on *parts*."""
        parts = {"scope": self.name, **parts}
        base = Key.of(parts).digest
        self._seen[base] += 1
        return Key.of({**parts, "nth": str(self._seen[base])})


SCOPE: ContextVar[Scope] = ContextVar("orchcore_scope")
"""Where the code that runs here belongs."""


class Memory:
    """Remembers what was paid for; grows while the run goes on.

    Args:
        past: What earlier processes left; empty in a new run.
    """

    def __init__(self, past: Past) -> None:
        self.past = past
        self._turns = dict(past.turns)
        self._cut = dict(past.cut)
        self._before = dict(past.before)

    def turn(self, key: str) -> PastTurn | None:
        """The turn with this *key* that answered.

        One whose answer was not valid is given once: who asks it again wants another answer.
        """
        found = self._turns.get(key)
        if found is not None and found.over.failure is not None:
            del self._turns[key]
        return found

    def cut(self, key: str) -> TurnStarted | None:
        """The turn with this *key* that an earlier process did not see the end of; given once."""
        return self._cut.pop(key, None)

    def keep(self, begun: TurnStarted, over: TurnEnded) -> None:
        """Keeps a turn of this process for later attempts."""
        if over.failure is None:
            self._before.pop(begun.key, None)
            self._turns[begun.key] = PastTurn(begun, over)

    def before(self, key: str, now: FileState | None) -> FileState | None:
        """What the files were when the turn with this *key* was begun first: *now*, or earlier."""
        return now if now is None else self._before.setdefault(key, now)

    def edits(self, key: str) -> tuple[PastTurn, ...]:
        """The turns that could edit within the node, instance or step with this *key*."""
        return self.past.edits_in.get(key, ())

    def conversation(self, session_id: str) -> list[PastTurn]:
        """The turns of a conversation, in their order, those that it was branched from first."""
        turns = [one for one in self._turns.values() if one.over.session_id == session_id]
        parent = turns[0].begun.parent if turns else None
        before = [] if parent in (None, session_id) else self.conversation(parent or "")
        return before + turns

    def step(self, key: str) -> SubStepEnded | None:
        """The step or command with this *key* that passed in an earlier process."""
        return self.past.steps.get(key)

    def result(self, key: str) -> NodeEnded | InstanceEnded | None:
        """How the node or instance with this *key* ended, if it gave a value."""
        return self.past.results.get(key)
