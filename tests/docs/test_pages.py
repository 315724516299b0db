"""What the pages tell is what the program does."""

import re
from pathlib import Path

import pytest

from docs.blocks import parsed
from docs.desk import Desk, pages
from docs.generated import PARTS, Generated

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [str(page.relative_to(ROOT)) for page in pages(ROOT)]
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_the_page_says(page: str, tmp_path: Path) -> None:
    """Orchfiles plan, configurations load, commands print what is written below them."""
    desk = Desk(tmp_path.resolve() / "ann")
    for example in parsed(ROOT / page, desk).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_resolve(page: str) -> None:
    """Every relative link leads to a file, every fragment to a heading of it."""
    path = ROOT / page
    for target in _LINK.findall(_FENCED.sub("", path.read_text("utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, fragment = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{page}: {target}"
        assert file.is_relative_to(ROOT), f"{page}: {target} leads out of the project"
        assert not fragment or fragment in _anchors(file), f"{page}: {target}"


def test_every_page_is_linked_from_another() -> None:
    """Nobody has to know a page's name to find it."""
    linked = {
        (ROOT / page).parent.joinpath(target.partition("#")[0]).resolve()
        for page in PAGES
        for target in _LINK.findall((ROOT / page).read_text("utf-8"))
    }
    lonely = [page for page in PAGES if page != "README.md" and ROOT / page not in linked]
    assert lonely == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.page.name)
def test_generated_tables_are_those_of_the_source(part: Generated) -> None:
    """``python -m docs.refresh`` brings them up to date."""
    assert part.written(ROOT) == part.make()


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
