"""Holds OpenCode to a permission and to a list of tools, whatever its configuration says.

Rules of OpenCode 1.18.33, measured: a permission's name is a pattern; the last rule that matches
decides; rules of ``OPENCODE_PERMISSION`` come after those of all configuration, an agent's own
after them, and both keep the place of a key that is there already. A tool that is denied is not
offered. A rule that asks is rejected where nobody answers, and the turn stops without an answer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import cast

from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError

DEFAULT_AGENT = "build"

type Rule = str | Mapping[str, str]

# Tools that only look; ``invalid`` tells the model what is wrong with a call.
_READ: Mapping[str, Rule] = {
    "read": {"*": "allow", "*.env": "deny", "*.env.*": "deny", "*.env.example": "allow"},
    "grep": "allow",
    "glob": "allow",
    "list": "allow",
    "todowrite": "allow",
    "invalid": "allow",
}
_WRITERS = {"write": "edit", "patch": "edit", "apply_patch": "edit", "multiedit": "edit"}
# In a forked session they are offered even without a terminal, and wait for ever.
_NEVER: Mapping[str, Rule] = {"question": "deny", "plan_enter": "deny", "plan_exit": "deny"}


def restricts(invocation: Invocation) -> bool:
    """Whether *invocation* allows less than the user's configuration does."""
    return _allowed(invocation) is not None


def value_of(option: str, args: Sequence[str]) -> str:
    """What *args* say for *option*, or nothing."""
    for index, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name == option:
            return value if equals else "".join(args[index + 1 : index + 2])
    return ""


def merged_env(invocation: Invocation) -> Mapping[str, Callable[[str], str]]:
    """Permissions, over those of the user's own variables and files.

    ``OPENCODE_PERMISSION`` is merged over all configuration, but an agent's own permissions come
    after it; those are merged from ``OPENCODE_CONFIG_CONTENT``.
    """
    rules = _rules(invocation)
    agent = value_of("--agent", invocation.args) or DEFAULT_AGENT
    merged: dict[str, Callable[[str], str]] = {
        "OPENCODE_PERMISSION": lambda told: _with_rules("OPENCODE_PERMISSION", told, (), rules)
    }
    if restricts(invocation):
        merged["OPENCODE_CONFIG_CONTENT"] = lambda told: _with_rules(
            "OPENCODE_CONFIG_CONTENT", told, ("agent", agent, "permission"), rules
        )
    return merged


def _rules(invocation: Invocation) -> Mapping[str, Rule]:
    """Rules that decide whatever the user's say; none of them asks, for nobody would answer.

    The last rule that matches decides, and a key that the user's configuration has keeps its place
    there. So ours are spelled as nobody's are: ``**`` for ``*``, ``rea?`` for ``read``.
    """
    allowed = _allowed(invocation)
    only = {} if allowed is None else {"**": "deny", **_unique(allowed)}
    return {**only, **_unique(_NEVER)}


def _unique(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    return {_spelled(name): rule for name, rule in rules.items()}


def _spelled(name: str) -> str:
    return f"{name}*" if name[-1:] == "*" else f"{name[:-1]}?"


def _allowed(invocation: Invocation) -> Mapping[str, Rule] | None:
    """What may be used, nothing else; ``None`` for all that the user's configuration allows."""
    if invocation.tools is not None:
        _check_tools(invocation)
        outside = {"external_directory": "allow", "doom_loop": "allow"}
        more = outside if invocation.permission == "full" else {}
        return {**_of_tools(invocation.tools), **more, "invalid": "allow"}
    if invocation.permission == "read-only":
        return _READ
    return {**_READ, "edit": "allow"} if invocation.permission == "edit" else None


def _of_tools(asked: Sequence[str]) -> dict[str, Rule]:
    """Rules for tools by OpenCode's names: ``read``, ``bash(git diff *)``."""
    rules: dict[str, Rule] = {}
    for tool in asked:
        name, parenthesis, pattern = tool.partition("(")
        key = _WRITERS.get(name, name)
        before = rules.get(key)
        if not parenthesis:
            rules[key] = _READ.get(key, "allow")
        elif not isinstance(before, str):
            rules[key] = {**(before or {"*": "deny"}), pattern.removesuffix(")"): "allow"}
    return rules


def _check_tools(invocation: Invocation) -> None:
    """Refuses what would make ``read-only`` untrue."""
    writing = [tool for tool in invocation.tools or () if _writes(tool)]
    if invocation.permission == "read-only" and writing:
        raise UsageError(
            Problem(
                "unsupported-option",
                f"tools {', '.join(writing)} can write, but the permission is 'read-only'",
                hints=('permission="edit"', f"leave out {', '.join(writing)}"),
            )
        )


def _writes(tool: str) -> bool:
    """Whether *tool* makes ``read-only`` untrue; ``bash(git diff *)`` is the user's word."""
    name, _, pattern = tool.partition("(")
    rule = _spelled(name)
    if any(fnmatchcase(writer, rule) for writer in ("edit", *_WRITERS)):
        return True
    return fnmatchcase("bash", rule) and not pattern.strip("*?) ")


def _with_rules(variable: str, told: str, path: Sequence[str], rules: Mapping[str, Rule]) -> str:
    """The JSON object *told* with *rules* merged into its object at *path*.

    Raises:
        UsageError: *told* is no JSON object.
    """
    try:
        config: object = json.loads(told) if told.strip() else {}
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise UsageError(
            Problem(
                "unsupported-option",
                f"{variable} is no JSON object, so that no permissions can be added to it",
                hints=(f"write {variable} without comments and trailing commas",),
            )
        )
    return json.dumps(_merged(cast("dict[str, object]", config), path, rules))


def _merged(
    config: dict[str, object], path: Sequence[str], rules: Mapping[str, Rule]
) -> dict[str, object]:
    if not path:
        return {**config, **rules}
    inner = config.get(path[0])
    below = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
    return {**config, path[0]: _merged(below, path[1:], rules)}
