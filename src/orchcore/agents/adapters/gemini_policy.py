"""The policy file that holds Gemini CLI to a permission or to a list of tools.

Its rules stand at the top of the user's tier, above everything but an administrator's policies:
``allow`` at 999 for what may be used, ``deny`` at 998 for the rest. Gemini CLI 0.61 does not even
offer a denied tool to the model, and denies headless what it would have to ask for.
"""

import json
import re
from collections.abc import Iterator

from orchcore.errors import Problem, UsageError
from orchcore.policies import Permission

READ = (
    *("read_file", "read_many_files", "list_directory", "glob", "grep_search"),
    *("google_web_search", "get_internal_docs", "codebase_investigator", "cli_help"),
    *("update_topic", "write_todos", "complete_task"),
)
"""What only reads, or keeps the agent's own notes."""

WRITE = ("write_file", "replace")
SHELL = "run_shell_command"

_TOOL = re.compile(r"(?P<name>[A-Za-z0-9_.:*-]+)(?:\((?P<prefix>.+)\))?", re.DOTALL)


def policy(permission: Permission, tools: tuple[str, ...] | None) -> bytes | None:
    """The file's content; ``None`` where nothing is forbidden.

    Args:
        permission: What the agent may do to files and shell.
        tools: The only tools it may use, by the CLI's own names; ``run_shell_command(git diff)``
            is the shell for commands that begin so.

    Raises:
        UsageError: A tool cannot be named so, or can write under ``read-only``.
    """
    if tools is None and permission == "full":
        return None
    if tools is None:
        allowed = [_rule(READ if permission == "read-only" else (*READ, *WRITE))]
    else:
        allowed = list(_asked(permission, tools))
    denied = '[[rule]]\ntoolName = "*"\ndecision = "deny"\npriority = 998\n'
    return "\n".join((*allowed, denied)).encode("utf-8", "replace")


def _asked(permission: Permission, tools: tuple[str, ...]) -> Iterator[str]:
    for tool in tools:
        found = _TOOL.fullmatch(tool)
        if found is None or (found["prefix"] and found["name"] != SHELL):
            raise _refusal(
                f"{tool!r} is no tool of Gemini CLI", f'tools=["read_file", "{SHELL}(git diff)"]'
            )
        if permission == "read-only" and _writes(found):
            raise _refusal(
                f"tool {tool} can write, but the permission is 'read-only'", 'permission="edit"'
            )
        yield _rule((found["name"],), found["prefix"] or "")


def _writes(found: re.Match[str]) -> bool:
    """Whether a tool makes ``read-only`` untrue; a command's beginning is the user's word."""
    name = found["name"]
    return name in WRITE or "*" in name or (name == SHELL and not found["prefix"])


def _rule(names: tuple[str, ...], prefix: str = "") -> str:
    # JSON's strings and lists of strings are TOML's, but for the escaped half of a surrogate pair.
    told = f"toolName = {json.dumps(list(names), ensure_ascii=False)}\n"
    if prefix:
        told += f"commandPrefix = {json.dumps(prefix, ensure_ascii=False)}\n"
    elif SHELL in names:
        told += "allowRedirection = true\n"
    return f'[[rule]]\n{told}decision = "allow"\npriority = 999\n'


def _refusal(message: str, hint: str) -> UsageError:
    return UsageError(Problem("unsupported-option", message, hints=(hint,)))
