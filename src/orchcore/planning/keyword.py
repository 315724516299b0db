"""``-k``: ``and``, ``or``, ``not`` and parentheses over parts of ids, as in pytest."""

import re
from collections.abc import Callable

from orchcore.errors import Problem, UsageError

type Keep = Callable[[str], bool]

_TOKEN = re.compile(r"[()]|[^\s()]+")
_WORDS = frozenset({"and", "or", "not", "(", ")"})
_DEEPEST = 100


def compile_keyword(expression: str) -> Keep:
    """What tells whether an id fits *expression*; nothing of it is evaluated as code.

    A word fits an id that contains it, whatever the case. ``not`` binds tighter than ``and``,
    ``and`` tighter than ``or``. An empty expression fits everything.

    Raises:
        UsageError: It is not an expression (``keyword``).

    Example:
        >>> compile_keyword("audit and not db")("audit_web")
        True
    """
    tokens = _TOKEN.findall(expression)
    if not tokens:
        return lambda _: True
    reader = _Reader(expression, tokens)
    keep = reader.either()
    if (left := reader.peek()) is not None:
        raise reader.refusal(f"'{left}' is not expected there")
    return keep


class _Reader:
    """Recursive descent; one method for each level of binding."""

    def __init__(self, expression: str, tokens: list[str]) -> None:
        self._expression = expression
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def peek(self) -> str | None:
        """The next token, if there is one."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def either(self) -> Keep:
        """``a or b or c``."""
        return self._chain("or", self._both, any)

    def refusal(self, why: str) -> UsageError:
        """The error for an expression that is none."""
        hint = "write words of phase names with and, or, not and parentheses: -k 'audit and not db'"
        message = f"-k '{self._expression}': {why}"
        return UsageError(Problem("keyword", message, None, (hint,)))

    def _both(self) -> Keep:
        return self._chain("and", self._unit, all)

    def _chain(self, word: str, part: Callable[[], Keep], fold: Callable[..., bool]) -> Keep:
        parts = [part()]
        while self.peek() == word:
            self._at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else lambda id_: fold(keep(id_) for keep in parts)

    def _unit(self) -> Keep:
        token = self.peek()
        if token is None:
            raise self.refusal("a name is missing at its end")
        self._at += 1
        if token == "not":  # noqa: S105  a word of the expression, no password
            inner = self._deeper(self._unit)
            return lambda id_: not inner(id_)
        if token == "(":  # noqa: S105  the same
            return self._group()
        if token in _WORDS:
            raise self.refusal(f"a name is missing before '{token}'")
        return lambda id_: token.casefold() in id_.casefold()

    def _group(self) -> Keep:
        keep = self._deeper(self.either)
        if self.peek() != ")":
            raise self.refusal("a ')' is missing")
        self._at += 1
        return keep

    def _deeper(self, part: Callable[[], Keep]) -> Keep:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.refusal(f"it is nested more than {_DEEPEST} deep")
        keep = part()
        self._depth -= 1
        return keep
