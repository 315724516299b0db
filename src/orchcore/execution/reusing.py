"""Whether an instance has to run: what it depends on, and what was made of the same before."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from pydantic import TypeAdapter

from orchcore.collection.reach import roots
from orchcore.declarations.body import RAISED
from orchcore.declarations.nodes import Node
from orchcore.declarations.resource import Resource
from orchcore.errors import OrchcoreError
from orchcore.execution.caching import Cache
from orchcore.execution.choosing import AgentBook, Choice
from orchcore.execution.endings import Ending
from orchcore.execution.keys import Key, NoDigestError, agent_digest, text_digest, value_digest
from orchcore.execution.lineage import Lineage
from orchcore.execution.memory import Memory
from orchcore.execution.resolving import Cell
from orchcore.execution.storing import brief
from orchcore.journal.past import Ended
from orchcore.planning.drafting import CONVERSATION
from orchcore.planning.fingerprint import fingerprint, made_of
from orchcore.planning.plan import Plan, PlannedNode
from orchcore.planning.source_lines import written
from orchcore.results import SessionRef

NO_DIGEST, GIVES, SOURCE, LINE, LEFT = "no digest", "gives", "source", "line", "left"
"""Names of what is recorded beside the parts of a key and is no part of it."""

_LONGEST_SOURCE = 20_000


class Reuse:
    """Finds results that need not be made again.

    Args:
        plan: For the code and the options of nodes.
        book: The agents.
        memory: What was made before.
        cache: What other runs made.

    Attributes:
        lineage: What was left of the files, by whom.
    """

    def __init__(self, plan: Plan, book: AgentBook, memory: Memory, cache: Cache) -> None:
        self._plan = plan
        self._book = book
        self._memory = memory
        self._cache = cache
        self.lineage = Lineage()

    def key(self, cell: Cell, values: Mapping[str, object], revision: str = "") -> Key:
        """What *cell* depends on, given its inputs without resources; no digest if one has none."""
        node = cell.node
        parts = {"node": cell.identity, "returns": str(node.returns)}
        if revision:
            parts["revision"] = text_digest(revision)
        if left := self.lineage.before(cell):
            parts["files"] = left
        try:
            parts |= dict(self._inputs(node, values))
            own = None
            if node.role == "agent":
                choice = self._choice(node, values)
                own = choice.name
                parts["agent"] = agent_digest(choice, self._plan.folder)
                parts["model"] = choice.model or ""
            if told := "".join(self._of_steps(node, own)):
                parts["agents of steps"] = text_digest(told)
            parts["code"] = fingerprint(cast("Node", node.declared).spec.fn, self._plan.folder)
        except NoDigestError as error:
            return Key("", {NO_DIGEST: str(error)})
        except OrchcoreError:  # its attempt will say so
            return Key("", {NO_DIGEST: "agent"})
        except RAISED as error:  # objects of the user's that the code names may raise anything
            return Key("", {NO_DIGEST: f"code, {type(error).__name__}"})
        return Key.of(parts)

    def told(self, cell: Cell, key: Key, ending: Ending) -> Ending:
        """*ending* with what has to be recorded so that a later process can use it."""
        if not ending.gave or not key.digest:
            return ending
        try:
            beside = {GIVES: value_digest(ending.value, self._plan.folder)}
        except NoDigestError:
            return ending
        if cell.spent.left:
            beside[LEFT] = cell.spent.left
        if cell.node.role == "agent":
            source = written(cast("Node", cell.node.declared).spec.fn)
            beside |= {SOURCE: source.text[:_LONGEST_SOURCE], LINE: str(source.line)}
        return replace(ending, key=key.digest, key_parts={**key.parts, **beside})

    def found(self, cell: Cell, key: Key) -> Ending | None:
        """How *cell* ended when it was made of the same; ``None`` if it has to run."""
        kept = self._memory.result(key.digest) if key.digest else None
        return self._given_again(cell, kept)

    def cached(self, cell: Cell, key: Key) -> Ending | None:
        """How *cell* ended in another run when it was made of the same, if it wants to know."""
        kept = self._cache.found(cell, key)
        given = self._given_again(cell, kept)
        return given if given is None or kept is None else replace(given, reason=kept.reason)

    def _given_again(self, cell: Cell, kept: Ended | None) -> Ending | None:
        if kept is None or kept.value is None or cell.node.returns is None:
            return None
        try:
            value = TypeAdapter[Any](cell.node.returns).validate_json(kept.value)
            same = value_digest(value, self._plan.folder) == kept.key_parts.get(GIVES)
        except RAISED:  # the user's types may raise anything
            same, value = False, None
        if not same:  # of another type, or a file that has changed
            return None
        cell.spent.simulated |= kept.simulated
        cell.spent.leave(kept.key_parts.get(LEFT, ""), kept.at)
        return Ending(
            "reused",
            value,
            session=kept.session,
            key=kept.key,
            key_parts=kept.key_parts,
            stored=kept.value,
            brief=brief(value),
            spent=cell.spent,
        )

    def _inputs(self, node: PlannedNode, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        for name, value in values.items():
            try:
                yield f"input {_shown(name)}", value_digest(value, self._plan.folder)
            except NoDigestError as error:
                raise NoDigestError(f"{_shown(name)} is a {error}") from None
        for wire in node.wires:
            for root in roots(wire.edge):
                if isinstance(root, Resource):
                    made = fingerprint(root.generator, self._plan.folder)
                    yield f"input {_shown(wire.parameter)}", f"{root.name} {made}"

    def _of_steps(self, node: PlannedNode, own: str | None) -> Iterator[str]:
        """What the answers of agents depend on that steps ask which *node* calls.

        Args:
            node: Which.
            own: Its own agent, for steps that name none.
        """
        for step in made_of(cast("Node", node.declared).spec.fn, self._plan.folder).steps:
            options = self._plan.steps.get(step)
            if step.spec.role == "agent" and options is not None:
                asked = options.cli if isinstance(options.cli, str) else own
                name = self._book.name_for(asked)
                choice = self._book.choice(name, options, options.model, options.cwd)
                yield agent_digest(choice, self._plan.folder)

    def _choice(self, node: PlannedNode, values: Mapping[str, object]) -> Choice:
        said = {name: values.get(f"\0{name}") for name in ("cli", "model", "cwd")}
        talk = values.get(CONVERSATION)
        if isinstance(talk, SessionRef):
            name, model = talk.agent, said["model"] or talk.model
        else:
            name, model = self._book.name_for(said["cli"]), said["model"]
        return self._book.choice(name, node.options, model, said["cwd"])


def _shown(name: str) -> str:
    return "conversation" if name == CONVERSATION else name.removeprefix("\0")
