"""The Responses endpoint of an OpenAI API, as Codex 0.169 uses it."""

import json
import time
from typing import Any

from fake_models.model_server import RESETS_IN_S, Refusal, sse
from fake_models.openai_requests import api_error, said_by_user, told_cwd
from fake_models.scenarios import Asked, Call, Json, Reply, fresh


class Responses:
    """``POST /v1/responses``."""

    def asked(self, path: str, body: Json) -> Asked:
        del path
        given: str | list[Json] = body.get("input", [])
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        answer_format: Json = body.get("text", {}).get("format", {})
        told = [item for item in items if item.get("role") == "user" or _is_result(item)]
        return Asked(
            model=str(body.get("model", "")),
            said=said_by_user(items),
            tools={
                str(tool["name"]): tool.get("parameters", {})
                for tool in body.get("tools", ())
                if "name" in tool
            },
            shell="exec_command",
            writer=None,
            schema=answer_format.get("schema"),
            cwd=told_cwd(body),
            after_tool=bool(told) and _is_result(told[-1]),
            stream=bool(body.get("stream")),
        )

    def refusal(self, scenario: str) -> Refusal | None:
        if scenario != "quota":
            return api_error(scenario)
        # The limit of a ChatGPT plan; an API key's has no reset time.
        error = {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": int(time.time()) + RESETS_IN_S,
            "resets_in_seconds": RESETS_IN_S,
        }
        return Refusal(429, {"error": error})

    def whole(self, asked: Asked, reply: Reply) -> Json:
        return _response(asked, reply)

    def events(self, asked: Asked, reply: Reply) -> list[str]:
        end = _response(asked, reply)
        start: Json = {**end, "status": "in_progress", "output": [], "usage": None}
        return [
            _event("response.created", response=start),
            *(
                event
                for index, item in enumerate(end["output"])
                for event in _item(index, item, reply)
            ),
            _event(f"response.{end['status']}", response=end),
        ]


def _response(asked: Asked, reply: Reply) -> Json:
    reason = {"reason": "content_filter"} if reply.refused else None
    return {
        "id": fresh("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if reply.refused else "completed",
        "incomplete_details": reason,
        "model": asked.model,
        "output": _output(reply),
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 30},
            "output_tokens": 17,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 117,
        },
    }


def _output(reply: Reply) -> list[Json]:
    items: list[Json] = []
    if reply.thought:
        summary = [{"type": "summary_text", "text": reply.thought}]
        items.append({"type": "reasoning", "id": fresh("rs"), "summary": summary})
    if reply.text:
        content: list[Json] = [{"type": "output_text", "text": reply.text, "annotations": []}]
        message = {"type": "message", "id": fresh("msg"), "role": "assistant"}
        items.append({**message, "status": "completed", "content": content})
    if reply.call is not None:
        items.append(_called(reply.call))
    return items


def _called(call: Call) -> Json:
    told = {"id": fresh("fc"), "call_id": call.id, "name": call.name, "status": "completed"}
    if isinstance(call.asked, str):
        return {"type": "custom_tool_call", **told, "input": call.asked}
    return {"type": "function_call", **told, "arguments": json.dumps(call.asked)}


def _item(index: int, item: Json, reply: Reply) -> list[str]:
    place = {"item_id": item["id"], "output_index": index}
    match item["type"]:
        case "message":
            empty: Json = {"content": []}
            kind, deltas = "output_text", reply.pieces
            place |= {"content_index": 0}
        case "reasoning":
            empty = {"summary": []}
            kind, deltas = "reasoning_summary_text", [reply.thought]
            place |= {"summary_index": 0}
        case "function_call":
            empty = {"arguments": ""}
            kind, deltas = "function_call_arguments", [item["arguments"]]
        case _:
            empty = {"input": ""}
            kind, deltas = "custom_tool_call_input", [item["input"]]
    started = {**item, **empty, "status": "in_progress"}
    return [
        _event("response.output_item.added", output_index=index, item=started),
        *(_event(f"response.{kind}.delta", **place, delta=delta) for delta in deltas),
        _event("response.output_item.done", output_index=index, item=item),
    ]


def _event(kind: str, **fields: Any) -> str:
    return sse({"type": kind, **fields}, kind)


def _is_result(item: Json) -> bool:
    return str(item.get("type", "")).endswith("_output")
