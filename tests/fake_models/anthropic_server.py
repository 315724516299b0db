"""A fake Anthropic Messages server on loopback: real agent CLIs can run against it.

A scenario is chosen by ``scenario=NAME`` in the conversation (the last one counts), else by the
model's name (``fake-NAME``), else it is ``text``:

* ``text``: says how many prompts it has seen.
* ``tool``: calls Bash with ``echo``, then says so.
* ``write``: calls Write for ``out.txt`` in the working directory, then says so.
* ``thinking``: thinks, then answers.
* ``refusal``: stops with ``refusal``.
* ``no-structure``: never calls the StructuredOutput tool, answers prose.
* ``rate-limit`` (429 with ``retry-after``), ``unauthorized`` (401), ``overloaded`` (529),
  ``not-found`` (404), ``server-error`` (500): refuses.
* ``stall``: sends the start of an answer and then nothing until the server is closed.

A request that offers a StructuredOutput tool gets a valid instance of that tool's schema.

Run it by hand: ``python -m fake_models.anthropic_server`` (with ``tests`` on the path) prints the
address and serves until it is interrupted.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from orchcore.agents.demo.answer import answer_for

_SCENARIO = re.compile(r"scenario=([a-z-]+)")
_REFUSALS = {
    "rate-limit": (429, "rate_limit_error", "Rate limit reached. Please try again in 2s."),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "not-found": (404, "not_found_error", "model: no-such-model"),
    "server-error": (500, "api_error", "Internal server error"),
}
_SAYINGS = {
    "refusal": ("I cannot help with that.", "refusal"),
    "no-structure": ("I will not give you JSON.", "end_turn"),
    "after-tool": ("Done. The tool said what I expected.", "end_turn"),
}
_USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "output_tokens": 1,
}


class FakeAnthropic(ThreadingHTTPServer):
    """Serves until ``shutdown``; counts what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """What goes into ``ANTHROPIC_BASE_URL``."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the tests."""


@contextmanager
def serving() -> Generator[FakeAnthropic]:
    """A running server; leaving ends it, stalled answers too."""
    server = FakeAnthropic()
    thread = threading.Thread(target=server.serve_forever, name="fake-anthropic", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeAnthropic:
        assert isinstance(self.server, FakeAnthropic)
        return self.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        self.fake.requests[f"GET {self.path.partition('?')[0]}"] += 1
        self._json(200, {"data": [], "has_more": False})

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        body: dict[str, Any] = json.loads(
            self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}"
        )
        self.fake.requests[f"POST {path}"] += 1
        if path == "/v1/messages/count_tokens":
            return self._json(200, {"input_tokens": 100})
        if path != "/v1/messages":
            return self._json(404, {"error": {"type": "not_found_error", "message": path}})
        self.fake.bodies.append(body)
        scenario = scenario_of(body)
        if scenario in _REFUSALS:
            return self._refuse(*_REFUSALS[scenario])
        return self._answer(body, scenario)

    def _answer(self, body: dict[str, Any], scenario: str) -> None:
        blocks, stop_reason = blocks_of(body, scenario)
        message: dict[str, Any] = {
            "id": f"msg_fake_{sum(self.fake.requests.values()):06}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", "fake"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _USAGE,
        }
        if not body.get("stream"):
            message |= {"content": blocks, "stop_reason": stop_reason}
            return self._json(200, message)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self._event("message_start", message=message)
        if scenario == "stall":
            self.fake.closing.wait(600)
            return None
        for index, block in enumerate(blocks):
            self._block(index, block)
        self._event(
            "message_delta",
            delta={"stop_reason": stop_reason, "stop_sequence": None},
            usage={"output_tokens": 17},
        )
        return self._event("message_stop")

    def _block(self, index: int, block: dict[str, Any]) -> None:
        empty, deltas = _streamed(block)
        self._event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            self._event("content_block_delta", index=index, delta=delta)
        self._event("content_block_stop", index=index)

    def _event(self, kind: str, **fields: Any) -> None:
        data = json.dumps({"type": kind, **fields})
        self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
        self.wfile.flush()

    def _refuse(self, status: int, kind: str, message: str) -> None:
        error = {"type": "error", "error": {"type": kind, "message": message}}
        self._json(status, error, retry_after="2" if status == 429 else None)

    def _json(self, status: int, body: object, retry_after: str | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if retry_after is not None:
            self.send_header("retry-after", retry_after)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def scenario_of(body: dict[str, Any]) -> str:
    """The scenario that a request asks for."""
    asked = _SCENARIO.findall("\n".join(_said_by_user(body)))
    if asked:
        return str(asked[-1])
    prefix, _, name = str(body.get("model", "")).partition("fake-")
    return name if name and not prefix else "text"


def blocks_of(body: dict[str, Any], scenario: str) -> tuple[list[dict[str, Any]], str]:
    """The content blocks of the answer and its stop reason."""
    offered = {tool.get("name"): tool for tool in body.get("tools", ())}
    if _tool_answered(body) and scenario not in _SAYINGS:
        scenario = "after-tool"
    if scenario in _SAYINGS:
        text, stop_reason = _SAYINGS[scenario]
        return [{"type": "text", "text": text}], stop_reason
    if scenario == "tool":
        return [_call("Bash", command="echo hi", description="say hi")], "tool_use"
    if scenario == "write":
        return [_call("Write", file_path=f"{_cwd(body)}/out.txt", content="hi\n")], "tool_use"
    if "StructuredOutput" in offered:
        schema = offered["StructuredOutput"]["input_schema"]
        answer = answer_for(schema, "\n".join(_said_by_user(body)[-1:]))
        return [_call("StructuredOutput", **answer)], "tool_use"
    thought = [{"type": "thinking", "thinking": "First I think.", "signature": "ZmFrZQ=="}]
    text = f"Hello from the fake model. Prompts seen: {_prompts_seen(body)}."
    return [
        *(thought if scenario == "thinking" else []),
        {"type": "text", "text": text},
    ], "end_turn"


def _call(name: str, **asked: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{time.monotonic_ns()}", "name": name, "input": asked}


def _streamed(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
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
            text = str(block["text"])
            pieces = [text[start : start + 12] for start in range(0, len(text), 12)]
            return {"type": "text", "text": ""}, [
                {"type": "text_delta", "text": piece} for piece in pieces
            ]


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content", "")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _said_by_user(body: dict[str, Any]) -> list[str]:
    return [
        str(block.get("text", ""))
        for message in body.get("messages", ())
        if message.get("role") == "user"
        for block in _blocks(message)
        if block.get("type") == "text"
    ]


def _prompts_seen(body: dict[str, Any]) -> int:
    return sum("PROMPT" in text for text in _said_by_user(body))


def _tool_answered(body: dict[str, Any]) -> bool:
    messages = [message for message in body.get("messages", ()) if message.get("role") == "user"]
    last = _blocks(messages[-1]) if messages else []
    return any(block.get("type") == "tool_result" for block in last)


def _cwd(body: dict[str, Any]) -> str:
    told = re.search(r"[Ww]orking directory: (\S+)", json.dumps(body).replace("\\n", "\n"))
    return told[1] if told else "."


def main() -> None:
    """Serves until it is interrupted."""
    with serving() as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
