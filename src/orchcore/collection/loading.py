"""Importing an orchfile: the one place where a user's module code runs."""

import hashlib
import importlib.util
import io
import re
import sys
import tokenize
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from orchcore.declarations.location import line_at
from orchcore.declarations.nodes import Node
from orchcore.errors import (
    CollectionError,
    Location,
    OrchcoreError,
    OutsideRunError,
    Problem,
    shown_path,
)

_OWN = str(Path(__file__).resolve().parent.parent)
_PRIVATE = "_orchfile_"
_BELOW_MAIN = 'put what is meant for a script below   if __name__ == "__main__":'
_CALLED = re.compile(r"'(?:Agent)?(?:Fan)?Phase' object is not callable")
_LOADING: ContextVar[bool] = ContextVar("orchcore_loading", default=False)


class _Fresh(SourceFileLoader):
    """Compiles the file as it is now.

    Cached bytecode is told from newer source by seconds and size alone: an orchfile that is edited
    and run again at once would be the old one. It also leaves no ``__pycache__`` behind.
    """

    def path_stats(self, path: str) -> Mapping[str, int]:
        """Knows nothing, so that no cache is read or written."""
        raise OSError(path)

    def get_data(self, path: str) -> bytes:
        """The source, if it is text: ``compile`` lets other bytes in comments pass."""
        data = super().get_data(path)
        try:
            data.decode(_encoding(data))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            message = f"the byte {data[error.start]:#04x} is no {error.encoding}"
            place = (path, line, None, None)
            raise SyntaxError(f"{message}: save the file as UTF-8", place) from None
        return data


def _encoding(source: bytes) -> str:
    try:
        return tokenize.detect_encoding(io.BytesIO(source).readline)[0]
    except SyntaxError:  # an unknown one, which ``compile`` tells better, or bytes that are no text
        return "utf-8"


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
    token = _LOADING.set(True)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _explained(error, orchfile) from None
    finally:
        _LOADING.reset(token)
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


def ensure_not_loading() -> None:
    """Refuses to run anything from the module code of an orchfile that is being read.

    Raises:
        OutsideRunError: One is.
    """
    if _LOADING.get():
        message = "run() was called while the orchfile is only being read"
        raise OutsideRunError(Problem("run-at-import", message, None, (_BELOW_MAIN,)))


def _explained(error: BaseException, orchfile: Path) -> OrchcoreError:
    match error:
        case OrchcoreError():
            where = _users_line(error, orchfile)
            return type(error)(*(replace(p, where=p.where or where) for p in error.problems))
        case AttributeError(name="session", obj=Node() as node):
            message = f"'{node.name}' is a @phase: it has no conversation"
            hint = "a session is an agent's:   decorate it with @agent, or use another's"
            where = _users_line(error, orchfile)
            return CollectionError(Problem("not-a-session", message, where, (hint,)))
        case SyntaxError():
            where = Location(
                Path(error.filename or orchfile), error.lineno or 1, (error.text or "").strip()
            )
            return CollectionError(Problem("syntax", f"{error.msg}", where))
        case _:
            return _raised(error, orchfile, tuple(_hints(error, orchfile)))


def _hints(error: BaseException, orchfile: Path) -> Iterator[str]:
    match error:
        case ModuleNotFoundError():
            yield f"install it, or put {error.name}.py beside {shown_path(orchfile)}"
        case SystemExit():
            yield _BELOW_MAIN
        case NameError(name=str(name)) if _is_below(name, _users_line(error, orchfile), orchfile):
            yield f"declare '{name}' above this line: an orchfile is read from top to bottom"
        case TypeError() if _CALLED.match(str(error)):
            yield "phases are wired, not called:   a parameter = use(phase)"
            yield "or make it a step, which bodies call:   @phase.step, @agent.step"
        case _:
            return


def _is_below(name: str, where: Location | None, orchfile: Path) -> bool:
    """Whether *orchfile* gives *name* a meaning after the line *where* of it."""
    if where is None or where.path != orchfile:
        return False
    below = "\n".join(orchfile.read_text("utf-8", "replace").splitlines()[where.line :])
    gives = rf"^(?:(?:async\s+)?def|class)\s+{re.escape(name)}\b|^{re.escape(name)}\s*[:=]"
    return bool(re.search(gives, below, re.MULTILINE))


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OWN, "<frozen"))
    ]


def _users_line(error: BaseException, orchfile: Path) -> Location | None:
    """The innermost line in a file of the orchfile's folder that led to *error*."""
    folder = str(orchfile.parent)
    lines = [frame for frame in _frames(error) if frame.filename.startswith(folder)]
    return line_at(lines[-1].filename, lines[-1].lineno or 1) if lines else None


def _raised(error: BaseException, orchfile: Path, hints: tuple[str, ...]) -> CollectionError:
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = _frames(error)
    where = line_at(frames[-1].filename, frames[-1].lineno or 1) if frames else None
    via = "".join(
        f"\n  via {shown_path(Path(frame.filename))}:{frame.lineno}" for frame in frames[-4:-1]
    )
    message = f"importing {shown_path(orchfile)} raised {text}{via}"
    return CollectionError(Problem("import-failed", message, where, hints))
