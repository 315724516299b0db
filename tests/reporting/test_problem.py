import textwrap
from pathlib import Path

from orchcore.errors import Location, Problem
from orchcore.reporting.problem import draw

UNWIRED = Problem(
    "unwired-parameter",
    "parameter 'plann' of phase 'review' is not wired to anything",
    Location(Path("orchfile.py"), 24, "async def review(ai: Agent, plann: Plan) -> Review"),
    (
        "wire it:                      plann: Plan = use(plan)",
        "or make it a run parameter:   plann: Plan = param()\nwith a default, if it has one",
    ),
)
SHARED = Problem("shared-cwd", "four editors in one folder", hints=("use worktree",), warning=True)


def test_all_problems_are_drawn_at_once_with_their_fixes() -> None:
    """What was found, where, what mends it, and how many there are."""
    assert draw([UNWIRED, SHARED]) + "\n" == textwrap.dedent("""\
        error[unwired-parameter]: parameter 'plann' of phase 'review' is not wired to anything
          --> orchfile.py:24  async def review(ai: Agent, plann: Plan) -> Review
          help: wire it:                      plann: Plan = use(plan)
          help: or make it a run parameter:   plann: Plan = param()
                with a default, if it has one
        warning[shared-cwd]: four editors in one folder
          help: use worktree
        1 error, 1 warning
        """)


def test_warnings_alone_are_counted_as_such() -> None:
    """Nothing is called an error that is none."""
    assert draw([SHARED, SHARED]).splitlines()[-1] == "2 warnings"


def test_a_message_of_several_lines_stays_together() -> None:
    """Further lines are indented below the first."""
    assert draw([Problem("parameter", "not an integer\ngot 'three'")]).splitlines() == [
        "error[parameter]: not an integer",
        "  got 'three'",
        "1 error",
    ]


def test_colours_are_for_those_who_want_them() -> None:
    """Only who asks for them gets them."""
    assert "\x1b[" not in draw([UNWIRED])
    assert draw([UNWIRED], colour=True).startswith("\x1b[1;31merror[unwired-parameter]\x1b[0m")


def test_what_a_user_s_file_holds_moves_no_cursor() -> None:
    """Source text is data."""
    bad = Problem(
        "x", "a\x1b[2J", Location(Path("o.py"), 1, "x = '\x1b]0;t\x07\u202e'"), ("\x9b1m",)
    )
    assert not set(draw([bad])) & {"\x1b", "\x9b", "\x07", "\u202e"}
