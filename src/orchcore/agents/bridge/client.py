"""The client's side of the conversation: prints what the agent tells, answers what it asks.

Every answer is given at once, and nothing here waits: the order of the lines is that of the
agent's messages.
"""

import asyncio
from typing import Any, cast

from acp.exceptions import RequestError
from acp.meta import CLIENT_METHODS

from orchcore.agents.adapters.json_fields import Fields
from orchcore.agents.bridge.permission import CHANGING, allows, chosen
from orchcore.agents.bridge.stream import Stream

_UPDATE = CLIENT_METHODS["session_update"]
_PERMISSION = CLIENT_METHODS["session_request_permission"]


class Client:
    """Handles the agent's requests and notifications.

    Args:
        permission: ``read-only``, ``edit`` or ``full``.
        stream: Where everything is printed.

    Attributes:
        session_id: The conversation whose updates count.
        prompting: Whether the prompt was sent: what comes before is no part of this turn.
        heard: How many updates came so far.
        unasked: Set to the title of a call that changed files without asking although it may not.
    """

    def __init__(self, permission: str, stream: Stream) -> None:
        self.session_id = ""
        self.prompting = False
        self.heard = 0
        self.unasked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._permission = permission
        self._stream = stream
        self._kinds: dict[str, str] = {}
        self._allowed: set[str] = set()

    async def handle(self, method: str, params: Any, is_notification: bool) -> Any:
        """The answer to one message, as the library's connection wants it.

        Raises:
            RequestError: Nothing of the kind is offered.
        """
        fields = Fields(cast("dict[str, Any]", params) if isinstance(params, dict) else {})
        if method == _UPDATE:
            self._update(fields)
            return None
        if method == _PERMISSION and not is_notification:
            return self._asked(fields)
        if is_notification:
            kind = "extension" if method.startswith(("_", "$/")) else "unknown_notification"
            self._stream.put(kind, method=method)
            return None
        self._stream.put("refused", method=method)
        raise RequestError.method_not_found(method)

    def _update(self, params: Fields) -> None:
        self.heard += 1
        update, session_id = params.part("update"), params.text("sessionId")
        kind = update.text("sessionUpdate")
        if not self.prompting or session_id != self.session_id:
            self._stream.put("ignored", update=kind, session_id=session_id)
            return
        self._stream.put(f"update.{kind}", update=update.raw)
        if kind in ("tool_call", "tool_call_update"):
            self._watch(update)

    def _watch(self, update: Fields) -> None:
        """Looks whether an agent that never asks has changed something."""
        call_id = update.text("toolCallId")
        kind = update.text("kind") or self._kinds.get(call_id, "")
        self._kinds[call_id] = kind
        done = update.text("status") == "completed" and call_id not in self._allowed
        if done and kind in CHANGING and not allows(self._permission, kind):
            title = f"{kind}: {update.text('title')}"
            if not self.unasked.done():
                self.unasked.set_result(title)

    def _asked(self, params: Fields) -> dict[str, Any]:
        call = params.part("toolCall")
        call_id = call.text("toolCallId")
        kind = call.text("kind") or self._kinds.get(call_id, "")
        allowed = allows(self._permission, kind)
        option = chosen(params.parts("options"), allowed=allowed)
        if allowed and option is not None:
            self._allowed.add(call_id)
        told = {key: value for key, value in call.raw.items() if key != "content"}
        self._stream.put("permission", call=told, allowed=allowed and option is not None)
        if option is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": option}}
