"""``orchcore`` and ``python -m orchcore``."""

import sys

_INTERRUPTED = 2
_USAGE = 4


def main() -> None:
    """Runs the command line and exits.

    Raises:
        SystemExit: Always, with the exit code that ``orchcore --help`` lists.
    """
    if sys.platform == "win32":
        sys.stderr.write(
            "error[platform]: orchcore does not run on Windows: it ends whole process trees with "
            "POSIX signals\n  help: run it in WSL 2 (wsl --install), with the agent CLIs "
            "installed there too\n"
        )
        sys.exit(_USAGE)
    from orchcore.cli.leaving import leave_when_interrupted

    leave_when_interrupted(_INTERRUPTED)
    from orchcore.cli.program import run_program

    run_program()


if __name__ == "__main__":
    main()
