"""Tool calls among the items of a stream of ``codex exec --json`` (0.169.0 and 0.104.0)."""

import json
import shlex

from orchcore.agents.adapters.json_fields import Fields, digest, one_line

_TOOLS = frozenset(
    {"command_execution", "file_change", "mcp_tool_call", "collab_tool_call", "web_search"}
)
_NO_TOOLS = frozenset({"agent_message", "reasoning", "todo_list", "error"})
_LONGEST_COMMAND = 2000


def is_tool(item: Fields) -> bool:
    """A tool call, also of a kind that came later: only calls have a status."""
    kind = item.text("type")
    return kind in _TOOLS or (kind not in _NO_TOOLS and bool(kind) and "status" in item)


def is_ok(item: Fields) -> bool:
    """Whether a finished call did what it was called for."""
    status, exit_code = item.text("status"), item.number("exit_code")
    if "error" in item or exit_code:
        return False
    return status in ("completed", "")


def name_of(item: Fields) -> str:
    """``command_execution``; ``server.tool`` of an MCP server; ``spawn_agent``."""
    kind, tool = item.text("type"), item.text("tool")
    if not tool:
        return kind
    server = item.text("server")
    return f"{server}.{tool}" if server else tool


def summary_of(item: Fields) -> str:
    """One line of what the tool was asked."""
    if command := item.text("command"):
        return one_line(_unwrapped(command))
    paths = ", ".join(change.text("path") for change in item.parts("changes"))
    asked = item.part("arguments").raw
    told = paths or item.text("query") or item.text("prompt")
    return one_line(told or (json.dumps(asked, ensure_ascii=False) if asked else ""))


def digest_of(item: Fields) -> str:
    """Equal for calls that ask the same; what a change of a file writes is not told."""
    if item.text("type") == "file_change":
        return item.text("id")
    return digest([item.raw.get(key) for key in ("command", "arguments", "query", "prompt")])


def _unwrapped(command: str) -> str:
    """``echo hi`` out of ``/bin/bash -lc 'echo hi'``."""
    if len(command) > _LONGEST_COMMAND:  # splitting it would take longer than it is worth
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in ("-lc", "-c") else command
