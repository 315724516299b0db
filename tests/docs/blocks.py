"""The blocks of a page that are carried out, as sybil finds them.

====================  ============================================================================
``python``            written to ``orchfile.py`` (or the file its first line names) and planned
``py``                a piece of code, or a mistake: it has to parse
``toml``              written to the configuration's file and loaded
``console``           its commands are run, what they print is compared
``sh``, ``text``      shown only: other programs, terminals, what needs an account
====================  ============================================================================
"""

import ast
from pathlib import Path

from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

from docs.desk import Desk
from orchcore.errors import OrchcoreError


def parsed(path: Path, desk: Desk) -> Document:
    """The page at *path*, its blocks to be carried out on *desk*."""

    def python(example: Example) -> str:
        try:
            return desk.python(example.parsed)
        except (OrchcoreError, SyntaxError) as error:
            return str(error)

    def piece(example: Example) -> str:
        ast.parse(example.parsed)
        return ""

    def toml(example: Example) -> str:
        try:
            return desk.toml(example.parsed)
        except OrchcoreError as error:
            return str(error)

    def console(example: Example) -> str:
        return desk.console(example.parsed, example.start)

    evaluators = {"python": python, "py": piece, "toml": toml, "console": console}
    parsers = [CodeBlockParser(language, evaluate) for language, evaluate in evaluators.items()]
    return Sybil(parsers).parse(path)
