"""One turn in the words of the protocol: initialize, open a session, choose a model, prompt.

Rules of this file:

1. Each step ends with a result, or with one line of type ``error`` that names the step.
2. Nothing is prompted that could not be set up as asked: work that was not wanted costs money.
3. What an agent replays of a conversation it goes on with is no part of the turn. Gemini CLI 0.61
   replays *after* it answered ``session/load``: the prompt waits until it is quiet.
"""

import asyncio
from asyncio.subprocess import Process
from contextlib import suppress
from typing import Any, NoReturn, cast

from acp.connection import Connection
from acp.exceptions import RequestError
from acp.meta import AGENT_METHODS, PROTOCOL_VERSION
from acp.schema import (
    ClientCapabilities,
    FileSystemCapabilities,
    Implementation,
    InitializeRequest,
    NewSessionRequest,
    PromptRequest,
    TextContentBlock,
)
from pydantic import BaseModel

from orchcore.agents.adapters.json_fields import Fields
from orchcore.agents.bridge.client import Client
from orchcore.agents.bridge.exits import exited
from orchcore.agents.bridge.stream import Stream
from orchcore.agents.bridge.task import Task
from orchcore.agents.bridge.wire import LINE_LIMIT_BYTES, Wire

QUIET_S = 0.4
_QUIET_AT_MOST_S = 20.0
_SETTLE_S = 0.1
_LAST_WORDS_S = 1.0


class NotDoneError(Exception):
    """A step failed, as its line of the stream says."""

    def __init__(self, reason: str, message: str, **fields: object) -> None:
        """Carries what the line says."""
        super().__init__(message)
        self.fields: dict[str, object] = {"reason": reason, "message": message, **fields}


async def converse(
    task: Task, prompt: str, agent: Process, stream: Stream, auth_method: str | None = None
) -> bool:
    """Holds the whole turn with *agent*.

    Args:
        task: What to do.
        prompt: What the agent is told.
        agent: The process, just started, with pipes.
        stream: Where everything is printed.
        auth_method: The way to log in that is asked for before a session is opened.

    Returns:
        Whether the prompt was answered; else an ``error`` was printed.
    """
    if agent.stdout is None or agent.stdin is None:
        raise ValueError("the agent needs pipes")
    wire = Wire(agent.stdout, agent.stdin, stream)
    client = Client(task.permission, stream)
    connection = Connection(client.handle, wire)
    leaving = asyncio.create_task(_hang_up(agent), name="hear that the agent has exited")
    turn = _Turn(task, connection, client, stream)
    try:
        await turn.hold(prompt, auth_method)
    except NotDoneError as error:
        stream.put("error", stage=turn.stage, **error.fields)
    except OSError:
        stream.put("error", stage=turn.stage, **await _gone(agent, overlong=wire.overlong))
    else:
        return True
    finally:
        leaving.cancel()
        with suppress(OSError):
            await connection.close()
    return False


class _Turn:
    def __init__(self, task: Task, connection: Connection, client: Client, stream: Stream) -> None:
        self.stage = "initialize"
        self._task = task
        self._connection = connection
        self._client = client
        self._stream = stream

    async def hold(self, prompt: str, auth_method: str | None) -> None:
        able = await self._initialize()
        if auth_method:
            self.stage = "authenticate"
            await self._ask("authenticate", {"methodId": auth_method})
        self.stage = "session"
        opened = await self._open(able)
        self.stage = "model"
        model = await self._choose_model(opened) or current_model(opened)
        self._stream.put("session", session_id=self._client.session_id, model=model)
        self.stage = "prompt"
        answer = await self._prompt(prompt)
        self._stream.put(
            "final", stop_reason=answer.text("stopReason"), usage=answer.raw.get("usage")
        )

    async def _initialize(self) -> Fields:
        files = FileSystemCapabilities(read_text_file=False, write_text_file=False)
        hello = InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=ClientCapabilities(fs=files, terminal=False),
            client_info=Implementation(name="orchcore", version="0"),
        )
        answer = await self._ask("initialize", hello)
        version, info = answer.count("protocolVersion"), answer.part("agentInfo")
        self._stream.put("agent", name=info.text("name"), version=info.text("version"))
        if version != PROTOCOL_VERSION:
            raise NotDoneError("version", f"speaks version {version} of the protocol, not 1")
        return answer.part("agentCapabilities")

    async def _open(self, able: Fields) -> Fields:
        asked: dict[str, Any] = {"cwd": self._task.cwd, "mcpServers": []}
        if self._task.resume is None:
            opened = await self._ask(
                "session_new", NewSessionRequest(cwd=self._task.cwd, mcp_servers=[])
            )
            self._client.session_id = opened.text("sessionId")
        else:
            method = _way_on(able, fork=self._task.fork)
            opened = await self._ask(method, {**asked, "sessionId": self._task.resume})
            new_id = opened.text("sessionId") if self._task.fork else self._task.resume
            self._client.session_id = new_id
            await self._quiet()
        if not self._client.session_id:
            raise NotDoneError("protocol", "opened a session without an id")
        return opened

    async def _quiet(self) -> None:
        """Waits until nothing was replayed for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_QUIET_AT_MOST_S):
                heard = -1
                while heard != self._client.heard:
                    heard = self._client.heard
                    await asyncio.sleep(QUIET_S)

    async def _choose_model(self, opened: Fields) -> str | None:
        model, session_id = self._task.model, self._client.session_id
        if model is None:
            return None
        option = model_option(opened)
        if option:
            asked = {"sessionId": session_id, "configId": option.text("id"), "value": model}
            await self._ask("session_set_config_option", asked)
        elif opened.part("models"):  # what agents of before 2026 have in place of an option
            await self._send("session/set_model", {"sessionId": session_id, "modelId": model})
        else:
            raise NotDoneError(
                "unsupported", f"offers no choice of models, {model!r} was asked for"
            )
        return model

    async def _prompt(self, prompt: str) -> Fields:
        text = TextContentBlock(type="text", text=prompt)
        request = PromptRequest(session_id=self._client.session_id, prompt=[text])
        self._client.prompting = True
        answering = asyncio.create_task(self._ask("session_prompt", request), name="prompt")
        await asyncio.wait((answering, self._client.unasked), return_when="FIRST_COMPLETED")
        if answering.done():
            await asyncio.sleep(_SETTLE_S)  # for last updates that come behind the answer
        if self._client.unasked.done():
            await self._break_off(answering)
        return await answering

    async def _break_off(self, answering: asyncio.Task[Fields]) -> NoReturn:
        answering.cancel()
        await asyncio.wait((answering,))
        cancel = AGENT_METHODS["session_cancel"]
        await self._connection.send_notification(cancel, {"sessionId": self._client.session_id})
        raise NotDoneError("unasked", self._client.unasked.result())

    async def _ask(self, method: str, params: BaseModel | dict[str, Any]) -> Fields:
        if isinstance(params, BaseModel):
            params = params.model_dump(mode="json", by_alias=True, exclude_none=True)
        return await self._send(AGENT_METHODS[method], params)

    async def _send(self, method: str, params: dict[str, Any]) -> Fields:
        try:
            answer = await self._connection.send_request(method, params)
        except RequestError as error:
            raise NotDoneError("rpc", str(error), code=error.code, data=error.data) from error
        return Fields(cast("dict[str, Any]", answer) if isinstance(answer, dict) else {})


def model_option(opened: Fields) -> Fields:
    """The session's option that chooses the model; empty if it has none."""
    options = opened.parts("configOptions")
    return next((option for option in options if option.text("category") == "model"), Fields())


def current_model(opened: Fields) -> str | None:
    """The model in use, as the session's option or its list of models tells."""
    told = model_option(opened).text("currentValue")
    return told or opened.part("models").text("currentModelId") or None


def _way_on(able: Fields, *, fork: bool) -> str:
    """The method that goes on with a conversation."""
    sessions = able.part("sessionCapabilities")
    if fork:
        if "fork" in sessions:
            return "session_fork"
        raise NotDoneError("unsupported", "cannot fork a conversation")
    if "resume" in sessions:  # replays nothing
        return "session_resume"
    if able.flag("loadSession"):
        return "session_load"
    raise NotDoneError("unsupported", "cannot go on with a conversation")


async def _hang_up(agent: Process) -> None:
    """Ends the reading of a dead agent's stdout, which a child of its may hold open."""
    await exited(agent, look_s=1.0)  # seldom: a silent turn should cost nothing
    await asyncio.sleep(_LAST_WORDS_S)
    if agent.stdout is not None:
        agent.stdout.feed_eof()


async def _gone(agent: Process, *, overlong: bool) -> dict[str, object]:
    """What is told of an agent that does not talk any more."""
    if overlong:
        text = f"printed a line of more than {LINE_LIMIT_BYTES} bytes"
        return {"reason": "line_limit", "message": text}
    code = await exited(agent, _LAST_WORDS_S)
    return {"reason": "gone", "message": "closed its stdout", "exit_code": code}
