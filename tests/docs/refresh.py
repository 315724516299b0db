"""Writes into the pages what the program prints today, and the tables made from the source.

    PYTHONPATH=tests .venv/bin/python -m docs.refresh [PAGE...]

Read what has changed before it is committed: a page may have to say something else now.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sybil.example import SybilFailure

from docs.blocks import parsed
from docs.desk import Desk, pages
from docs.generated import PARTS

ROOT = Path(__file__).resolve().parent.parent.parent


def refresh(page: Path) -> None:
    """Rewrites the console blocks of *page* whose commands print something else."""
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder).resolve() / "ann")
        document = parsed(page, desk)
        text = document.text
        for example in document.examples():
            try:
                example.evaluate()
            except SybilFailure as failure:
                print(failure)
    for example in reversed(list(document.examples())):
        new = desk.printed.get(example.start)
        if new is not None and new != example.parsed:
            at = text.index(example.parsed, example.start)
            text = text[:at] + new + text[at + len(example.parsed) :]
    if text != document.text:
        page.write_text(text, "utf-8")
        print(f"rewritten: {page}")


if __name__ == "__main__":
    for part in PARTS:
        part.write(ROOT)
    named = [Path(name).resolve() for name in sys.argv[1:]]
    for one in named or pages(ROOT):
        refresh(one)
