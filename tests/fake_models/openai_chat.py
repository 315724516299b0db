"""The Chat Completions endpoint of an OpenAI API, as OpenCode 1.18 and Copilot CLI 1.0 use it."""

import json
import time

from fake_models.model_server import Refusal, sse
from fake_models.openai_requests import api_error, said_by_user, told_cwd
from fake_models.scenarios import Asked, Call, Json, Reply, fresh, schema_told

_HELPER = "You are a title generator"
"""How OpenCode 1.18 begins a request for its own use."""


class ChatCompletions:
    """``POST /v1/chat/completions``."""

    def asked(self, path: str, body: Json) -> Asked:
        del path
        messages: list[Json] = body.get("messages", [])
        told = [message for message in messages if message["role"] in ("user", "tool")]
        said = said_by_user(messages)
        answer_format: Json = body.get("response_format", {}).get("json_schema", {})
        functions = [tool.get("function", {}) for tool in body.get("tools", ())]
        return Asked(
            model=str(body.get("model", "")),
            said=said,
            tools={str(tool.get("name")): tool.get("parameters", {}) for tool in functions},
            shell="bash",
            writer="write",
            schema=answer_format.get("schema") or schema_told(said),
            cwd=told_cwd(body),
            after_tool=bool(told) and told[-1]["role"] == "tool",
            helper=any(str(message.get("content")).startswith(_HELPER) for message in messages),
            stream=bool(body.get("stream")),
        )

    def refusal(self, scenario: str) -> Refusal | None:
        return api_error(scenario)

    def whole(self, asked: Asked, reply: Reply) -> Json:
        message: Json = {"role": "assistant", "content": reply.text or None}
        if reply.thought:
            message["reasoning_content"] = reply.thought
        if reply.call is not None:
            message["tool_calls"] = [_called(reply.call)]
        choice = {"index": 0, "message": message, "finish_reason": _end_of(reply)}
        return {**_envelope(asked, "chat.completion"), "choices": [choice], "usage": _usage()}

    def events(self, asked: Asked, reply: Reply) -> list[str]:
        envelope = _envelope(asked, "chat.completion.chunk")
        deltas: list[Json] = [{"role": "assistant", "content": ""}]
        if reply.thought:
            deltas.append({"reasoning_content": reply.thought})
        deltas += [{"content": piece} for piece in reply.pieces]
        if reply.call is not None:
            deltas.append({"tool_calls": [{"index": 0, **_called(reply.call)}]})
        ends: list[str | None] = [*(None for _ in deltas), _end_of(reply)]
        choices = [
            {"index": 0, "delta": delta, "finish_reason": end}
            for delta, end in zip([*deltas, {}], ends, strict=True)
        ]
        return [
            *(sse({**envelope, "choices": [choice]}) for choice in choices),
            sse({**envelope, "choices": [], "usage": _usage()}),
            sse("[DONE]"),
        ]


def _envelope(asked: Asked, kind: str) -> Json:
    told = {"created": int(time.time()), "model": asked.model}
    return {"id": fresh("chatcmpl"), "object": kind, **told}


def _called(call: Call) -> Json:
    function = {"name": call.name, "arguments": json.dumps(call.asked)}
    return {"id": call.id, "type": "function", "function": function}


def _end_of(reply: Reply) -> str:
    if reply.refused:
        return "content_filter"
    return "stop" if reply.call is None else "tool_calls"


def _usage() -> Json:
    return {
        "prompt_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 30},
        "completion_tokens": 17,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 117,
    }
