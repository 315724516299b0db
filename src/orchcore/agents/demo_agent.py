"""Starts the demo agent: ``python -I -S demo_agent.py --session ID ...`` with a prompt on stdin.

The program is ``orchcore.agents.demo``. Importing it the usual way would first run
``import orchcore``, which costs pydantic and most of the 60 ms that a child may take to start.
So this file puts empty packages in the place of its parents and runs nothing of theirs.
"""

import sys
from types import ModuleType


def _stand_in_for_parents() -> None:
    agents_folder = __file__.rpartition("/")[0]
    for name in ("orchcore", "orchcore.agents"):
        parent = ModuleType(name)
        parent.__path__ = [agents_folder] if name == "orchcore.agents" else []
        sys.modules[name] = parent


if __name__ == "__main__":
    _stand_in_for_parents()
    from orchcore.agents.demo.program import main

    raise SystemExit(main(sys.argv[1:]))
