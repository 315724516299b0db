"""``agents replay``: what a recorded stream came to, read by the parser that live turns use."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click

from orchcore.agents.adapters.protocol import Adapter
from orchcore.cli.output import say, say_lines
from orchcore.config import load_config
from orchcore.errors import Problem, UsageError, did_you_mean, shown_path
from orchcore.results import TurnResult

_CHUNK_BYTES = 2**20
_STDERR_BYTES = 2**13
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "replay",
    help="""Read a recorded stream and tell what the turn came to.

FILE is the raw stdout of an agent CLI, such as stdout.jsonl in a turn's folder. NAME is an adapter
or an agent of your configuration. The stream is read by the very parser that reads live turns;
nothing is started. What an adapter learns from elsewhere than stdout and stderr (Gemini's
telemetry, Copilot's usage file) is not known here.

\b
orchcore agents replay .orchcore/runs/9b64/plan/attempt-1/turn-1/stdout.jsonl --adapter claude
""",
)
@click.argument("file", type=_FILE)
@click.option("--adapter", "name", required=True, metavar="NAME", help="Whose stream it is.")
@click.option(
    "--exit-code",
    default=0,
    metavar="N",
    help="Of its process; negative for a signal; 0 if unsaid.",
)
@click.option("--stderr", type=_FILE, metavar="FILE", help="What it printed on stderr.")
@click.option("--model", metavar="M", help="The model it was asked for, for the price.")
@click.option("--schema", type=_FILE, metavar="FILE", help="JSON schema of the answer, if any.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON object.")
def replay_command(file: Path, name: str, as_json: bool, **asked: Any) -> None:
    """Reads the stream and prints the turn."""
    from orchcore.agents.adapters.finder import find_adapters
    from orchcore.agents.replaying import Recorded, replay
    from orchcore.execution.secrecy import secrets_of_agents
    from orchcore.reporting.masking import Mask

    adapters = find_adapters()
    config = load_config(Path.cwd())
    settings = config.agent(name)
    adapter = adapters.get(settings.adapter or name)
    if adapter is None:
        message = f"no adapter is called '{settings.adapter or name}'"
        raise UsageError(Problem("unknown-adapter", message, None, did_you_mean(name, adapters)))
    recorded = Recorded(
        chunks=_chunks(file),
        exit_code=asked["exit_code"],
        stderr=_tail(asked["stderr"]),
        model=asked["model"] or settings.model,
        schema=_schema(asked["schema"]),
    )
    try:
        result = replay(adapter, recorded)
    except Exception as error:
        raise _blamed(adapter, error) from error
    mask = Mask.of(secrets_of_agents(config, adapters, os.environ).values)
    if as_json:
        facts = mask.data(_facts(result))
        say(json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n")
    else:
        say_lines(map(mask, _lines(result)))


def _blamed(adapter: Adapter, error: Exception) -> Exception:
    """What to raise for what came out of *adapter*: the file's trouble is not its own."""
    from orchcore.agents.adapters.finder import adapter_raised

    return error if isinstance(error, OSError) else UsageError(adapter_raised(adapter, error))


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _tail(file: Path | None) -> str:
    return "" if file is None else file.read_bytes()[-_STDERR_BYTES:].decode("utf-8", "replace")


def _schema(file: Path | None) -> Mapping[str, object] | None:
    if file is None:
        return None
    try:
        schema: object = json.loads(file.read_bytes())
    except ValueError as error:
        message = f"{shown_path(file)} is no JSON: {error}"
        raise UsageError(Problem("schema", message)) from None
    if not isinstance(schema, dict):
        raise UsageError(Problem("schema", f"{shown_path(file)} holds no JSON object"))
    return cast("dict[str, object]", schema)


def _facts(result: TurnResult) -> dict[str, object]:
    """The turn, in the form that is documented in docs/reference/agents.md."""
    usage, failure = result.usage, result.failure
    return {
        "outcome": "ok" if failure is None else "failed",
        "text": result.text,
        "answer": _answer(result),
        "session_id": result.session_id,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
        },
        "cost_usd": result.cost_usd,
        "failure": None
        if failure is None
        else {
            "kind": failure.kind,
            "detail": failure.detail,
            "retry_after_s": failure.retry_after_s,
            "resets_at": failure.resets_at,
        },
        "tools": [{"name": tool, "ok": ok} for tool, ok in result.tools],
        "events": dict(result.events),
        "unknown_events": result.unknown_events,
        "malformed_lines": result.malformed_lines,
        "truncated": result.truncated,
    }


def _answer(result: TurnResult) -> object:
    """The structured answer; some CLIs give one as their text only."""
    if result.answer is not None or not result.text.lstrip().startswith(("{", "[")):
        return result.answer
    try:
        return cast("object", json.loads(result.text))
    except ValueError:
        return None


def _lines(result: TurnResult) -> Iterator[str]:
    """The same for people; what is nothing is left out."""
    for key, value in _facts(result).items():
        text = _words(value)
        if not text or value in (0, False):
            continue
        if "\n" in text:
            yield f"{key}:"
            yield from (f"  {line}" for line in text.splitlines())
        else:
            yield f"{key + ':':<16} {text}"


def _words(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.10g}"
        case dict():
            facts = cast("dict[str, object]", value)
            return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact is not None)
        case list():
            tools = cast("list[dict[str, object]]", value)
            return ", ".join(f"{tool['name']}{'' if tool['ok'] else ' (failed)'}" for tool in tools)
        case _:
            return str(value)
