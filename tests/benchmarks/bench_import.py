"""How long ``import orchcore`` and ``orchcore list`` take, beside asyncio and pydantic alone.

Limits: importing at most 1.3 times, listing the quickstart at most 2.5 times a script that imports
asyncio and pydantic and defines one model. Medians of interleaved runs.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
BARE = "import asyncio\nimport pydantic\nclass Model(pydantic.BaseModel):\n    x: int\n"
HEAVY = ("rich", "click", "sqlite3", "genai_prices", "jinja2", "pydantic_settings", "psutil")
RUNS = 15


def _wall_s(*argv: str) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    """Prints the ratios; 1 if one is above its limit or something heavy is loaded."""
    python = sys.executable
    rows = {
        "bare": (python, "-c", BARE),
        "import orchcore": (python, "-c", "import orchcore"),
        "orchcore list": (python, "-m", "orchcore", "list", "-f", "examples/quickstart"),
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(RUNS + 1):
        for name, argv in rows.items():
            times[name].append(_wall_s(*argv))
    bare = median(times["bare"][1:])
    failed = False
    for name, limit in (("bare", 1.0), ("import orchcore", 1.3), ("orchcore list", 2.5)):
        wall = median(times[name][1:])
        ratio = wall / bare
        failed |= ratio > limit
        print(f"{name:16} {wall * 1000:7.0f} ms   {ratio:5.2f} x bare (limit {limit})")
    loaded = subprocess.run(
        [python, "-c", f"import orchcore, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"],
        check=True, cwd=ROOT, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    print(f"loaded by import orchcore that should not be: {', '.join(loaded) or 'nothing'}")
    return int(failed or bool(loaded))


if __name__ == "__main__":
    sys.exit(main())
