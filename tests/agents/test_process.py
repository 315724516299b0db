import asyncio
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.line_adapter import script
from orchcore.agents.output import Capture, FileOutput, FileSink, PipeOutput, Tail
from orchcore.agents.process import ChildProcess, Program, child_process
from orchcore.agents.tree import Trees
from orchcore.results import TurnFailed


def sh(command: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", command)


def program(argv: tuple[str, ...], folder: Path, **changes: object) -> Program:
    fields: dict[str, object] = {
        "argv": argv,
        "cwd": folder,
        "env": {"PATH": "/usr/bin:/bin"},
        "stderr": Tail(8192),
        "grace_s": 0.5,
        **changes,
    }
    return Program(**fields)  # type: ignore[arg-type]


async def everything(child: ChildProcess) -> bytes:
    """Reads until the process is gone, then ends what it left behind."""
    chunks: list[bytes] = []
    while child.exit_code is None:
        await child.activity(10)
        chunks.append(child.take())
    async with asyncio.TaskGroup() as group:
        group.create_task(child.end(), name="end")
        while not child.over:
            await child.activity(1)
            chunks.append(child.take())
    return b"".join(chunks)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits until *condition* holds: for what other processes do."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  nobody in here could set an event
            await asyncio.sleep(0.01)


def numbers_in(path: Path) -> list[int]:
    """The numbers that processes wrote to *path* so far, a line each."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def pids_in(path: Path, count: int) -> list[int]:
    """The numbers that *count* processes wrote to *path*, once all have."""
    await eventually(lambda: len(numbers_in(path)) >= count)
    return numbers_in(path)


@asynccontextmanager
async def started(
    argv: tuple[str, ...], folder: Path, trees: Trees
) -> AsyncGenerator[ChildProcess]:
    async with child_process(program(argv, folder), trees) as child:
        yield child


@pytest.mark.parametrize("to_file", [False, True])
async def test_every_byte_arrives_in_order(tmp_path: Path, to_file: bool) -> None:
    """Lines of 1.5 MB, U+2028 and a cut end come as they were printed, transcript included."""
    transcript = tmp_path / "stdout"
    body = "sys.stdout.write('x' * 1500000 + '\\u2028' + chr(10) + 'cut')"
    sink = None if to_file else FileSink(transcript, 2**30)
    output = FileOutput(transcript) if to_file else PipeOutput(sink)
    asked = program(script(body), tmp_path, stdout=output, env={"PYTHONIOENCODING": "utf8"})
    async with child_process(asked, Trees()) as child:
        printed = await everything(child)
    if sink:
        sink.close()
    assert printed == b"x" * 1_500_000 + "\u2028\ncut".encode()
    assert transcript.read_bytes() == printed
    assert stat.S_IMODE(transcript.stat().st_mode) == 0o600


async def test_a_file_keeps_what_a_pipe_would_lose(tmp_path: Path) -> None:
    """A child that exits with its output still in the file's hands loses nothing."""
    output = FileOutput(tmp_path / "out")
    asked = program(sh("head -c 5000000 /dev/zero; exit 4"), tmp_path, stdout=output)
    async with child_process(asked, Trees()) as child:
        printed = await everything(child)
    assert (len(printed), child.exit_code) == (5_000_000, 4)


async def test_stdin_larger_than_the_pipe_is_fed_while_the_child_floods(tmp_path: Path) -> None:
    """A child that prints a lot before it reads a lot is no deadlock."""
    body = "sys.stdout.write('y' * 3000000); sys.stdout.write(str(len(sys.stdin.read())))"
    asked = program(script(body), tmp_path, stdin=b"z" * 2_000_000)
    async with child_process(asked, Trees()) as child:
        printed = await everything(child)
    assert printed == b"y" * 3_000_000 + b"2000000"


async def test_a_child_may_leave_its_stdin_alone(tmp_path: Path) -> None:
    """Unread stdin neither hangs nor breaks anything, even if a grandchild holds it."""
    asked = program(sh("sleep 60 <&0 & exit 0"), tmp_path, stdin=b"z" * 2_000_000)
    async with asyncio.timeout(20), child_process(asked, Trees()) as child:
        assert await everything(child) == b""
    assert child.exit_code == 0


async def test_stdin_is_empty_and_closed_by_default(tmp_path: Path) -> None:
    """Nobody waits for a silent stdin (Codex and OpenCode would, for ever)."""
    async with started(sh("cat; echo read"), tmp_path, Trees()) as child:
        assert await everything(child) == b"read\n"


async def test_a_flood_on_stderr_is_drained_and_its_tail_kept(tmp_path: Path) -> None:
    """Megabytes on stderr block nothing; the last 8 KiB and the whole file remain."""
    log = FileSink(tmp_path / "stderr", 2**30)
    tail = Tail(8192, log)
    command = "head -c 6000000 /dev/zero | tr '\\0' e >&2; echo end >&2; echo out"
    async with child_process(program(sh(command), tmp_path, stderr=tail), Trees()) as child:
        assert await everything(child) == b"out\n"
    log.close()
    assert tail.text == "e" * 8188 + "end\n"
    assert tail.total_bytes == (tmp_path / "stderr").stat().st_size == 6_000_004


async def test_an_unread_flood_is_bounded(tmp_path: Path) -> None:
    """What nobody takes stays in the child's pipe; leaving the block ends it all the same."""
    async with asyncio.timeout(20):
        async with started(sh("exec cat /dev/zero"), tmp_path, Trees()) as child:
            for _ in range(20):
                await child.activity(0.05)
            assert len(child.take()) < 2 * 2**20
    assert child.exit_code in {-signal.SIGTERM, -signal.SIGKILL}


async def test_a_grandchild_that_holds_stdout_open_hangs_nobody(tmp_path: Path) -> None:
    """The exit of the process is its end; who still holds its pipe is ended."""
    async with asyncio.timeout(20):
        async with started(sh("sleep 300 & echo $!; exit 3"), tmp_path, Trees()) as child:
            printed = await everything(child)
    assert child.exit_code == 3
    assert not alive(int(printed))


async def test_a_pipe_held_by_somebody_out_of_reach_is_let_go(tmp_path: Path) -> None:
    """A pipe that never ends is closed some seconds after the tree is gone."""
    async with asyncio.timeout(20), started(sh("echo out; sleep 0.2"), tmp_path, Trees()) as child:
        # We open the child's stdout through /proc, as a debugger would.
        with open(f"/proc/{child.pid}/fd/1", "wb", buffering=0):  # noqa: PTH123, ASYNC230
            assert await everything(child) == b"out\n"


async def test_stdout_closed_early_is_not_the_end(tmp_path: Path) -> None:
    """A child that closes its stdout is waited for."""
    async with started(sh("echo a; exec >&-; sleep 0.3; exit 5"), tmp_path, Trees()) as child:
        assert await everything(child) == b"a\n"
    assert child.exit_code == 5


@pytest.mark.parametrize(
    "command",
    [
        "trap '' TERM; echo $$ >>pids; while :; do sleep 1; done",
        "setsid sh -c 'echo $$ >>pids; sleep 300' & while :; do sleep 1; done",
        "(setsid sh -c 'echo $$ >>pids; exec sleep 300' &) ; sleep 0.3",
        "setsid sh -c 'trap \"\" TERM; echo $$ >>pids; while :; do sleep 1; done' & wait",
        "setsid env -i /bin/sh -c 'echo $$ >>pids; sleep 300' & sleep 0.5; kill -9 $$",
    ],
    ids=["deaf", "own session", "double fork", "deaf in own session", "without environment"],
)
async def test_leaving_the_block_ends_the_whole_tree(tmp_path: Path, command: str) -> None:
    """Nothing of a tree survives, whatever it did to get away."""
    trees = Trees()
    async with started(sh(command), tmp_path, trees) as child:
        pids = await pids_in(tmp_path / "pids", 1)
        await trees.look()
    assert not any(alive(pid) for pid in [*pids, child.pid])
    assert (trees.living, trees.leftovers) == ((), ())


@pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.005, 0.02, 0.1])
async def test_cancellation_at_any_time_leaves_nothing(tmp_path: Path, delay_s: float) -> None:
    """Also if it comes during the launch, and twice."""
    trees = Trees()

    async def hold() -> None:
        command = "setsid sh -c 'echo $$ >>pids; sleep 300' & echo $$ >>pids; sleep 300"
        async with started(sh(command), tmp_path, trees) as child:
            while True:
                await child.activity(1)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(hold(), name="held")
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.sleep(0.002)
        task.cancel()
    assert task.cancelled()
    assert not any(alive(pid) for pid in numbers_in(tmp_path / "pids"))
    assert trees.living == ()


async def test_an_exception_in_the_block_ends_the_tree_and_passes(tmp_path: Path) -> None:
    """The block's own error is what comes out."""
    pids: list[int] = []

    async def fail() -> None:
        async with started(sh("sleep 300"), tmp_path, Trees()) as child:
            pids.append(child.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [alive(pid) for pid in pids] == [False]


@pytest.mark.parametrize(
    ("argv", "kind", "detail"),
    [
        (("no-such-program",), "not_installed", "'no-such-program' was not found in PATH"),
        (("/no/such/program",), "not_installed", "'/no/such/program' does not exist"),
        (("./plain.txt",), "bad_invocation", "'./plain.txt' is not executable: Permission"),
        (("./script",), "bad_invocation", "'./script' names an interpreter that does not exist"),
        (("./nonsense",), "bad_invocation", "'./nonsense' is not executable: Exec format"),
        (("sh", "nul\0"), "bad_invocation", "'sh' cannot be started: embedded null byte"),
        (("sh", "x" * 3_000_000), "bad_invocation", "'sh': 3000002 bytes of arguments are too"),
        ((), "bad_invocation", "there is no program: the command is empty"),
        (("",), "bad_invocation", "there is no program: the command is empty"),
    ],
)
async def test_what_cannot_be_started_says_why(
    tmp_path: Path, argv: tuple[str, ...], kind: str, detail: str
) -> None:
    """A failed launch is a failure with a cause, and leaves nothing."""
    (tmp_path / "plain.txt").write_text("text")
    for name, content in (("script", "#!/no/interpreter\n"), ("nonsense", "\0\1\2")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    trees = Trees()
    with pytest.raises(TurnFailed) as caught:
        async with started(argv, tmp_path, trees):
            pass
    assert caught.value.failure.kind == kind
    assert caught.value.failure.detail.startswith(detail)
    assert trees.living == ()


async def test_a_missing_working_directory_is_named(tmp_path: Path) -> None:
    """It is not mistaken for a missing program."""
    with pytest.raises(TurnFailed, match=r"the working directory .*/gone is no folder"):
        async with started(sh("true"), tmp_path / "gone", Trees()):
            pass


def test_an_ignored_sigint_is_not_inherited(tmp_path: Path) -> None:
    """Started with SIGINT ignored (nohup, a shell's &), our children hear it all the same."""
    code = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from agents.test_process import everything, sh, started
from orchcore.agents.tree import Trees
async def main():
    async with started(sh("kill -INT $$; echo deaf"), pathlib.Path({str(tmp_path)!r}), Trees()) as c:
        print(await everything(c), c.exit_code)
asyncio.run(main())
"""
    done = subprocess.run(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("b'' -2\n", "")


async def test_the_child_leads_its_own_session_and_bears_its_marker(tmp_path: Path) -> None:
    """So that it can be found, and a terminal's signals do not reach it."""
    command = "cut -d' ' -f1,6 /proc/$$/stat; echo $ORCHCORE_TURN; env | wc -l"
    async with started(sh(command), tmp_path, Trees()) as child:
        first, marker, _ = (await everything(child)).decode().splitlines()
    assert first == f"{child.pid} {child.pid}"
    assert marker == child.tree.marker


def test_sinks_are_bounded(tmp_path: Path) -> None:
    """A capture says that it is cut; a file stops at its limit, or when it fails."""
    capture = Capture(4)
    capture.write(b"abcdef")
    assert capture.text == "abcd\n[cut after 4 bytes]\n"
    whole = Capture(4)
    whole.write(b"ab")
    whole.write(b"cd")
    assert whole.text == "abcd"
    file = FileSink(tmp_path / "file", 4)
    file.write(b"abc")
    file.write(b"def")
    file.close()
    file.write(b"late")
    assert (tmp_path / "file").read_bytes() == b"abcd"
    full = FileSink(Path("/dev/full"), 4)
    full.write(b"abc")
    full.close()
    assert full.error == "No space left on device"
