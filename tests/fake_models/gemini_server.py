"""A fake Gemini API on loopback: the real Gemini CLI can run against it.

The scenarios are those of ``fake_models.scenarios``. The CLI has no flag for a schema, so a schema
in a request's configuration makes it a helper request (Gemini CLI 0.61 rates a prompt's complexity
with one to choose a model).

Run it by hand: ``python -m fake_models.gemini_server`` (with ``tests`` on the path) prints the
address and serves until it is interrupted. Gemini CLI 0.61 takes ``GOOGLE_GEMINI_BASE_URL`` only
with ``{"security": {"auth": {"selectedType": "gemini-api-key"}}}`` in its ``settings.json``.
"""

import json
import re
from contextlib import AbstractContextManager

from fake_models.model_server import RESETS_IN_S, ModelServer, Refusal, running, serve_by_hand, sse
from fake_models.scenarios import Asked, Json, Reply, schema_told

_PATH = re.compile(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent)")
_CWD = re.compile(r"Workspace Directories:\*\*\n  - (\S+)")
_REFUSALS = {
    "rate-limit": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota. Please try again in 2s.",
    ),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "unauthorized": (
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials.",
    ),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "not-found": (
        404,
        "NOT_FOUND",
        "models/no-such-model is not found for API version v1beta.",
    ),
    "server-error": (500, "INTERNAL", "An internal error has occurred."),
}
_DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


class FakeGemini(ModelServer):
    """Its ``url`` goes into ``GOOGLE_GEMINI_BASE_URL``."""

    def wire_of(self, path: str) -> "GenerateContent | None":
        return GenerateContent() if _PATH.fullmatch(path) else None


def serving() -> AbstractContextManager[FakeGemini]:
    """A running server; leaving ends it, stalled answers too."""
    return running(FakeGemini())


class GenerateContent:
    """``POST /v1beta/models/MODEL:generateContent`` and ``:streamGenerateContent?alt=sse``."""

    def asked(self, path: str, body: Json) -> Asked:
        named = _PATH.fullmatch(path)
        said = _said_by_user(body)
        schema = body.get("generationConfig", {}).get("responseJsonSchema")
        declared = [
            function
            for tool in body.get("tools", ())
            for function in tool.get("functionDeclarations", ())
        ]
        told = _CWD.search("\n".join(said))
        return Asked(
            model=named[1] if named else "",
            said=said,
            tools={
                str(function["name"]): function.get("parametersJsonSchema", {})
                for function in declared
            },
            shell="run_shell_command",
            writer="write_file",
            schema=_in_lower_case(schema) if schema else schema_told(said),
            cwd=told[1] if told else ".",
            after_tool=any("functionResponse" in part for part in _parts(body)[-1:]),
            helper=bool(schema),
            stream=path.endswith(":streamGenerateContent"),
        )

    def refusal(self, scenario: str) -> Refusal | None:
        if scenario not in _REFUSALS:
            return None
        status, name, message = _REFUSALS[scenario]
        error: Json = {"code": status, "message": message, "status": name}
        if scenario == "rate-limit":
            error["details"] = [_retry_in("2s")]
        if scenario == "quota":
            error["details"] = [_DAILY, _retry_in(f"{RESETS_IN_S}s")]
        headers = {"retry-after": "2"} if scenario == "rate-limit" else {}
        return Refusal(status, {"error": error}, headers)

    def whole(self, asked: Asked, reply: Reply) -> Json:
        return _answer(asked, _parts_of(reply, [reply.text]), _end_of(reply))

    def events(self, asked: Asked, reply: Reply) -> list[str]:
        answers = [_answer(asked, [part]) for part in _parts_of(reply, reply.pieces)]
        return [sse(answer) for answer in (*answers, _answer(asked, [], _end_of(reply)))]


def _answer(asked: Asked, parts: list[Json], end: str | None = None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    answer: Json = {"candidates": [candidate], "modelVersion": asked.model}
    if end is None:
        return answer
    candidate["finishReason"] = end
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 30,
        "candidatesTokenCount": 12,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 117,
    }
    return {**answer, "usageMetadata": usage}


def _parts_of(reply: Reply, texts: list[str]) -> list[Json]:
    parts: list[Json] = [{"text": reply.thought, "thought": True}] if reply.thought else []
    parts += [{"text": text} for text in texts if text]
    if reply.call is not None:
        call = reply.call
        parts.append({"functionCall": {"id": call.id, "name": call.name, "args": call.asked}})
    return parts


def _end_of(reply: Reply) -> str:
    return "SAFETY" if reply.refused else "STOP"


def _retry_in(delay: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def _parts(body: Json) -> list[Json]:
    return [
        part
        for content in body.get("contents", ())
        if content.get("role", "user") == "user"
        for part in content.get("parts", ())
    ]


def _said_by_user(body: Json) -> tuple[str, ...]:
    return tuple(str(part["text"]) for part in _parts(body) if "text" in part)


def _in_lower_case(schema: Json) -> Json:
    """The schema with JSON schema's names of types; the CLI writes ``OBJECT`` for ``object``."""
    return dict(json.loads(re.sub(r'(?<="type": )"[A-Z]+"', _lower, json.dumps(schema))))


def _lower(written: re.Match[str]) -> str:
    return written[0].lower()


if __name__ == "__main__":
    serve_by_hand(FakeGemini())
