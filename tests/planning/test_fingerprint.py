"""A body is another one if anything of the user's that it uses is."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from orchcore.planning.fingerprint import fingerprint

BODY = "async def body():\n    return "
MODEL = "from pydantic import BaseModel, Field, field_validator\nclass M(BaseModel):\n"
METHOD = "class C:\n    def g(self): pass\n    {how}\n    def f(*a): return {{}}\n" + BODY + "C().f"

CHANGES: Mapping[str, tuple[str, tuple[Any, Any]]] = {
    "a constant": (BODY + "{!r}", ("a", "b")),
    "a global": ("X = {!r}\n" + BODY + "X", ("a", "b")),
    "a helper's default": ("def h(n={}): return n\n" + BODY + "h()", (1, 2)),
    "a helper's keyword": ("def h(*, n={}): return n\n" + BODY + "h()", (1, 2)),
    "a default within": ("async def body():\n    def g(n={}): return n\n    return g()", (1, 2)),
    "a lambda": ("h = lambda: {}\n" + BODY + "h()", (1, 2)),
    "a cached function": ("import functools\n@functools.cache\ndef h(): return {}\n" + BODY + "h()", (1, 2)),
    "a partial": ("import functools\ndef h(n): return n\np = functools.partial(h, {})\n" + BODY + "p()", (1, 2)),
    "a function in a dict": ("def h(): return {}\nD = {{'h': h}}\n" + BODY + "D['h']()", (1, 2)),
    "a module's value": ("import prompts\n" + BODY + "prompts.TEXT", ("TEXT = 1", "TEXT = 2")),
    "a module's function": ("import prompts\n" + BODY + "prompts.f()", ("def f(): return 1", "def f(): return 2")),
    "a property": (METHOD.format(how="@property"), (1, 2)),
    "a class method": (METHOD.format(how="@classmethod"), (1, 2)),
    "a static method": (METHOD.format(how="@staticmethod"), (1, 2)),
    "a base class": ("class B:\n    def f(self): return {}\nclass C(B):\n    def g(self): pass\n" + BODY + "C().f()", (1, 2)),
    "a class's list": ("class C:\n    X = [{}]\n    def f(self): pass\n" + BODY + "C.X", (1, 2)),
    "a nested class": ("class C:\n    class D:\n        y = {}\n" + BODY + "C.D.y", (1, 2)),
    "an enum's value": ("import enum\nclass C(enum.Enum):\n    RED = {!r}\n" + BODY + "C.RED.value", ("red", "crimson")),
    "an object": ("from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int\nK = C({})\n" + BODY + "K.n", (1, 2)),
    "a set": ("X = {{{!r}, 'z'}}\n" + BODY + "X", ("a", "b")),
    "a path": ("from pathlib import Path\nX = Path({!r})\n" + BODY + "X", ("a", "b")),
    "a pattern": ("import re\nX = re.compile({!r})\n" + BODY + "X", ("a", "b")),
    "a decimal": ("from decimal import Decimal\nX = Decimal({!r})\n" + BODY + "X", ("1", "2")),
    "a method of an object": ("class C:\n    def f(self): return {}\nf = C().f\n" + BODY + "f()", (1, 2)),
    "an attribute of an object": ("class C:\n    def __init__(self, n): self.n = n; self.me = self\nX = C({})\n" + BODY + "X.n", (1, 2)),
    "a field's description": (MODEL + "    x: str = Field(description={!r})\n" + BODY + "M", ("a", "b")),
    "a field's default": (MODEL + "    x: int = {}\n" + BODY + "M", (1, 2)),
    "a field's limit": (MODEL + "    x: str = Field(min_length={})\n" + BODY + "M", (1, 2)),
    "a model's docstring": (MODEL + "    '''{}'''\n    x: int\n" + BODY + "M", ("a", "b")),
    "a validator": (MODEL + "    x: int\n    @field_validator('x')\n    @classmethod\n    def v(cls, x): return x + {}\n" + BODY + "M", (1, 2)),
    "which name has it": ("A, B, C = {}\n" + BODY + "(A, B, C)", ((3, 3, 2), (3, 2, 3))),
    "which list has it": ("A, B = {}\n" + BODY + "(A, B)", ((["a", "b"], ["c"]), (["a"], ["b", "c"]))),
    "how it is nested": ("A = {}\n" + BODY + "A", ([["a"], ["b"]], ["a", "b"])),
}  # fmt: skip
ODD = (
    "class Odd:\n    def __getattr__(self, name): return Odd()\nX = Odd()\n" + BODY + "X",
    "import xmlrpc.client\nX = xmlrpc.client.ServerProxy('http://127.0.0.1:1')\n" + BODY + "X",
)
"""Objects that answer to any name."""

SAME: Mapping[str, tuple[str, tuple[Any, Any]]] = {
    "a comment": (BODY + "1  # {}\n", ("a", "b")),
    "a docstring": ("async def body():\n    '''{}'''\n    return 1", ("a", "b")),
    "what it does not use": ("X = {}\n" + BODY + "1", (1, 2)),
    "the order in a set": ("X = frozenset({})\n" + BODY + "X", (["a", "b", "c"], ["c", "b", "a"])),
}


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Any]:
    def digest(text: str, value: Any) -> str:
        if "import prompts" in text:
            prompts = ModuleType("prompts")
            prompts.__file__ = str(tmp_path / "prompts.py")
            exec(compile(value, prompts.__file__, "exec"), vars(prompts))  # noqa: S102
            sys.modules["prompts"] = prompts
        else:
            text = text.format(value)
        module = ModuleType("tried_orchfile")
        module.__file__ = str(tmp_path / "orchfile.py")
        sys.modules[module.__name__] = module
        exec(compile(dedent(text), module.__file__, "exec"), vars(module))  # noqa: S102
        return fingerprint(vars(module)["body"], tmp_path)

    yield digest
    for name in ("prompts", "tried_orchfile"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", CHANGES)
def test_what_counts(loaded: Any, name: str) -> None:
    """Each change makes another digest, and none makes none."""
    text, (one, other) = CHANGES[name]
    assert loaded(text, one) != loaded(text, other)
    assert loaded(text, one) == loaded(text, one)


@pytest.mark.parametrize("text", ODD)
def test_objects_that_answer_to_any_name(loaded: Any, text: str) -> None:
    """They are no endless walk."""
    assert loaded(text, 0)


def test_sets_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever the order of what they hold, which hashes make."""
    (tmp_path / "orchfile.py").write_text(
        "import enum\nfrom dataclasses import dataclass\n"
        "class Sev(enum.Enum):\n    HIGH = 'high'\n    LOW = 'low'\n"
        "@dataclass(frozen=True)\nclass Rule:\n    name: str\n"
        "ALLOWED = frozenset({Sev.HIGH, Sev.LOW, Rule('a'), Rule('b'), 'c', 'd'})\n"
        "async def body():\n    return ALLOWED\n"
    )
    code = (
        "import sys; sys.path.insert(0, '.'); import orchfile; from pathlib import Path\n"
        "from orchcore.planning.fingerprint import fingerprint\n"
        "print(fingerprint(orchfile.body, Path.cwd()))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(1, 6)
    }
    assert len(told) == 1


@pytest.mark.parametrize("name", SAME)
def test_what_does_not_count(loaded: Any, name: str) -> None:
    """Nobody pays again for what says the same."""
    text, (one, other) = SAME[name]
    assert loaded(text, one) == loaded(text, other)
