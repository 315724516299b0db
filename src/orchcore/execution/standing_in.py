"""Other agents, which stand in for one whose account is closed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from orchcore.execution.asking import Asked, Office
from orchcore.execution.choosing import Choice
from orchcore.execution.governor import Governor, Scope
from orchcore.journal.past import PastTurn

_TAKEN_OVER = """\
You take over from another agent, which cannot go on now. This is what was said before; files are \
as it left them.

<conversation>
{said}
</conversation>

Go on with this:

{prompt}"""


def governor_of(office: Office, choice: Choice) -> Governor:
    """Who knows of the limits of *choice*."""
    return office.rehearsed if choice.adapter.capabilities.simulated else office.governor


def scope_of(office: Office, choice: Choice) -> Scope:
    """What limits that turns of *choice* may meet are of."""
    return Scope(choice.limited_as(office.around.environ), choice.model or "")


def closed_s(office: Office, choice: Choice) -> float:
    """For how many seconds no turn of *choice* may start."""
    return governor_of(office, choice).closed_s(scope_of(office, choice))


@dataclass(frozen=True, slots=True)
class StandIns:
    """Who may answer in place of an agent, and how they are asked.

    Attributes:
        office: The run.
        choice: Whom they stand in for.
    """

    office: Office
    choice: Choice

    def best(self) -> Choice:
        """The first of them all that may start now, or else the one that may soonest."""
        return min(self._all(), key=lambda one: closed_s(self.office, one))

    def named(self, name: str) -> Choice:
        """The one called *name*, used as the other would be."""
        if name == self.choice.name:
            return self.choice
        book = self.office.book
        return replace(book.choice(name, self.choice.options, None, None), cwd=self.choice.cwd)

    def asked(self, asked: Asked, name: str) -> Asked:
        """What *name* is asked: all of it, and before that what was said in the conversation."""
        if name == self.choice.name:
            return asked
        asked = replace(asked.whole or asked, read=asked.read)
        if asked.resumed is None:
            return asked
        said = "\n".join(_said(self.office.memory.conversation(asked.resumed.session_id)))
        prompt = _TAKEN_OVER.format(said=said, prompt=asked.prompt)
        return replace(asked, prompt=prompt, resumed=None)

    def _all(self) -> Iterator[Choice]:
        yield self.choice
        names = map(self.office.book.name_for, self.choice.options.fallback)
        for name in dict.fromkeys(names):
            if name != self.choice.name:
                yield self.named(name)


def _said(turns: Iterable[PastTurn]) -> Iterator[str]:
    for turn in turns:
        yield f"<user>\n{turn.begun.prompt}\n</user>"
        yield f"<assistant>\n{turn.over.text}\n</assistant>"
