"""Answer models: their JSON schema, and finding a valid instance in what an agent said."""

import json
import re
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from orchcore.results import TurnResult

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class InvalidAnswerError(Exception):
    """An answer that is not an instance of its model; the text says why, for the agent."""


class AnswerShape:
    """What one answer model asks for.

    CLIs want an object as the root of a schema, so anything else travels as ``{"value": ...}``.
    """

    def __init__(self, model: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(model)
        self.name = str(getattr(model, "__name__", model))
        schema = self._adapter.json_schema()
        self._wrapped = schema.get("type") != "object"
        self.schema: Mapping[str, object] = _as_object(schema) if self._wrapped else schema

    def instructions(self) -> str:
        """What a prompt says where the CLI has no flag for a schema."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return (
            "\n\nAnswer with one JSON value that is valid for this JSON schema, and with nothing "
            f"else (no prose, no code fence):\n{schema}"
        )

    def read(self, result: TurnResult) -> tuple[object, str]:
        """The validated answer of *result*, and its JSON.

        Raises:
            InvalidAnswerError: It holds no valid answer.
        """
        data = result.answer if result.answer is not None else _found(result.text)
        try:
            value = self._validated(data)
        except ValidationError as error:
            raise InvalidAnswerError(_listed(error)) from None
        return value, self._adapter.dump_json(value).decode()

    def _validated(self, data: object) -> object:
        if self._wrapped and isinstance(data, dict) and list(cast("Any", data)) == ["value"]:
            data = cast("dict[str, object]", data)["value"]
        # JSON mode: a date is a string there, and a strict model still takes it
        return self._adapter.validate_json(json.dumps(data))


@lru_cache(maxsize=256)
def shape(model: Hashable) -> AnswerShape:
    """The shape of *model*, made once.

    Raises:
        pydantic.PydanticUserError: *model* has no JSON schema.
    """
    return AnswerShape(model)


def _as_object(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", None)
    root: dict[str, Any] = {
        "type": "object",
        "properties": {"value": schema},
        "required": ["value"],
        "additionalProperties": False,
    }
    return root if definitions is None else {**root, "$defs": definitions}


def _found(text: str) -> object:
    """The JSON value in *text*: all of it, a fenced block, or the first object or list.

    Raises:
        InvalidAnswerError: There is none.
    """
    candidates = [text, *reversed(_FENCE.findall(text))]
    for candidate in candidates:
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    decoder = json.JSONDecoder()
    for start in (match.start() for match in re.finditer(r"[{\[]", text)):
        try:
            return decoder.raw_decode(text, start)[0]
        except ValueError:
            continue
    raise InvalidAnswerError("it holds no JSON")


def _listed(error: ValidationError) -> str:
    rows = [
        f"{'.'.join(str(part) for part in item['loc']) or 'answer'}: {item['msg']}"
        for item in error.errors(include_url=False)
    ]
    more = f" (and {len(rows) - 5} more)" if len(rows) > 5 else ""
    return "; ".join(rows[:5]) + more
