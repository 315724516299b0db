import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest

from fake_models.anthropic_server import FakeAnthropic, serving


def ask(server: FakeAnthropic, prompt: str, **fields: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": prompt}], **fields}
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}/v1/messages", data)  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        answer: bytes = response.read()
    events = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: ")]
    return {"events": [json.loads(event) for event in events]} if events else json.loads(answer)


def test_answers_plainly_and_counts() -> None:
    """A request is answered with text and counted."""
    with serving() as server:
        answer = ask(server, "PROMPT")
        assert answer["content"][0]["text"].endswith("Prompts seen: 1.")
        assert server.requests == {"POST /v1/messages": 1}


def test_streams_events() -> None:
    """With ``stream`` the answer comes as server-sent events in the vendor's order."""
    with serving() as server:
        events = ask(server, "PROMPT scenario=thinking", stream=True)["events"]
    kinds = list(dict.fromkeys(event["type"] for event in events))
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert kinds == ["message_start", *block, "message_delta", "message_stop"]


def test_structured_answer_fits_the_tool() -> None:
    """A StructuredOutput tool is called with an instance of its schema."""
    schema = {"type": "object", "properties": {"n": {"const": 7}}, "required": ["n"]}
    with serving() as server:
        tools = [{"name": "StructuredOutput", "input_schema": schema}]
        answer = ask(server, "PROMPT", tools=tools)
    assert (answer["content"][0]["input"], answer["stop_reason"]) == ({"n": 7}, "tool_use")


def test_refuses_with_a_wait() -> None:
    """A rate limit has its status and its ``retry-after``; a model's name can ask for it."""
    with serving() as server, pytest.raises(HTTPError) as caught:
        ask(server, "PROMPT", model="fake-rate-limit")
    assert (caught.value.code, caught.value.headers["retry-after"]) == (429, "2")
    caught.value.close()
