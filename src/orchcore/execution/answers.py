"""Answer models: their JSON schema, and finding a valid instance in what an agent said."""

import json
import re
from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from orchcore.declarations.body import RAISED
from orchcore.results import TurnResult

_OPENING = re.compile(r"[{\[]")
_OPENINGS = 10_000
"""So many braces and brackets of a text are tried: each may cost a look at all that follows."""
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

    def read(self, result: TurnResult) -> tuple[object, str | None]:
        """The validated answer of *result*, and its JSON; ``None`` if it cannot be stored.

        Raises:
            InvalidAnswerError: It holds no valid answer.
        """
        data = result.answer if result.answer is not None else _found(result.text)
        try:
            value = self._validated(data)
        except ValidationError as error:
            raise InvalidAnswerError(_listed(error)) from None
        except RAISED as error:  # a validator may raise anything
            raise InvalidAnswerError(f"{type(error).__name__}: {error}") from None
        return value, self._dumped(value)

    def _dumped(self, value: object) -> str | None:
        try:
            return self._adapter.dump_json(value).decode()
        except RAISED:  # a serializer of the user's may raise anything
            return None

    def _validated(self, data: object) -> object:
        if self._wrapped and isinstance(data, dict) and list(cast("Any", data)) == ["value"]:
            data = cast("dict[str, object]", data)["value"]
        # JSON mode: a date is a string there, and a strict model still takes it
        return self._adapter.validate_json(json.dumps(data))


def shape(model: object) -> AnswerShape:
    """The shape of *model*, made once if it can be told from others.

    Raises:
        pydantic.PydanticUserError: *model* has no JSON schema.
    """
    return _shape(model) if _hashes(model) else AnswerShape(model)


@lru_cache(maxsize=256)
def _shape(model: Hashable) -> AnswerShape:
    return AnswerShape(model)


def _hashes(model: object) -> bool:
    try:
        hash(model)
    except TypeError:  # Annotated[int, ["unit", "s"]]
        return False
    return True


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
    """The JSON value in *text*: all of it, its last fenced block, or its longest object or list.

    Raises:
        InvalidAnswerError: There is none.
    """
    for candidate in (text, *reversed(_FENCE.findall(text))):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    longest, found = 0, None
    for size, value in _objects(text):
        if size > longest:
            longest, found = size, value
    if not longest:
        raise InvalidAnswerError("it holds no JSON")
    return found


def _objects(text: str) -> Iterator[tuple[int, object]]:
    """Every object and list in *text* that is not within another, with its length."""
    decoder = json.JSONDecoder()
    end = 0
    for match in islice(_OPENING.finditer(text), _OPENINGS):
        start = match.start()
        if start < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        except RecursionError:  # no answer looks like this, and the next opening costs the same
            return
        yield end - start, value


def _listed(error: ValidationError) -> str:
    rows = [
        f"{'.'.join(str(part) for part in item['loc']) or 'answer'}: {item['msg']}"
        for item in error.errors(include_url=False)
    ]
    more = f" (and {len(rows) - 5} more)" if len(rows) > 5 else ""
    return "; ".join(rows[:5]) + more
