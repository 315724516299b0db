import io
import subprocess
import sys

import pytest

from orchcore.errors import UsageError
from orchcore.reporting.console import ConsoleDisplay
from orchcore.reporting.jsonlines import JsonLines
from orchcore.reporting.plain import PlainDisplay
from orchcore.reporting.progress import Mode, choose
from orchcore.reporting.quiet import QuietDisplay


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "out", "environ", "display"),
    [
        ("auto", Terminal(), {"TERM": "xterm"}, ConsoleDisplay),
        ("auto", Terminal(), {"TERM": "xterm", "CI": "true"}, PlainDisplay),
        ("auto", Terminal(), {"TERM": "dumb"}, PlainDisplay),
        ("auto", io.StringIO(), {"FORCE_COLOR": "1"}, PlainDisplay),
        ("tty", Terminal(), {"CI": "true"}, ConsoleDisplay),
        ("plain", Terminal(), {}, PlainDisplay),
        ("json", Terminal(), {}, JsonLines),
        ("quiet", Terminal(), {}, QuietDisplay),
    ],
)
def test_the_display_follows_mode_and_place(
    mode: Mode, out: io.StringIO, environ: dict[str, str], display: type
) -> None:
    """The live view only where a person watches a terminal that can do it, or asked for it."""
    assert type(choose(mode, out, io.StringIO(), environ)) is display


def test_a_live_view_without_a_terminal_is_refused() -> None:
    """With the option that does work."""
    with pytest.raises(UsageError) as refused:
        choose("tty", io.StringIO(), io.StringIO(), {})
    assert refused.value.code == "progress-needs-terminal"
    assert "--progress plain" in refused.value.hint


def test_a_closed_output_is_no_terminal() -> None:
    """Deciding never raises."""
    closed = io.StringIO()
    closed.close()
    assert type(choose("auto", closed, io.StringIO(), {})) is PlainDisplay


def test_only_the_live_view_loads_rich() -> None:
    """A run in CI does not pay for the import."""
    program = (
        "import sys, orchcore.reporting.progress as p, orchcore.reporting.problem;"
        "p.choose('auto', open('/dev/null', 'w'), sys.stderr, {});"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
