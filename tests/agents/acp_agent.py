"""A scripted ACP agent for tests: plain JSON lines, no library, as odd as it is told to be.

``python acp_agent.py SCENE``: what it does after ``session/prompt`` is the function of that name,
what it does differently before that is said by the words behind it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SESSION = "session-1"
OPTIONS = [
    {"optionId": "for-ever", "name": "Always", "kind": "allow_always"},
    {"optionId": "yes", "name": "Allow", "kind": "allow_once"},
    {"optionId": "never", "name": "Never", "kind": "reject_always"},
    {"optionId": "no", "name": "Reject", "kind": "reject_once"},
]
words = sys.argv[2:]


def put(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def raw(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def update(what: str, session: str = SESSION, **fields: Any) -> None:
    params = {"sessionId": session, "update": {"sessionUpdate": what, **fields}}
    put(method="session/update", params=params)


def say(text: str, what: str = "agent_message_chunk", **fields: Any) -> None:
    update(what, content={"type": "text", "text": text}, **fields)


def call(status: str, kind: str = "edit", call_id: str = "c1", **fields: Any) -> None:
    update("tool_call_update", toolCallId=call_id, kind=kind, status=status, **fields)


def read() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def answer(ask: dict[str, Any], result: Any = None, error: Any = None) -> None:
    put(id=ask["id"], **({"result": result} if error is None else {"error": error}))


def ask_permission(kind: str | None, options: Any = None, call_id: str = "c1") -> str:
    told = {"toolCallId": call_id, "title": f"to {kind} it", "rawInput": {"path": "x"}}
    params = {
        "sessionId": SESSION,
        "toolCall": told | ({} if kind is None else {"kind": kind}),
        "options": OPTIONS if options is None else options,
    }
    put(id="ask", method="session/request_permission", params=params)
    outcome = read()["result"]["outcome"]
    return str(outcome.get("optionId", outcome["outcome"]))


def text(ask: dict[str, Any]) -> None:
    say("thinking", "agent_thought_chunk")
    say("Hello ")
    say(f"from {ask['params']['prompt'][0]['text']!r} in {Path.cwd()}")
    usage = {"inputTokens": 10, "outputTokens": 4, "cachedReadTokens": 3, "totalTokens": 14}
    answer(ask, {"stopReason": "end_turn", "usage": usage})


def env(ask: dict[str, Any]) -> None:
    say(" ".join(sorted(os.environ)))
    answer(ask, {"stopReason": "end_turn"})


def model(ask: dict[str, Any]) -> None:
    say(f"model {chosen}")
    answer(ask, {"stopReason": "end_turn"})


def late(ask: dict[str, Any]) -> None:
    """Its last words come behind its answer."""
    answer(ask, {"stopReason": "end_turn"})
    say("late")


def ask(ask: dict[str, Any]) -> None:
    """Asks for a call of each kind that the words name, or for one of no kind."""
    said: list[str] = []
    kinds: list[str | None] = [*words] or [None]
    for kind in kinds:
        outcome = ask_permission(kind, call_id=f"call-{kind}")
        call("completed" if outcome == "yes" else "failed", kind or "other", f"call-{kind}")
        said.append(outcome)
    say(" ".join(said))
    answer(ask, {"stopReason": "end_turn"})


def ask_of_before(ask: dict[str, Any]) -> None:
    """The request does not say the kind of a call that was announced."""
    update("tool_call", toolCallId="c1", title="look", kind="read", status="pending")
    say(ask_permission(None))
    answer(ask, {"stopReason": "end_turn"})


def no_options(ask: dict[str, Any]) -> None:
    say(ask_permission(words[0], options=[{"optionId": "x", "kind": "new"}, "odd"]))
    answer(ask, {"stopReason": "end_turn"})


def nag(ask: dict[str, Any]) -> None:
    for number in range(50):
        ask_permission("edit", call_id=f"c{number}")
    say("at last")
    answer(ask, {"stopReason": "end_turn"})


def unasked(ask: dict[str, Any]) -> None:
    """Edits without asking, and goes on for ever if nobody stops it."""
    update("tool_call", toolCallId="c1", title="sly", kind="edit", status="pending")
    call("completed")
    if "quick" in words:
        say("done")
        answer(ask, {"stopReason": "end_turn"})
    while True:
        read()


def offers(ask: dict[str, Any]) -> None:
    """Asks for what nobody offered; each time it is refused."""
    said: list[int] = []
    for number, method in enumerate(
        ("fs/write_text_file", "terminal/create", "elicitation/create")
    ):
        put(id=number, method=method, params={"sessionId": SESSION, "path": "/x", "content": ""})
        said.append(read()["error"]["code"])
    say(" ".join(map(str, said)))
    answer(ask, {"stopReason": "end_turn"})


def strange(ask: dict[str, Any]) -> None:
    """All that is odd and harmless."""
    put(method="_vendor/ping", params={"n": 1})
    put(method="new/thing", params=[1])
    update("new_update", x=[1])
    update("agent_message_chunk", session="another", content={"type": "text", "text": "not mine"})
    update("agent_message_chunk", content={"type": "image", "data": "", "mimeType": "x"})
    put(method="session/update", params=None)
    for line in ("Loading ...", "[]", '{"id": {}, "result": 1}', '{"method": 3}', "", "[" * 5000):
        raw(line)
    put(id=99, result={})
    say("fine")
    answer(ask, {"stopReason": "end_turn"})


def huge(ask: dict[str, Any]) -> None:
    call("in_progress", "execute", rawInput={"command": "yes"})
    call("completed", "execute", rawOutput="x" * 1_500_000)
    say("y" * 1_500_000)
    answer(ask, {"stopReason": "end_turn"})


def endless_line(ask: dict[str, Any]) -> None:
    del ask
    for _ in range(70):
        sys.stdout.write("x" * 2**20)
    sys.stdout.flush()
    time.sleep(60)


def stop(ask: dict[str, Any]) -> None:
    say("some text")
    answer(ask, {"stopReason": words[0]})


def fail(ask: dict[str, Any]) -> None:
    answer(ask, error=json.loads(words[0]))


def crash(ask: dict[str, Any]) -> None:
    del ask
    say("half an ans")
    sys.stderr.write("Segmentation fault\n")
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(ask: dict[str, Any]) -> None:
    del ask
    say("half an ans")
    sys.exit(0)


def close(ask: dict[str, Any]) -> None:
    """Closes its stdout and stays."""
    del ask
    os.close(1)
    time.sleep(60)


def leave_child(ask: dict[str, Any]) -> None:
    """Exits, while a child of its own holds its stdout open."""
    del ask
    subprocess.Popen(["sleep", "60"])
    os._exit(3)


def silence(ask: dict[str, Any]) -> None:
    del ask
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "987"], start_new_session=True)
    say("so far")
    time.sleep(60)


def stay(ask: dict[str, Any]) -> None:
    """Answers, and cannot be made to leave."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("stubborn")
    answer(ask, {"stopReason": "end_turn"})
    while True:
        time.sleep(60)


chosen = "its own"


def opened(method: str) -> dict[str, Any]:
    told: dict[str, Any] = (
        {} if method in ("session/load", "session/resume") else {"sessionId": SESSION}
    )
    if "option" in words:
        values = [{"value": "m1", "name": "M1"}]
        option = {"type": "select", "id": "the-model", "category": "model", "currentValue": "m1"}
        told["configOptions"] = [option | {"name": "Model", "options": values}]
    if "models" in words:
        told["models"] = {"currentModelId": "m1", "availableModels": []}
    return told


def replay() -> None:
    say("an old question", "user_message_chunk")
    call("completed", "edit", "old", title="an old edit")
    say("an old answer")


def set_up(ask: dict[str, Any]) -> None:
    """What comes before the prompt."""
    global chosen  # noqa: PLW0603
    method: str = ask["method"]
    params: dict[str, Any] = ask.get("params") or {}
    if method == "initialize":
        able: dict[str, Any] = {name: {} for name in ("fork", "resume") if name in words}
        told: dict[str, Any] = {"loadSession": "load" in words, "sessionCapabilities": able}
        version = 7 if "version" in words else params["protocolVersion"]
        info = {"name": "Scripted", "version": "1.2"}
        answer(ask, {"protocolVersion": version, "agentCapabilities": told, "agentInfo": info})
    elif method == "authenticate":
        answer(ask, {}, None if params["methodId"] == "key" else {"code": 1, "message": "no key"})
    elif "refuse" in words and method.startswith("session/"):
        answer(ask, error=json.loads(words[-1]))
    elif method in ("session/set_model", "session/set_config_option"):
        chosen = f"{method} {params.get('modelId') or params.get('value')}"
        bad = chosen.endswith("nonsense")
        answer(ask, {}, {"code": -32602, "message": "Invalid params"} if bad else None)
    elif method == "session/load":
        replay()
        answer(ask, opened(method))
        replay()  # as Gemini CLI does
    else:
        chosen = method
        answer(ask, opened(method))


def main(scene: str) -> None:
    if "mute" in words:
        time.sleep(60)
    if "unknown-option" in words:
        sys.stderr.write("error: unknown option '--acp'\n")
        sys.exit(1)
    while (message := read())["method"] != "session/prompt":
        set_up(message)
    if "load" in words:
        time.sleep(0.1)
    globals()[scene](message)
    while True:
        read()


if __name__ == "__main__":
    main(sys.argv[1])
