"""What an orchfile's text says and its objects do not: what was declared and is lost.

Objects tell only of what a name or an edge still leads to. A phase whose name was given to another
one, a gate that nobody bound and a phase inside a class are seen in the text alone.
"""

import ast
import re
from collections.abc import Collection as Several
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

from orchcore.declarations import decorators
from orchcore.declarations.gates import approve
from orchcore.declarations.location import line_at
from orchcore.declarations.nodes import Declared
from orchcore.declarations.resource import Resource, resource
from orchcore.errors import Problem

type _Function = ast.FunctionDef | ast.AsyncFunctionDef

_DEFINES = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_APPROVES = re.compile(r"^(?:\w+\.)?approve\(", re.MULTILINE)


class SourceText:
    """The text of an orchfile.

    Args:
        orchfile: Its path; one that cannot be read says nothing.
        namespace: What its names stand for, now that it was imported.
    """

    def __init__(self, orchfile: Path, namespace: Mapping[str, Any]) -> None:
        self._file = str(orchfile)
        self._names = namespace
        try:
            self._text = orchfile.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            self._text = ""

    def redefined(self, kept: Several[object]) -> Iterator[Problem]:
        """Phases, steps and resources whose name was given to another definition.

        Args:
            kept: What names and edges lead to; these are not lost.
        """
        names = _DEFINES.findall(self._text)
        if len(names) == len(set(names)):
            return
        lines = {_first_line(one) for one in kept}
        last: dict[str, _Function] = {}
        for statement in self._tree.body:
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            before = last.pop(statement.name, None)
            if before is not None and _begin(before) not in lines:
                first = line_at(self._file, before.lineno)
                message = f"'{statement.name}' is defined again, so the one of {first} is lost"
                hint = f"give one of them another name:   {statement.name}_again"
                where = line_at(self._file, statement.lineno)
                yield Problem("redefined-phase", message, where, (hint,))
            if self._declares(statement):
                last[statement.name] = statement

    def unbound_gates(self) -> Iterator[Problem]:
        """Gates that were made and given to nobody."""
        if not _APPROVES.search(self._text):
            return
        for statement in self._tree.body:
            call = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(call, ast.Call) and self._named(call.func) is approve:
                message = "this gate is bound to no name, so nobody is asked"
                told = f"approved = {ast.unparse(call).splitlines()[0]}"
                hint = f"bind it and wait for it:   {told}   and then   use(approved)"
                where = line_at(self._file, statement.lineno)
                yield Problem("gate-without-effect", message, where, (hint,), warning=True)

    def hidden(self) -> Iterator[str]:
        """Hints at phases that are declared where nobody looks for them: inside something."""
        for outer in self._tree.body:
            if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            for inner in ast.walk(outer):
                if inner is not outer and self._declares(inner):
                    where = line_at(self._file, inner.lineno)
                    kind = "class" if isinstance(outer, ast.ClassDef) else "function"
                    yield (
                        f"'{inner.name}' ({where}) is inside the {kind} '{outer.name}':"
                        " declare it at the top level, or bind it to a name there"
                    )

    @property
    def _tree(self) -> ast.Module:
        try:
            return ast.parse(self._text)
        except (SyntaxError, ValueError):  # changed since it was imported
            return ast.Module([], [])

    def _declares(self, node: ast.AST) -> TypeGuard[_Function]:
        return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            map(self._is_ours, node.decorator_list)
        )

    def _is_ours(self, decorator: ast.expr) -> bool:
        """Whether it is ``@phase``, ``@agent.step(...)``, ``@orchcore.agent``, or made of one."""
        base = decorator
        while isinstance(base, ast.Call | ast.Attribute):
            base = base.func if isinstance(base, ast.Call) else base.value
        found = self._named(base)
        is_module = isinstance(found, ModuleType) and found.__name__ == "orchcore"
        return is_module or found is resource or type(found).__module__ == decorators.__name__

    def _named(self, name: ast.expr) -> object:
        if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
            return getattr(self._names.get(name.value.id), name.attr, None)
        return self._names.get(name.id) if isinstance(name, ast.Name) else None


def _begin(function: _Function) -> int:
    """The line on which Python says that *function* begins: its first decorator's."""
    return min(one.lineno for one in function.decorator_list)


def _first_line(declared: object) -> int:
    match declared:
        case Declared():
            fn: Any = declared.spec.fn
        case Resource():
            fn = declared.generator
        case _:
            return 0
    code = getattr(fn, "__code__", None)
    return 0 if code is None else code.co_firstlineno
