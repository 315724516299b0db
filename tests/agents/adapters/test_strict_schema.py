import json
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from orchcore.agents.adapters.strict_schema import answer_in, in_words, strict

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}
LIST = {"type": "array", "items": {"type": "string"}}


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = Field(default=9, ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str | None = Field(default=None, min_length=1, max_length=9, pattern="^[a-z]+$")


class Home(BaseModel):
    """A home of pets."""

    pets: list[Cat | Dog] = Field(description="all of them")
    best: Cat | Dog = Field(discriminator="kind")
    since: str = Field(default="", json_schema_extra={"format": "date"})


def objects_of(schema: object) -> list[dict[str, Any]]:
    """Every schema of an object within *schema*."""
    if isinstance(schema, list):
        return [one for part in cast("list[object]", schema) for one in objects_of(part)]
    if not isinstance(schema, dict):
        return []
    given = cast("dict[str, Any]", schema)
    found = objects_of(list(given.values()))
    return [given, *found] if "properties" in given else found


def test_models_become_strict() -> None:
    """Every object is closed and asks for all of its fields; what strict mode lacks is gone."""
    made = strict(Home.model_json_schema())
    assert made is not None
    assert len(objects_of(made)) == 3
    for one in objects_of(made):
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    text = json.dumps(made)
    assert "all of them" in text
    assert '"maximum": 9' in text
    for gone in ("default", "oneOf", "discriminator", "minLength", "maxLength"):
        assert f'"{gone}"' not in text


def test_strict_schema_stays_as_it_is() -> None:
    """What is strict already is not changed, and made strict again it is the same."""
    made = strict(Home.model_json_schema())
    assert made is not None
    assert strict(made) == made


def test_other_than_objects_are_boxed() -> None:
    """A list, a number, a reference become the one field of an object."""
    kids = {"type": "array", "items": {"$ref": "#/$defs/T"}}
    tree = {"T": {"type": "object", "properties": {"kids": kids}}}
    made = strict({"$defs": tree, "$ref": "#/$defs/T"})
    assert made is not None
    assert made["properties"] == {"answer": {"$ref": "#/$defs/T"}}
    assert strict({"type": "integer"}) == {
        "type": "object",
        "properties": {"answer": {"type": "integer"}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def test_no_instance_is_lost_but_optional_fields() -> None:
    """A single ``allOf`` is its part; a reference loses the words beside it; unknown formats go."""
    shape = {
        "$defs": {"S": {"type": "string", "format": "uri"}},
        "type": "object",
        "properties": {
            "a": {"allOf": [{"type": "string", "pattern": "^a$"}], "default": "a"},
            "b": {"$ref": "#/$defs/S", "description": "an address", "default": ""},
            "r": {"allOf": [{"$ref": "#/$defs/S"}], "title": "R"},
            "c": {"type": ["string", "null"], "format": "date", "pattern": "(?=x)x"},
        },
    }
    made = strict(shape)
    assert made is not None
    assert made["properties"] == {
        "a": {"type": "string", "pattern": "^a$"},
        "b": {"$ref": "#/$defs/S"},
        "r": {"$ref": "#/$defs/S"},
        "c": {"type": ["string", "null"], "format": "date"},
    }
    assert made["$defs"] == {"S": {"type": "string"}}


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"type": "object"},
        {"type": "array"},
        {"type": ["array", "null"]},
        {"type": "array", "items": {}},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"allOf": [OBJECT, OBJECT]},
        {"anyOf": {"type": "string"}},
        {"enum": ["a", 1]},
        {"not": {"type": "string"}},
        {"type": "object", "properties": [1]},
        {"$ref": "#/$defs/T", "minLength": 3, "type": "string"},
        {"$ref": "https://example.org/schema"},
        {"$ref": 3},
        True,
    ],
)
def test_what_strict_mode_cannot_say(part: Any) -> None:
    """A free-form object, a tuple, anything at all: not strict, wherever it stands."""
    assert strict({"type": "object", "properties": {"a": part}}) is None
    assert strict({"$defs": {"T": part}, **OBJECT}) is None


def test_endless_nesting_is_not_strict() -> None:
    """A schema too deep to be walked is given up, not raised."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        deep = {"type": "array", "items": deep}
    assert strict(deep) is None


@pytest.mark.parametrize("kind", [int, str, bool, list[str], Home, Cat | Dog, str | None])
def test_usual_answers_are_strict(kind: Any) -> None:
    """What people ask for mostly can be strict."""
    assert strict(TypeAdapter(kind).json_schema()) is not None


@pytest.mark.parametrize("kind", [dict[str, int], tuple[int, str], Any, object, dict[str, Any]])
def test_free_answers_are_not_strict(kind: Any) -> None:
    """What has no fixed shape is left to the prompt."""
    assert strict(TypeAdapter(kind).json_schema()) is None


@pytest.mark.parametrize(
    ("text", "schema", "answer"),
    [
        ('{"a": "x"}', OBJECT, {"a": "x"}),
        (' \n{"a": "x"}\n', OBJECT, {"a": "x"}),
        ('Here:\n```json\n{"a": "x"}\n```\nDone.', OBJECT, {"a": "x"}),
        ('```\n{"a": 1}\n```\nno:\n```JSON\n{"a": 2}\n```', OBJECT, {"a": 2}),
        ('{"answer": ["x"]}', LIST, ["x"]),
        ('["x"]', LIST, ["x"]),
        ('{"answer": null}', {"type": "null"}, None),
        ("null", {"type": "null"}, None),
        ('{"answer": {"answer": 1}}', {"$ref": "#/$defs/T"}, {"answer": 1}),
        ('{"answer": 1}', OBJECT, {"answer": 1}),
        ('{"a": "\\ud83d"}', OBJECT, {"a": "\ufffd"}),
    ],
)
def test_answer_is_found(text: str, schema: dict[str, Any], answer: object) -> None:
    """JSON is read as it is, out of a fence and out of its box."""
    assert answer_in(text, schema) == (answer,)


@pytest.mark.parametrize(
    "text",
    ["", "I will not.", '{"a": ', "NaN", '{"a": NaN}', "[1]", "```json\nno\n```", "[" * 9999],
)
def test_no_answer_is_none(text: str) -> None:
    """Prose, cut JSON, what is no JSON and what is no object are no answer."""
    assert answer_in(text, OBJECT) is None


def test_words_hold_the_schema() -> None:
    """Where no flag says it, the prompt does."""
    assert json.dumps(LIST) in in_words(LIST)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.sampled_from(["object", "array"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "properties", "items", "anyOf", "$ref", "$defs", "x"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_schema_is_read(schema: Any) -> None:
    """No schema raises, and whatever is called strict has closed objects only."""
    made = strict({"type": "object", "properties": schema})
    for one in objects_of(made or {}):
        if one.get("type") == "object":
            assert one["additionalProperties"] is False
