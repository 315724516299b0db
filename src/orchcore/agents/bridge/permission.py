"""Which tool calls a permission allows, and how an agent that asks is answered. Pure."""

from collections.abc import Sequence

from orchcore.agents.adapters.json_fields import Fields

LOOKING = frozenset({"read", "search", "fetch", "think"})
CHANGING = frozenset({"edit", "delete", "move"})


def allows(permission: str, kind: str) -> bool:
    """Whether a tool call of *kind* may run; an unknown or missing one only under ``full``.

    Example:
        >>> allows("edit", "move"), allows("edit", "execute"), allows("read-only", "")
        (True, False, False)
    """
    if permission == "full":
        return True
    return kind in LOOKING or (permission == "edit" and kind in CHANGING)


def chosen(options: Sequence[Fields], *, allowed: bool) -> str | None:
    """The id of the option that says so for this one call; ``None`` if there is none.

    What is said for ever might be kept in the user's own settings of the agent: it is the second
    choice.
    """
    wanted = ("allow_once", "allow_always") if allowed else ("reject_once", "reject_always")
    by_kind = {option.text("kind"): option.text("optionId") for option in reversed(options)}
    return next((by_kind[kind] for kind in wanted if by_kind.get(kind)), None)
