"""What is asked of an agent beyond a prompt, and which agents can do it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchcore.agents.adapters.protocol import Capabilities
from orchcore.errors import Problem
from orchcore.policies import Permission


@dataclass(frozen=True, slots=True)
class Ability:
    """Something that not every agent can do.

    Attributes:
        words: What it is, after "cannot".
        held: Whether an agent of these capabilities can.
    """

    words: str
    held: Callable[[Capabilities], bool]


RESUME = Ability("go on with a conversation", lambda able: able.resume)
FORK = Ability("fork a conversation", lambda able: able.fork)
TOOLS = Ability("take tools=", lambda able: able.tools)
MAX_TURNS = Ability("take max_turns=", lambda able: able.max_turns)
MAX_TOOL_CALLS = Ability("take max_tool_calls=", lambda able: able.tool_calls)
HERMETIC = Ability("be hermetic", lambda able: able.hermetic)


def held_to(permission: Permission) -> Ability:
    """The ability to be kept to *permission*."""
    return Ability(
        f'be held to permission="{permission}"', lambda able: permission in able.permissions
    )


def lacking(
    name: str,
    able: Capabilities,
    asked: Iterable[Ability],
    others: Mapping[str, Capabilities],
) -> Iterator[Problem]:
    """A problem for each ability that is asked of the agent *name* and that it has not.

    Args:
        name: The agent's.
        able: What it can do.
        asked: What it shall do.
        others: Every agent there is, for the hint.
    """
    for ability in (one for one in asked if not one.held(able)):
        can = ", ".join(sorted(other for other, its in others.items() if ability.held(its)))
        hint = f"these can: {can}" if can else "no agent here can"
        message = f"agent '{name}' cannot {ability.words}"
        yield Problem("unsupported-option", message, None, (hint,))
