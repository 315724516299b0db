"""The server that the fake model servers share: it asks a vendor's wire what to read and write."""

import json
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol

from fake_models.scenarios import Asked, Json, Reply, reply_to, scenario_of

RESETS_IN_S = 3600
"""How long a used-up quota stays used up."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Wire(Protocol):
    """One endpoint of a vendor: its JSON from and to values, without I/O."""

    def asked(self, path: str, body: Json) -> Asked:
        """What a request asks."""
        ...

    def refusal(self, scenario: str) -> Refusal | None:
        """The vendor's error of that name."""
        ...

    def whole(self, asked: Asked, reply: Reply) -> Json:
        """The answer in one piece."""
        ...

    def events(self, asked: Asked, reply: Reply) -> list[str]:
        """The answer as server-sent events."""
        ...


class ModelServer(ThreadingHTTPServer):
    """Serves until ``shutdown``; counts what it was asked.

    Attributes:
        requests: How often each method and path was asked.
        bodies: What was asked of the model, oldest first; no helper requests.
        closing: Set when stalled answers are to end.
    """

    daemon_threads = True
    block_on_close = False
    fixed: ClassVar[Mapping[str, Json]] = {}
    """Paths that are no model, and what they answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: Counter[str] = Counter()
        self.bodies: list[Json] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wire_of(self, path: str) -> Wire | None:
        """The endpoint behind a path."""
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the tests."""


@contextmanager
def running[Server: ModelServer](server: Server) -> Generator[Server]:
    """The server, served; leaving ends it, stalled answers too."""
    thread = threading.Thread(
        target=server.serve_forever, args=(0.02,), name="fake-model", daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def serve_by_hand(server: ModelServer) -> None:
    """Prints the address and serves until it is interrupted."""
    with running(server):
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def sse(data: Json | str, event: str = "") -> str:
    """One server-sent event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> ModelServer:
        assert isinstance(self.server, ModelServer)
        return self.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        self._fixed(self._counted())

    def do_POST(self) -> None:
        path = self._counted()
        length = int(self.headers.get("content-length", 0))
        body: Json = json.loads(self.rfile.read(length) or b"{}")
        wire = self.fake.wire_of(path)
        if wire is None:
            return self._fixed(path)
        asked = wire.asked(path, body)
        if not asked.helper:
            self.fake.bodies.append(body)
        scenario = scenario_of(asked)
        refusal = wire.refusal(scenario)
        if refusal is not None:
            return self._json(refusal.status, refusal.body, refusal.headers)
        reply = reply_to(asked, scenario)
        if asked.stream:
            return self._answer("text/event-stream", wire.events(asked, reply), scenario)
        whole = json.dumps(wire.whole(asked, reply))
        half = len(whole) // 2
        return self._answer("application/json", [whole[:half], whole[half:]], scenario)

    def _fixed(self, path: str) -> None:
        self._json(200 if path in self.fake.fixed else 404, self.fake.fixed.get(path, {}))

    def _answer(self, kind: str, pieces: list[str], scenario: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        is_broken = scenario in ("stall", "cut")
        for piece in pieces[: len(pieces) // 2] if is_broken else pieces:
            self._chunk(piece.encode())
        if scenario == "stall":
            self.fake.closing.wait(600)
        if is_broken:
            self.close_connection = True
        else:
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _counted(self) -> str:
        path = self.path.partition("?")[0]
        self.fake.requests[f"{self.command} {path}"] += 1
        return path

    def _json(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
