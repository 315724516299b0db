"""Built-in resources: pytest's ``tmp_path`` and ``request``, by reference.

Example:
    >>> @phase
    ... async def report(folder: Path = use(artifacts)) -> Path: ...
"""

from collections.abc import AsyncIterator
from pathlib import Path

from orchcore.declarations.body import Node, current_body
from orchcore.declarations.resource import resource


@resource(scope="instance")
async def artifacts() -> AsyncIterator[Path]:
    """This instance's own folder below the run's; it exists and is kept."""
    folder = current_body("artifacts").facts().artifacts
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


@resource(scope="instance")
async def node() -> AsyncIterator[Node]:
    """The running instance: id, key, attempt, run, money spent."""
    yield current_body("node").facts()


__all__ = ["Node", "artifacts", "node"]
