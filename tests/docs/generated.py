"""Parts of pages that are made from the source, between two comments."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docs import agent_matrix, event_tables

_BEGIN, _END = "<!-- generated: tables -->\n", "<!-- end of generated -->\n"


@dataclass(frozen=True, slots=True)
class Generated:
    """The generated part of one page.

    Attributes:
        page: The page, below the project's folder.
        make: Gives what belongs there today.
    """

    page: Path
    make: Callable[[], str]

    def written(self, root: Path) -> str:
        """What the page has."""
        return (root / self.page).read_text("utf-8").partition(_BEGIN)[2].partition(_END)[0]

    def write(self, root: Path) -> None:
        """Puts today's into the page."""
        page = root / self.page
        before, _, rest = page.read_text("utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        page.write_text(f"{before}{_BEGIN}{self.make()}{_END}{after}", "utf-8")


PARTS = (
    Generated(Path("docs/reference/events.md"), event_tables.tables),
    Generated(Path("docs/reference/agents.md"), agent_matrix.matrix),
)
