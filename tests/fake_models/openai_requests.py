"""What both endpoints of an OpenAI API have in common: errors, and what a user said."""

import json
import re

from fake_models.model_server import Refusal
from fake_models.scenarios import Json

_REFUSALS = {
    "rate-limit": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for fake-model. Please try again in 2s.",
    ),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "unauthorized": (
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided: sk-dummy.",
    ),
    "overloaded": (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "Our servers are currently overloaded. Please try again later.",
    ),
    "not-found": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `no-such-model` does not exist or you do not have access to it.",
    ),
    "server-error": (
        500,
        "server_error",
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
}


def api_error(scenario: str) -> Refusal | None:
    """The API's error of that name."""
    if scenario not in _REFUSALS:
        return None
    status, kind, code, message = _REFUSALS[scenario]
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Refusal(
        status, {"error": error}, {"retry-after": "2"} if scenario == "rate-limit" else {}
    )


def said_by_user(messages: list[Json]) -> tuple[str, ...]:
    """The user's texts, oldest first."""
    contents = [message.get("content", "") for message in messages if message.get("role") == "user"]
    return tuple(
        content
        if isinstance(content, str)
        else "\n".join(str(part.get("text")) for part in content)
        for content in contents
    )


def told_cwd(body: Json) -> str:
    """The working directory that a CLI told its model."""
    told = re.search(r"(?:<cwd>|[Ww]orking directory: )([^\s<\"\\]+)", json.dumps(body))
    return told[1] if told else "."
