"""A fake Anthropic Messages server on loopback: real agent CLIs can run against it.

The scenarios are those of ``fake_models.scenarios``. A request that offers a StructuredOutput tool
gets a valid instance of that tool's schema.

Run it by hand: ``python -m fake_models.anthropic_server`` (with ``tests`` on the path) prints the
address and serves until it is interrupted.
"""

import json
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

from fake_models.model_server import RESETS_IN_S, ModelServer, Refusal, running, serve_by_hand, sse
from fake_models.scenarios import Asked, Call, Json, Reply, fresh

_REFUSALS = {
    "rate-limit": (429, "rate_limit_error", "Rate limit reached. Please try again in 2s."),
    "quota": (429, "rate_limit_error", "This request would exceed your account's rate limit."),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "not-found": (404, "not_found_error", "model: no-such-model"),
    "server-error": (500, "api_error", "Internal server error"),
}
_USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "output_tokens": 1,
}


class FakeAnthropic(ModelServer):
    """Its ``url`` goes into ``ANTHROPIC_BASE_URL``."""

    fixed: ClassVar[Mapping[str, Json]] = {
        "/v1/messages/count_tokens": {"input_tokens": 100},
        "/v1/models": {"data": [], "has_more": False},
    }

    def wire_of(self, path: str) -> "Messages | None":
        return Messages() if path == "/v1/messages" else None


def serving() -> AbstractContextManager[FakeAnthropic]:
    """A running server; leaving ends it, stalled answers too."""
    return running(FakeAnthropic())


class Messages:
    """``POST /v1/messages``."""

    def asked(self, path: str, body: Json) -> Asked:
        del path
        tools = {str(tool.get("name")): tool for tool in body.get("tools", ())}
        return Asked(
            model=str(body.get("model", "fake")),
            said=_said_by_user(body),
            tools={name: tool.get("input_schema", {}) for name, tool in tools.items()},
            shell="Bash",
            writer="Write",
            schema=tools.get("StructuredOutput", {}).get("input_schema"),
            cwd=_cwd(body),
            after_tool=_tool_answered(body),
            stream=bool(body.get("stream")),
        )

    def refusal(self, scenario: str) -> Refusal | None:
        if scenario not in _REFUSALS:
            return None
        status, kind, message = _REFUSALS[scenario]
        error = {"type": "error", "error": {"type": kind, "message": message}}
        if scenario == "quota":
            return Refusal(status, error, _used_up(int(time.time()) + RESETS_IN_S))
        return Refusal(status, error, {"retry-after": "2"} if status == 429 else {})

    def whole(self, asked: Asked, reply: Reply) -> Json:
        reply = _structured(reply)
        return _message(asked) | {"content": _blocks_of(reply), "stop_reason": _stop_reason(reply)}

    def events(self, asked: Asked, reply: Reply) -> list[str]:
        reply = _structured(reply)
        blocks = enumerate(_blocks_of(reply))
        stop = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
        return [
            _event("message_start", message=_message(asked)),
            *(event for index, block in blocks for event in _block(index, block, reply)),
            _event("message_delta", delta=stop, usage={"output_tokens": 17}),
            _event("message_stop"),
        ]


def _used_up(resets_at: int) -> dict[str, str]:
    """The headers that a subscription gets with its limit."""
    names = {"status": "rejected", "reset": str(resets_at), "representative-claim": "five_hour"}
    return {f"anthropic-ratelimit-unified-{name}": value for name, value in names.items()}


def _structured(reply: Reply) -> Reply:
    """An answer to a schema, as a call of the tool that takes it."""
    if reply.structured is None:
        return reply
    return replace(reply, text="", call=Call(fresh("toolu"), "StructuredOutput", reply.structured))


def _message(asked: Asked) -> Json:
    return {
        "id": fresh("msg"),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _USAGE,
    }


def _stop_reason(reply: Reply) -> str:
    return "refusal" if reply.refused else "end_turn" if reply.call is None else "tool_use"


def _blocks_of(reply: Reply) -> list[Json]:
    thought = {"type": "thinking", "thinking": reply.thought, "signature": "ZmFrZQ=="}
    blocks: list[Json] = [thought] if reply.thought else []
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    if reply.call is not None:
        call = reply.call
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.asked})
    return blocks


def _block(index: int, block: Json, reply: Reply) -> list[str]:
    empty, deltas = _streamed(block, reply)
    return [
        _event("content_block_start", index=index, content_block=empty),
        *(_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        _event("content_block_stop", index=index),
    ]


def _streamed(block: Json, reply: Reply) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "tool_use":
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            return {**block, "input": {}}, [delta]
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case _:
            deltas = [{"type": "text_delta", "text": piece} for piece in reply.pieces]
            return {"type": "text", "text": ""}, deltas


def _event(kind: str, **fields: Any) -> str:
    return sse({"type": kind, **fields}, kind)


def _blocks(message: Json) -> list[Json]:
    content = message.get("content", "")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _said_by_user(body: Json) -> tuple[str, ...]:
    return tuple(
        str(block.get("text", ""))
        for message in body.get("messages", ())
        if message.get("role") == "user"
        for block in _blocks(message)
        if block.get("type") == "text"
    )


def _tool_answered(body: Json) -> bool:
    messages = [message for message in body.get("messages", ()) if message.get("role") == "user"]
    last = _blocks(messages[-1]) if messages else []
    return any(block.get("type") == "tool_result" for block in last)


def _cwd(body: Json) -> str:
    told = re.search(r"[Ww]orking directory: (\S+)", json.dumps(body).replace("\\n", "\n"))
    return told[1] if told else "."


if __name__ == "__main__":
    serve_by_hand(FakeAnthropic())
