"""Which adapters there are: the built-in ones and those of installed distributions.

A distribution adds adapters by an entry point of the group ``orchcore.adapters`` that names a
module (or any object) with a function ``orchcore_adapters() -> Iterable[Adapter]``.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
)
from pathlib import Path
from traceback import extract_tb
from typing import Any

from orchcore.agents.adapters.protocol import Adapter
from orchcore.errors import Location, Problem, UsageError

GROUP = "orchcore.adapters"
HOOK = "orchcore_adapters"

_BUILT_IN = {
    "acp": "AcpAdapter",
    "claude": "ClaudeAdapter",
    "codex": "CodexAdapter",
    "copilot": "CopilotAdapter",
    "demo": "DemoAdapter",
    "gemini": "GeminiAdapter",
    "opencode": "OpenCodeAdapter",
    "text": "TextAdapter",
}
_ANSWERS = ("name", "capabilities", "versions", "program", "login_env", "command", "parser")


def find_adapters(dists: Iterable[Distribution] | None = None) -> Mapping[str, Adapter]:
    """Every adapter by name: the built-in ones, then third parties' in order of their names.

    Args:
        dists: Where to look for third parties'; all installed distributions if ``None``.

    Raises:
        UsageError: A distribution's entry point cannot be loaded, gives something that is no
            adapter (both ``broken-adapter``), or takes a name (``adapter-name-taken``); all such
            problems at once.

    Example:
        >>> find_adapters([])["claude"].program
        'claude'
    """
    found: dict[str, Adapter] = {name: _built_in(name) for name in _BUILT_IN}
    owners = dict.fromkeys(found, "orchcore")
    problems: list[Problem] = []
    points = _installed_points(tuple(sys.path)) if dists is None else _entry_points(dists)
    for owner, point in points:
        try:
            for adapter in _of_third_party(point):
                _claim(owners, adapter.name, owner)
                found[adapter.name] = adapter
        except UsageError as error:
            problems.extend(error.problems)
        except Exception as error:  # noqa: BLE001  a stranger's module may raise anything
            problems.append(_broken(owner, point, f"{type(error).__name__}: {error}"))
    if problems:
        raise UsageError(*problems)
    return found


def installed(adapter: Adapter, path_env: str | None, program: str | None = None) -> Path | None:
    """Where *adapter*'s program is, or ``None``.

    Args:
        adapter: The adapter; one without a program (``text``) is never found here.
        path_env: The child's ``PATH``.
        program: The configured program in place of the adapter's, if there is one.
    """
    name = program or adapter.program
    found = shutil.which(name, path=path_env) if name else None
    return Path(found) if found else None


def lacking(adapter: Adapter) -> Problem | None:
    """What is missing of orchcore itself that *adapter* needs, if something is."""
    extra = adapter.capabilities.extra
    if extra is None:
        return None
    try:
        distribution(extra.distribution)
    except PackageNotFoundError:
        return Problem(
            "not-installed",
            f"the adapter '{adapter.name}' needs the package {extra.distribution}",
            None,
            (f"pip install 'orchcore[{extra.name}]'", f"uv add 'orchcore[{extra.name}]'"),
        )
    return None


def adapter_raised(adapter: Adapter, error: Exception) -> Problem:
    """What to tell of *error*, which *adapter* raised where it may not."""
    frame = extract_tb(error.__traceback__)[-1]
    where = Location(Path(frame.filename), frame.lineno or 0, frame.line or "")
    message = f"the adapter {adapter.name!r} raised {type(error).__name__}: {error}"
    return Problem("broken-adapter", message, where, ("report it to the adapter's author",))


def _built_in(name: str) -> Adapter:
    module = import_module(f"orchcore.agents.adapters.{name}")
    adapter: Adapter = getattr(module, _BUILT_IN[name])()
    return adapter


@lru_cache(maxsize=1)
def _installed_points(path: tuple[str, ...]) -> list[tuple[str, EntryPoint]]:
    """Those of everything that is installed along *path*: looking takes milliseconds."""
    return _entry_points(distributions(path=[*path]))


def _entry_points(dists: Iterable[Distribution]) -> list[tuple[str, EntryPoint]]:
    points = {
        (point.name, str(dist.metadata["Name"])): point
        for dist in dists
        for point in dist.entry_points
        if point.group == GROUP
    }
    return [(owner, point) for (_, owner), point in sorted(points.items(), key=_by_name)]


def _by_name(item: tuple[tuple[str, str], EntryPoint]) -> tuple[str, str]:
    return item[0]


def _of_third_party(point: EntryPoint) -> Iterator[Adapter]:
    import pluggy

    hook = pluggy.HookspecMarker("orchcore")

    class Specification:
        @hook
        def orchcore_adapters(self) -> Iterable[Adapter]:
            """Adapters that this plug-in adds."""
            return ()

    class Manager(pluggy.PluginManager):
        def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
            # As in pytest, the function's name is the mark: a plug-in need not import pluggy.
            return {} if name == HOOK else super().parse_hookimpl_opts(plugin, name)

    manager = Manager("orchcore")
    manager.add_hookspecs(Specification)
    plugin = point.load()
    manager.register(plugin, name=point.name)
    if point.attr == HOOK:
        raise TypeError(f"the entry point must name the module alone: {point.module!r}")
    if not hasattr(plugin, HOOK):
        raise TypeError(f"{point.value} has no function {HOOK}()")
    for adapters in manager.hook.orchcore_adapters():
        for adapter in adapters:
            yield _checked(adapter)


def _checked(adapter: Any) -> Adapter:
    if isinstance(adapter, type):
        raise TypeError(f"{adapter.__name__} is a class, not an adapter: give {adapter.__name__}()")
    missing = [answer for answer in _ANSWERS if not hasattr(adapter, answer)]
    if missing:
        kind = type(adapter).__name__
        raise TypeError(f"a {kind} is no adapter: it has no {', '.join(missing)}")
    checked: Adapter = adapter
    return checked


def _claim(owners: dict[str, str], name: str, owner: str) -> None:
    if name in owners:
        raise UsageError(
            Problem(
                "adapter-name-taken",
                f"distribution {owner!r} adds an adapter {name!r}, which {owners[name]!r} has",
                hints=(f"uninstall one of them: pip uninstall {owner}",),
            )
        )
    owners[name] = owner


def _broken(owner: str, point: EntryPoint, reason: str) -> Problem:
    return Problem(
        "broken-adapter",
        f"distribution {owner!r} adds adapters ({point.name} = {point.value!r}) "
        f"that cannot be loaded: {reason}",
        hints=(
            f"update or uninstall it: pip uninstall {owner}",
            "if it is yours: docs/how-to/add-an-agent.md tells what it must be",
        ),
    )
