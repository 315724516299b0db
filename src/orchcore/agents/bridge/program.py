"""The bridge's one turn: start the agent, speak to it, end it.

The agent is started before the library is imported: that takes about as long as most agents take
to start.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

from orchcore.agents.bridge.exits import exited
from orchcore.agents.bridge.stream import Stream
from orchcore.agents.bridge.task import Task

AUTH_VARIABLE = "ORCHCORE_ACP_AUTH"
_LEAVE_S = 2.0
_GRACE_S = 1.0


def main(args: Sequence[str]) -> int:
    """Does the turn that *args* tell with the prompt on stdin.

    Returns:
        0 once the agent answered the prompt, whatever it answered; else 1.
    """
    task, stream = Task.of(args), Stream()
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    if find_spec("acp") is None:
        stream.put("error", reason="library", stage="start", message="no module named 'acp'")
        return 1
    with suppress(BrokenPipeError):  # who listened is gone, and ends this tree
        return asyncio.run(_turn(task, prompt, stream))
    return 1


async def _turn(task: Task, prompt: str, stream: Stream) -> int:
    env = {name: value for name, value in os.environ.items() if name != AUTH_VARIABLE}
    try:
        agent = await asyncio.create_subprocess_exec(
            *task.argv, stdin=PIPE, stdout=PIPE, cwd=task.cwd, env=env
        )
    except (OSError, ValueError) as error:
        reason = "not_found" if isinstance(error, FileNotFoundError) else "start"
        stream.put("error", reason=reason, stage="start", message=f"{task.argv[0]}: {error}")
        return 1
    try:
        from orchcore.agents.bridge.conversation import converse

        method = os.environ.get(AUTH_VARIABLE)
        return 0 if await converse(task, prompt, agent, stream, method) else 1
    finally:
        await _end(agent)


async def _end(agent: Process) -> None:
    """Lets the agent leave by itself, as its stdin is closed; ends it if it does not."""
    if agent.stdin is not None:
        agent.stdin.close()
    for patience_s, force in ((_LEAVE_S, agent.terminate), (_GRACE_S, agent.kill)):
        if await exited(agent, patience_s) is not None:
            return
        with suppress(ProcessLookupError):
            force()
