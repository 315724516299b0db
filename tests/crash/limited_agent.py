"""A scripted Claude Code on an account that answers two requests, and then none for 3 s."""

import fcntl
import json
import os
import sys
import time
from pathlib import Path

ACCOUNT = Path(os.environ["ACCOUNT"])
TURN_S, CLOSED_S, ALLOWED = 0.8, 3.0, 2


def put(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def resets_at() -> float | None:
    """Asks the account: when to come again; ``None``: it answers."""
    with ACCOUNT.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        told = json.loads(file.read() or '{"asked": 0, "resets": 0}')
        told["asked"] += 1
        now = time.time()
        if told["asked"] == ALLOWED + 1:
            told["resets"] = now + CLOSED_S
        file.truncate(0)
        file.write(json.dumps(told))
        return told["resets"] if now < told["resets"] else None


sys.stdin.read()
words = sys.argv[1:]
session = next(
    words[at + 1] for at, word in enumerate(words) if word in ("--session-id", "--resume")
)
began = time.time()
until = resets_at()
put(type="system", subtype="init", session_id=session, model="m", tools=[])
end: dict[str, object] = {
    "type": "result",
    "session_id": session,
    "total_cost_usd": 0,
    "usage": {},
    "modelUsage": {},
}
if until is None:
    time.sleep(TURN_S)
    put(**end, subtype="success", is_error=False, result="done")
else:
    put(
        type="rate_limit_event",
        session_id=session,
        rate_limit_info={"status": "rejected", "resetsAt": until},
    )
    text = [{"type": "text", "text": "You've hit your limit"}]
    message = {"model": "<synthetic>", "role": "assistant", "id": "m", "content": text}
    put(
        type="assistant",
        session_id=session,
        message=message,
        error="rate_limit",
        is_api_error_message=True,
    )
    put(
        **end,
        subtype="success",
        is_error=True,
        result="You've hit your limit",
        terminal_reason="api_error",
    )
with Path(f"{ACCOUNT}.log").open("a") as file:
    told = [os.getppid(), began, time.time(), until is None, session, "--resume" in words]
    file.write(json.dumps(told) + "\n")
sys.exit(until is not None)
