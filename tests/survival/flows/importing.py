"""An orchfile that takes ten minutes to import."""

import time
from pathlib import Path

from orchcore import phase

Path("importing").touch()
time.sleep(600)


@phase
async def never() -> None: ...
