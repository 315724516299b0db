import http.client
import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest

from fake_models.openai_server import FakeOpenAI, serving

SHELL = {
    "type": "function",
    "name": "shell",
    "parameters": {"type": "object", "properties": {"command": {"type": "array"}}},
}
PATCH = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}}


def respond(server: FakeOpenAI, prompt: str, **fields: Any) -> dict[str, Any]:
    return ask(server, "responses", {"input": prompt, **fields})


def ask(server: FakeOpenAI, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{server.base_url}/{endpoint}", data)  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        answer: bytes = response.read()
    events = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: {")]
    return {"events": [json.loads(event) for event in events]} if events else json.loads(answer)


def test_responses_answers_plainly_and_counts() -> None:
    """A request is answered with text and the vendor's usage, and counted."""
    with serving() as server:
        answer = respond(server, "PROMPT")
        assert server.requests == {"POST /v1/responses": 1}
    assert answer["output"][0]["content"][0]["text"].endswith("Prompts seen: 1.")
    assert answer["usage"]["input_tokens_details"] == {"cached_tokens": 30}


def test_responses_streams_events() -> None:
    """With ``stream`` the answer comes as server-sent events in the vendor's order."""
    with serving() as server:
        events = respond(server, "PROMPT scenario=thinking", stream=True)["events"]
    kinds = list(dict.fromkeys(event["type"].removeprefix("response.") for event in events))
    thought = ["output_item.added", "reasoning_summary_text.delta", "output_item.done"]
    assert kinds == ["created", *thought, "output_text.delta", "completed"]


def test_responses_calls_the_tools_that_are_offered() -> None:
    """The shell is called in the shape of its schema, a freeform patch tool with a patch."""
    with serving() as server:
        shell = respond(server, "PROMPT scenario=tool", tools=[SHELL])["output"][0]
        patch = respond(server, "PROMPT scenario=write", tools=[SHELL, PATCH])["output"][0]
    assert json.loads(shell["arguments"]) == {"command": ["bash", "-lc", "echo hi"]}
    assert (patch["type"], patch["name"]) == ("custom_tool_call", "apply_patch")


def test_responses_goes_on_after_a_tool() -> None:
    """What follows a tool's result is an end, what follows a new prompt is not."""
    prompt = {"role": "user", "content": [{"type": "input_text", "text": "PROMPT scenario=tool"}]}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "hi"}
    with serving() as server:
        done = ask(server, "responses", {"input": [prompt, result]})
        again = ask(server, "responses", {"input": [prompt, result, prompt]})
    assert done["output"][0]["content"][0]["text"].startswith("Done.")
    assert again["output"][0]["type"] == "function_call"


def test_responses_fits_a_schema() -> None:
    """A schema is answered with an instance, unless prose is asked for."""
    schema = {"type": "object", "properties": {"n": {"const": 7}}, "required": ["n"]}
    text = {"format": {"type": "json_schema", "name": "answer", "schema": schema}}
    with serving() as server:
        answer = respond(server, "PROMPT", text=text)
        prose = respond(server, "PROMPT scenario=no-structure", text=text)
    assert json.loads(answer["output"][0]["content"][0]["text"]) == {"n": 7}
    assert prose["output"][0]["content"][0]["text"] == "I will not give you JSON."


def test_refuses_with_a_wait() -> None:
    """A rate limit has its status and its ``retry-after``; a model's name can ask for it."""
    with serving() as server, pytest.raises(HTTPError) as caught:
        respond(server, "PROMPT", model="fake-rate-limit")
    assert (caught.value.code, caught.value.headers["retry-after"]) == (429, "2")
    assert json.load(caught.value)["error"]["code"] == "rate_limit_exceeded"
    caught.value.close()


def test_a_plan_is_used_up_until_a_time() -> None:
    """A used-up plan tells when it is new again."""
    with serving() as server, pytest.raises(HTTPError) as caught:
        respond(server, "PROMPT scenario=quota")
    assert json.load(caught.value)["error"]["resets_in_seconds"] == 3600
    caught.value.close()


@pytest.mark.parametrize("stream", [True, False])
def test_cuts_an_answer(stream: bool) -> None:
    """A connection is closed in the middle of an answer, streamed or not."""
    with serving() as server, pytest.raises(http.client.IncompleteRead):
        respond(server, "PROMPT scenario=cut", stream=stream)


def test_lists_models() -> None:
    """There is a model to choose."""
    with serving() as server, urllib.request.urlopen(f"{server.base_url}/models") as answer:  # noqa: S310
        assert json.load(answer)["data"][0]["id"] == "fake-model"


def chat(server: FakeOpenAI, *messages: tuple[str, str], **fields: Any) -> dict[str, Any]:
    written = [{"role": role, "content": content} for role, content in messages]
    return ask(server, "chat/completions", {"messages": written, **fields})


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_chat_streams_chunks() -> None:
    """A streamed answer comes in chunks, with the usage in the last."""
    with serving() as server:
        chunks = chat(server, ("user", "PROMPT scenario=thinking"), stream=True)["events"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[1] == {"reasoning_content": "First I think."}
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == "Hello from the fake model. Prompts seen: 1."
    assert chunks[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 5}


def test_chat_calls_a_tool_and_goes_on() -> None:
    """The writing tool is called with a file in the told directory; its result is an end."""
    told = ("system", "Working directory: /here\nPlatform: linux")
    prompt = ("user", "PROMPT scenario=write")
    with serving() as server:
        tools = [{"type": "function", "function": {"name": "create"}}]
        called = chat(server, told, prompt, tools=tools)["choices"][0]
        done = chat(server, told, prompt, ("tool", "written"))
    function = called["message"]["tool_calls"][0]["function"]
    assert called["finish_reason"] == "tool_calls"
    assert function["name"] == "create"
    assert json.loads(function["arguments"]) == {"path": "/here/out.txt", "file_text": "hi\n"}
    assert text_of(done).startswith("Done.")


def test_chat_gives_a_title() -> None:
    """A request for a title gets one, whatever the scenario, and is not among the prompts."""
    with serving() as server:
        titler = ("system", "You are a title generator. You output ONLY a title.")
        assert text_of(chat(server, titler, ("user", "PROMPT scenario=stall"))) == "A short title"
        assert server.bodies == []


def test_chat_refuses_by_its_filter() -> None:
    """A refusal ends with the vendor's reason."""
    with serving() as server:
        answer = chat(server, ("user", "PROMPT scenario=refusal"))
    assert answer["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("schema", ['{"const": "a \\"b\\""}', r'{\"const\": \"a \\"b\\"\"}'])
def test_chat_fits_a_schema_of_the_prompt(schema: str) -> None:
    """The schema that orchcore writes into a prompt is answered, quoted by a CLI or not."""
    with serving() as server:
        answer = chat(
            server, ("user", f"PROMPT. Be valid for this JSON schema, no prose:\n{schema}")
        )
    assert json.loads(text_of(answer)) == 'a "b"'
