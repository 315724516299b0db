"""Results that later runs may use, too: a small file each, in the project's own folder.

A file is replaced as a whole and read by whoever finds it; what cannot be read is not there.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchcore.errors import RecordingError
from orchcore.events import InstanceEnded, NodeEnded
from orchcore.journal.private_files import replace_file
from orchcore.journal.run_folder import made_folder

CACHE_NAME = "cache"


@dataclass(frozen=True, slots=True)
class Cached:
    """A result of an earlier run.

    Attributes:
        run: Its id.
        at: When it was kept: unix time.
        ended: How the node or instance ended.
        models: Which model answered, by agent and by the model that was asked for.
    """

    run: str
    at: float
    ended: NodeEnded | InstanceEnded
    models: Mapping[str, str] = field(default_factory=dict[str, str])


_CACHED = TypeAdapter(Cached)
_MODELS = TypeAdapter(dict[str, str])


@dataclass(slots=True)
class CacheFiles:
    """The results of one project.

    Attributes:
        folder: ``.orchcore/cache``; made when it is needed.
    """

    folder: Path
    _heard: dict[str, str] | None = None

    def find(self, key: str) -> Cached | None:
        """What was made of the same as *key* stands for."""
        try:
            return _CACHED.validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, key: str, cached: Cached) -> None:
        """Keeps a result; if that cannot be, it is not kept."""
        self._write(self._path(key), _CACHED.dump_json(cached))

    def kept(self) -> list[Path]:
        """The files of all results."""
        return list(self.folder.glob("*.json"))

    def models(self) -> dict[str, str]:
        """Which model answered last, by agent and by the model that was asked for."""
        if self._heard is None:
            try:
                self._heard = _MODELS.validate_json((self.folder / "models").read_bytes())
            except (OSError, ValidationError):
                self._heard = {}
        return self._heard

    def hear(self, asked: str, model: str) -> None:
        """*model* has answered where *asked* was."""
        models = self.models()
        if models.get(asked) != model:
            models[asked] = model
            self._write(self.folder / "models", _MODELS.dump_json(models))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _write(self, path: Path, text: bytes) -> None:
        with suppress(OSError, RecordingError):
            made_folder(self.folder.parent, self.folder.name)
            replace_file(path, text, durable=False)
