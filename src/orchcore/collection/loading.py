"""Importing an orchfile: the one place where a user's module code runs."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from orchcore.declarations.location import line_at
from orchcore.errors import CollectionError, Location, OrchcoreError, Problem, shown_path

_OWN = str(Path(__file__).resolve().parent.parent)
_PRIVATE = "_orchfile_"


class _Fresh(SourceFileLoader):
    """Compiles the file as it is now.

    Cached bytecode is told from newer source by seconds and size alone: an orchfile that is edited
    and run again at once would be the old one. It also leaves no ``__pycache__`` behind.
    """

    def path_stats(self, path: str) -> Mapping[str, int]:
        """Knows nothing, so that no cache is read or written."""
        raise OSError(path)


def load(orchfile: Path) -> ModuleType:
    """The module of *orchfile*, imported under a private name.

    Its folder becomes importable at the end of ``sys.path``, so nothing is shadowed. The name
    depends on the path alone; a second load imports anew.

    Raises:
        CollectionError: It cannot be read, has a syntax error, or raised.
    """
    digest = hashlib.sha256(str(orchfile).encode()).hexdigest()[:10]
    name = f"{_PRIVATE}{digest}"
    spec = importlib.util.spec_from_file_location(
        name, orchfile, loader=_Fresh(name, str(orchfile))
    )
    if spec is None or spec.loader is None or orchfile.suffix != ".py":
        raise CollectionError(Problem("no-orchfile", f"{orchfile} is not a Python file"))
    if str(orchfile.parent) not in sys.path:
        sys.path.append(str(orchfile.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations and dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _explained(error, orchfile) from None
    return module


def imports_of(path: Path) -> tuple[ModuleType, ...]:
    """The modules that the program itself has imported from *path*; mostly one or none."""
    real = path.resolve()
    return tuple(
        module
        for name, module in tuple(sys.modules.items())
        if not name.startswith(_PRIVATE) and _is_at(module, real)
    )


def _is_at(module: ModuleType, real: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.endswith(real.name) and Path(file).resolve() == real


def _explained(error: BaseException, orchfile: Path) -> OrchcoreError:
    match error:
        case OrchcoreError():
            return error
        case SyntaxError():
            where = Location(
                Path(error.filename or orchfile), error.lineno or 1, (error.text or "").strip()
            )
            return CollectionError(Problem("syntax", f"{error.msg}", where))
        case ModuleNotFoundError():
            hint = f"install it, or put {error.name}.py beside {shown_path(orchfile)}"
            return _raised(error, orchfile, (hint,))
        case SystemExit():
            hint = 'put what is meant for a script below   if __name__ == "__main__":'
            return _raised(error, orchfile, (hint,))
        case _:
            return _raised(error, orchfile, ())


def _raised(error: BaseException, orchfile: Path, hints: tuple[str, ...]) -> CollectionError:
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OWN, "<frozen"))
    ]
    where = line_at(frames[-1].filename, frames[-1].lineno or 1) if frames else None
    via = "".join(
        f"\n  via {shown_path(Path(frame.filename))}:{frame.lineno}" for frame in frames[-4:-1]
    )
    message = f"importing {shown_path(orchfile)} raised {text}{via}"
    return CollectionError(Problem("import-failed", message, where, hints))
