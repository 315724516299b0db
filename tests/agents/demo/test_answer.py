import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from agents.demo.answer_models import MODELS, Illustrated, Lists, Plan, Tree
from orchcore.agents.demo.answer import answer_for

PROMPT = "Plan the migration of the billing service to gRPC. Read src/billing.py and docs/api.md."


def adapter_of(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_model_gets_a_valid_answer(model: Any) -> None:
    """Whatever pydantic can describe, the answer is an instance of it, also as JSON."""
    adapter = adapter_of(model)
    schema = adapter.json_schema()
    for number in range(40):
        answer = answer_for(schema, f"{PROMPT} {number}", turn=1 + number % 4)
        adapter.validate_python(answer)
        adapter.validate_json(json.dumps(answer))


@settings(max_examples=60)
@given(st.sampled_from(MODELS), st.text(max_size=200), st.integers(1, 9), st.text(max_size=9))
def test_any_prompt_gets_a_valid_answer(model: Any, prompt: str, turn: int, history: str) -> None:
    """The answer is valid whatever the prompt says."""
    adapter = adapter_of(model)
    answer = answer_for(adapter.json_schema(), prompt, turn=turn, history=history, files=["a.py"])
    adapter.validate_python(answer)


def test_same_input_gives_the_same_answer() -> None:
    """Prompt, schema and history decide the answer, and each of them changes it."""
    schema = TypeAdapter(Plan).json_schema()
    answer = answer_for(schema, PROMPT)
    assert answer == answer_for(schema, PROMPT)
    assert answer != answer_for(schema, PROMPT + " Be quick.")
    assert answer != answer_for(schema, PROMPT, history="earlier")
    assert answer != answer_for({**schema, "title": "Other"}, PROMPT)


def test_strings_use_the_words_of_the_prompt() -> None:
    """A free string is a sentence with notable words of the prompt in it."""
    answer = answer_for({"type": "string"}, "Compare octopus and jellyfish")
    assert {"octopus", "jellyfish", "compare"} & set(re.findall(r"\w+", answer.lower()))
    assert answer.endswith(".")


def test_loops_end() -> None:
    """From the third turn on an approving field says yes."""
    approved = {"approved": {"type": "boolean"}}
    schema = {"type": "object", "properties": approved, "required": ["approved"]}
    said = {answer_for(schema, f"round {number}", turn=3)["approved"] for number in range(50)}
    assert said == {True}
    first = {answer_for(schema, f"round {number}", turn=1)["approved"] for number in range(50)}
    assert first == {True, False}


def test_items_depend_on_earlier_items_only() -> None:
    """Lists of things with ids refer to each other without unknown ids and without cycles."""
    schema = TypeAdapter(Lists).json_schema()
    referring = 0
    for number in range(30):
        steps = answer_for(schema, f"{PROMPT} {number}")["few"]
        ids = [step["id"] for step in steps]
        assert len(set(ids)) == len(ids)
        for index, step in enumerate(steps):
            assert set(step.get("needs", [])) <= set(ids[:index])
            referring += bool(step.get("needs"))
    assert referring


def test_author_s_examples_are_used_where_they_fit() -> None:
    """Examples of the schema are taken, except those that break its own bounds."""
    schema = TypeAdapter(Illustrated).json_schema()
    answers = [answer_for(schema, f"{PROMPT} {number}") for number in range(20)]
    assert {answer["city"] for answer in answers} == {"Oslo", "Lima"}
    assert {answer["size"] for answer in answers} == {7}


def test_recursive_answers_stay_small() -> None:
    """A recursive model gives a tree of a readable size."""
    schema = TypeAdapter(Tree).json_schema()
    sizes = [len(json.dumps(answer_for(schema, f"{PROMPT} {number}"))) for number in range(20)]
    assert max(sizes) < 20_000


def test_paths_are_files_that_exist() -> None:
    """A Path is one of the files that are there, not one that the prompt merely names."""
    schema = {"type": "string", "format": "path"}
    assert answer_for(schema, PROMPT, files=["README.md"]) == "README.md"


def test_unknown_keywords_are_no_obstacle() -> None:
    """Schemas of other makers give something, too: booleans, missing types, dangling references."""
    odd: list[dict[str, Any]] = [
        {},
        {"properties": {"a": True}, "required": ["a"]},
        {"$ref": "#/$defs/Missing"},
        {"type": ["integer", "null"], "minimum": 3},
        {"type": "array", "items": True, "minItems": 2},
        {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 3}]},
        {"type": "string", "pattern": "(["},
        {"type": "string", "pattern": r"^\p{Lu}\p{L}+\z"},
        {"enum": []},
    ]
    for schema in odd:
        json.dumps(answer_for(schema, PROMPT))
