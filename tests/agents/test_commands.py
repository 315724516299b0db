import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from agents.test_process import alive, pids_in, sh
from orchcore.agents.commands import CommandRequest, run_command
from orchcore.agents.tree import Trees
from orchcore.results import Completed, TurnFailed


async def run(argv: tuple[str, ...], folder: Path, **changes: object) -> Completed:
    request = CommandRequest(argv, folder, environ=os.environ, **changes)  # type: ignore[arg-type]
    return await run_command(request, Trees())


async def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    """A command that fails is a value as well."""
    done = await run(sh("echo out; echo err >&2; exit 3"), tmp_path)
    assert (done.stdout, done.stderr, done.exit_code, done.ok) == ("out\n", "err\n", 3, False)
    assert done.argv == sh("echo out; echo err >&2; exit 3")
    assert done.duration_s > 0


async def test_the_whole_environment_is_inherited_and_extended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command is the user's own program, not an agent."""
    monkeypatch.setenv("SOME_SECRET_KEY", "ours")
    done = await run(sh("echo $SOME_SECRET_KEY $MORE; pwd"), tmp_path, env={"MORE": "more"})
    assert done.stdout == f"ours more\n{tmp_path}\n"


async def test_stdin_is_empty(tmp_path: Path) -> None:
    """A command that reads gets nothing, instead of waiting."""
    assert (await run(("cat",), tmp_path)).stdout == ""


async def test_arguments_are_not_read_by_a_shell(tmp_path: Path) -> None:
    """Blanks, quotes and dollars arrive as they are."""
    assert (await run(("echo", "a  'b' $HOME;"), tmp_path)).stdout == "a  'b' $HOME;\n"


async def test_more_than_the_limit_is_cut_and_says_so(tmp_path: Path) -> None:
    """Both streams are bounded, and the command is not disturbed."""
    body = "import sys; sys.stdout.write('x' * 3000000); sys.stderr.write('y' * 3000000)"
    done = await run((sys.executable, "-c", body), tmp_path, capture_limit_bytes=1000)
    assert done.stdout == "x" * 1000 + "\n[cut after 1000 bytes]\n"
    assert done.stderr == "y" * 1000 + "\n[cut after 1000 bytes]\n"
    assert done.ok


async def test_what_is_no_utf8_is_replaced(tmp_path: Path) -> None:
    """Bytes never raise."""
    assert (await run(sh(r"printf '\377\n'"), tmp_path)).stdout == "\ufffd\n"


async def test_time_in_which_everything_is_stopped_does_not_count(tmp_path: Path) -> None:
    """^Z and ``fg`` later than the limit do not end a command that has time left."""
    trees = Trees()
    loop = asyncio.get_running_loop()

    def stand_still() -> None:
        trees.stop_all()
        time.sleep(1.0)
        trees.continue_all()

    loop.call_later(0.1, stand_still)
    request = CommandRequest(("sleep", "0.3"), tmp_path, environ=os.environ, timeout_s=0.8)
    assert (await run_command(request, trees)).ok
    assert trees.stopped_s >= 1.0


async def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    """Timeout is a failure; its tree is gone when it is raised."""
    command = "setsid sh -c 'echo $$ >>pids; sleep 300' & echo $$ >>pids; sleep 300"
    with pytest.raises(TurnFailed) as caught:
        await run(sh(command), tmp_path, timeout_s=0.8)
    assert caught.value.failure.kind == "timeout"
    assert "took longer than 0.8 s (timeout=0.8)" in caught.value.failure.detail
    assert not any(alive(pid) for pid in await pids_in(tmp_path / "pids", 2))


async def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    """A server started in the background does not outlive its command."""
    done = await run(sh("setsid sleep 300 & echo $!; exit 0"), tmp_path)
    assert done.ok
    assert not alive(int(done.stdout))


async def test_cancelling_ends_the_command(tmp_path: Path) -> None:
    """The tree is gone when the cancellation comes out."""
    async with asyncio.TaskGroup() as group:
        command = sh("echo $$ >>pids; sleep 300")
        task = group.create_task(run(command, tmp_path), name="command")
        pids = await pids_in(tmp_path / "pids", 1)
        task.cancel()
    assert task.cancelled()
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize(
    ("argv", "kind"), [(("no-such-program",), "not_installed"), ((), "bad_invocation")]
)
async def test_what_cannot_be_started_is_a_failure(
    tmp_path: Path, argv: tuple[str, ...], kind: str
) -> None:
    """The same kinds as an agent's."""
    with pytest.raises(TurnFailed) as caught:
        await run(argv, tmp_path)
    assert caught.value.failure.kind == kind
