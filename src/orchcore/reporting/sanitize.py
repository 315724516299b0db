"""Makes foreign text harmless before it reaches a terminal or a CI log.

What an agent prints is data. Nothing that it, its tools or a user's value wrote may move a
cursor, set a title, reverse the reading order, or be taken for a command of a CI system.
Every display passes its text through here at the last moment, so nothing can be forgotten.
"""

import re
from itertools import islice

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links, clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # everything else that is two or three characters long
)
_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_BLANKS = frozenset("\t\n\v\f\r\x85\u2028\u2029\xa0\u3000")
_KEPT = frozenset("\u200c\u200d")  # joiners: letters and emoji are made with them
_LONGEST_LINE = 4096


def clean_line(text: str) -> str:
    r"""*text* as one line that holds nothing but what it shows.

    Escape sequences vanish, blanks of every kind become spaces, and any other character that
    cannot be seen (C0, C1, bidi overrides, tags, lone surrogates) is written out: ``\u202e``.
    Text beyond 4,096 characters is cut, with an ellipsis.

    Example:
        >>> clean_line("\x1b[31mred\x1b[0m\ttea\u202e")
        'red tea\\u202e'
    """
    if len(text) > _LONGEST_LINE:
        text = text[:_LONGEST_LINE] + "…"
    if text.isprintable():
        return text
    return "".join(map(_shown, without_sequences(text)))


def without_sequences(text: str) -> str:
    """*text* without its escape sequences."""
    return _SEQUENCE.sub("", text)


def clean_lines(text: str, limit: int | None = None) -> list[str]:
    """The lines of *text*, each cleaned; at most the first *limit* of them.

    A lone carriage return ends a line too, so a progress bar becomes its several states.
    """
    return [clean_line(line) for line in islice(_LINE_END.split(text), limit)]


def harmless_in_logs(line: str) -> str:
    """A cleaned *line* that no CI system reads as a command.

    GitHub takes a line that begins with ``::`` and one with ``##[`` anywhere; Azure Pipelines
    ``##vso[`` and TeamCity ``##teamcity[`` anywhere; GitLab needs control characters.
    """
    if "##" in line:
        line = re.sub(r"##(?=\w*\[)", "# #", line)
    if line.lstrip().startswith("::"):
        line = line.replace("::", ": :", 1)
    return line


def harmless_line(text: str) -> str:
    """*text* as one line that neither a terminal nor a CI system obeys."""
    return harmless_in_logs(clean_line(text))


def _shown(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    if character in _BLANKS:
        return " "
    return (
        character.encode("ascii", "backslashreplace").decode()
        if character > "\x7f"
        else (f"\\x{ord(character):02x}")
    )
