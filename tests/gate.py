"""The gate: every check that a change must pass, the same here and in CI.

    uv run --group dev tests/gate.py                 # all checks
    uv run --group dev tests/gate.py lint tests      # some, by name
    uv run --group dev tests/gate.py benchmarks      # the numbers, on a machine that is quiet

Each step prints its own output; the last line says which steps failed.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Step:
    """One check.

    Attributes:
        name: What it is called on the command line.
        argv: What is run, in the project's folder.
    """

    name: str
    argv: tuple[str, ...]


def _python(*argv: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *argv)


STEPS = (
    Step("format", _python("ruff", "format", "--check", ".")),
    Step("lint", _python("ruff", "check", ".")),
    Step("layers", (str(Path(sys.executable).parent / "lint-imports"), "--no-cache")),
    Step("mypy", _python("mypy")),
    Step("pyright", _python("pyright")),
    Step("tests", _python("coverage", "run", "-m", "pytest", "-q", "-n", "2")),
    Step("combine", _python("coverage", "combine", "--quiet")),  # one file per test process
    Step("coverage", _python("coverage", "report", "--fail-under=95")),
)
MEASURED = tuple(
    Step(name, (sys.executable, f"tests/benchmarks/{name}.py"))
    for name in (
        "bench_phases",
        "bench_journal",
        "bench_launch",
        "bench_stream",
        "bench_import",
        "bench_stop",
    )
)
"""Benchmarks with limits; not among the checks, since other work on the machine slows them."""


def main(names: list[str]) -> int:
    """Runs the steps called *names*, or all checks; 1 if one failed."""
    known = {step.name: step for step in (*STEPS, *MEASURED)}
    if names == ["benchmarks"]:
        names = [step.name for step in MEASURED]
    if unknown := set(names) - known.keys():
        print(f"no such step: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return 4
    # a test starts orchcore as a user does: by name, with the reports of this environment
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    env = {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    steps = [known[name] for name in names] or STEPS
    failed = [step.name for step in steps if _fails(step, env)]
    outcome = f"failed: {', '.join(failed)}" if failed else f"all {len(steps)} passed"
    print(f"\ngate: {outcome}")
    return 1 if failed else 0


def _fails(step: Step, env: dict[str, str]) -> bool:
    print(f"\n=== {step.name}: {' '.join(step.argv[1:] or step.argv)}", flush=True)
    began = time.monotonic()
    code = subprocess.run(step.argv, cwd=ROOT, env=env, check=False).returncode
    print(f"=== {step.name}: exit {code} after {time.monotonic() - began:.0f} s", flush=True)
    return code != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
