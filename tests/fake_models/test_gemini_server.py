import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest

from fake_models.gemini_server import FakeGemini, serving

SHELL: dict[str, Any] = {
    "name": "run_shell_command",
    "parametersJsonSchema": {"properties": {"description": {}}},
}


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text}]}


def ask(server: FakeGemini, *contents: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return read(server, "fake-model:streamGenerateContent?alt=sse", {"contents": contents} | fields)


def read(server: FakeGemini, method: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}/v1beta/models/{method}", data)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  loopback
        answer: bytes = response.read()
    events = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(event) for event in events or [answer]]


def parts_of(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for answer in answers for part in answer["candidates"][0]["content"]["parts"]]


def test_streams_and_counts() -> None:
    """A streamed answer comes in parts, with the end and the usage in the last."""
    with serving() as server:
        answers = ask(server, said("PROMPT one"), said("PROMPT two"))
        assert server.requests.total() == len(server.bodies) == 1
    text = "".join(part["text"] for part in parts_of(answers))
    assert text == "Hello from the fake model. Prompts seen: 2."
    assert answers[-1]["candidates"][0]["finishReason"] == "STOP"
    assert answers[-1]["usageMetadata"]["cachedContentTokenCount"] == 30


def test_thinks_first() -> None:
    """A thought comes before the answer, marked."""
    with serving() as server:
        parts = parts_of(ask(server, said("PROMPT scenario=thinking")))
    assert [part.get("thought") for part in parts][:2] == [True, None]


def test_calls_a_tool_and_goes_on() -> None:
    """The shell is called in the shape of its schema; its result is answered with an end."""
    prompt = said("PROMPT scenario=tool")
    result = {"functionResponse": {"name": "run_shell_command", "response": {"output": "hi"}}}
    with serving() as server:
        tools = [{"functionDeclarations": [SHELL]}]
        called = parts_of(ask(server, prompt, tools=tools))[0]["functionCall"]
        done = parts_of(ask(server, prompt, {"role": "user", "parts": [result]}))
    assert (called["name"], called["args"]["command"]) == ("run_shell_command", "echo hi")
    assert "description" in called["args"]
    assert done[0]["text"] == "Done. The to"


def test_helper_requests_have_no_scenario() -> None:
    """A request for JSON of the CLI's own gets it, and is not among the prompts."""
    schema = {
        "type": "OBJECT",
        "properties": {"score": {"type": "INTEGER", "minimum": 7, "maximum": 7}},
        "required": ["score"],
    }
    body = {
        "contents": [said("PROMPT scenario=rate-limit")],
        "generationConfig": {"responseJsonSchema": schema},
    }
    with serving() as server:
        parts = parts_of(read(server, "fake-model:generateContent", body))
        assert server.bodies == []
    assert json.loads(parts[0]["text"]) == {"score": 7}


def test_a_prompt_can_spell_a_schema() -> None:
    """The schema that orchcore writes into a prompt is answered with an instance."""
    told = 'PROMPT Answer ... valid for this JSON schema, and nothing else:\n{"const": 7}'
    with serving() as server:
        parts = parts_of(ask(server, said(told)))
    assert parts == [{"text": "7"}]


def test_limits_are_told_in_details() -> None:
    """A rate limit tells a wait, a used-up day its quota."""
    found: list[tuple[int, str | None, list[str]]] = []
    for scenario in ("rate-limit", "quota"):
        with serving() as server, pytest.raises(HTTPError) as caught:
            ask(server, said(f"PROMPT scenario={scenario}"))
        details = json.load(caught.value)["error"]["details"]
        wait = caught.value.headers["retry-after"]
        found.append(
            (caught.value.code, wait, [str(d["@type"]).rpartition(".")[2] for d in details])
        )
        caught.value.close()
    assert found == [(429, "2", ["RetryInfo"]), (429, None, ["QuotaFailure", "RetryInfo"])]
