"""Starts the bridge to an ACP agent: ``python -E -P acp_bridge.py ... -- gemini --acp``.

The program is ``orchcore.agents.bridge``. As in ``demo_agent``, empty packages stand in for its
parents, so that nothing of orchcore's own is imported but what it needs.
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
    from orchcore.agents.bridge.program import main

    raise SystemExit(main(sys.argv[1:]))
