import asyncio
import json
import stat
import time
from pathlib import Path

import pytest

from agents.line_adapter import LineAdapter, Stage, script
from agents.test_process import alive, pids_in
from orchcore.agents.adapters.codex import CodexAdapter
from orchcore.agents.adapters.protocol import Capabilities
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import FinalGiven, TextWritten
from orchcore.policies import TurnLimits


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_a_turn_is_told_as_it_happens_and_recorded(stage: Stage) -> None:
    """Events reach the listener, bytes the transcript, the request its files; all private."""
    argv = script("put(say=sys.stdin.read()); print('careful', file=sys.stderr); put(final=True)")
    invocation = stage.invocation(argv)
    result = await stage.runner.run(invocation, stage.heard.append)

    assert (result.text, result.failure, result.exit_code) == ("do it", None, 0)
    assert stage.heard == [TextWritten("do it"), FinalGiven(ok=True)]
    folder = invocation.folder
    assert (folder / "prompt.md").read_text() == "do it"
    assert (folder / "stdout.jsonl").read_text() == '{"say": "do it"}\n{"final": true}\n'
    assert (folder / "stderr.log").read_text() == "careful\n"
    request = json.loads((folder / "invocation.json").read_text())
    assert request == {
        "agent": "line",
        "adapter": "line",
        "argv": list(argv),
        "cwd": str(stage.folder),
        "env": ["FROM_ADAPTER", "PATH"],
    }
    assert (folder / "extra" / "settings.json").read_bytes() == b"{}"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_the_environment_is_what_was_allowed(stage: Stage) -> None:
    """Policy, login, pass_env and extras; no value of them is written down."""
    stage.environ |= {"LINE_KEY": "k-login", "OTHER_KEY": "k-other", "DB": "k-db", "HOME": "/h"}
    argv = script("put(say=' '.join(sorted(os.environ))); put(final=True)")
    invocation = stage.invocation(argv, pass_env=("DB",), env={"EXTRA": "k-extra"})
    result = await stage.runner.run(invocation, stage.heard.append)
    names = set(result.text.split()) - {"LC_CTYPE"}  # set by Python itself
    assert names == {"DB", "EXTRA", "FROM_ADAPTER", "HOME", "LINE_KEY", "ORCHCORE_TURN", "PATH"}
    assert "k-" not in (invocation.folder / "invocation.json").read_text()


async def test_a_variable_may_be_made_of_what_was_there(stage: Stage) -> None:
    """An adapter adds to a variable, be it inherited, the user's own, or not there."""
    stage.environ |= {"OURS": "a"}
    names = ("OURS", "USERS", "NONE")
    stage.adapter = LineAdapter(merged_env={name: lambda told: f"{told}+" for name in names})
    body = "put(say=[os.environ[name] for name in ('OURS', 'USERS', 'NONE')]); put(final=True)"
    result = await stage.turn(script(body), pass_env=("OURS",), env={"USERS": "b"})
    assert result.text == "['a+', 'b+', '+']"


@pytest.mark.parametrize("to_file", [False, True])
async def test_huge_lines_raw_separators_and_a_cut_end(stage: Stage, to_file: bool) -> None:
    """1.5 MB on one line and U+2028 are content; the cut last line is told to the adapter."""
    stage.adapter = LineAdapter(stdout_to_file=to_file)
    body = "put(say='a' * 1500000); put(say='x\\u2028y\\u0085z'); sys.stdout.write('{\"fin')"
    result = await stage.turn(script(body), env={"PYTHONIOENCODING": "utf8"})
    assert result.text == "x\u2028y\u0085z"
    assert result.events == {"lines": 2}
    assert result.truncated
    assert result.failure is not None
    assert result.failure.detail.startswith("no final event; cut 5;")


async def test_a_big_prompt_meets_a_flood(stage: Stage) -> None:
    """An agent that prints before it reads is no deadlock."""
    body = "[put(part='y' * 1000) for _ in range(3000)]; put(say=len(sys.stdin.read()))\n"
    result = await stage.turn(script(body + "put(final=True)"), prompt="p" * 1_000_000)
    assert (result.text, result.failure) == ("1000000", None)


async def test_output_after_the_result_is_read(stage: Stage) -> None:
    """The stream ends with the process, not with the first final event."""
    body = "put(say='one'); put(final=True); put(say='two'); put(final=True); put(say='three')"
    result = await stage.turn(script(body))
    assert (result.text, result.failure, result.warnings) == ("three", None, ())


async def test_a_process_that_stays_after_its_result_is_ended_and_counts(stage: Stage) -> None:
    """The grace passes, the tree goes, the answer stays, and a warning says so."""
    limits = TurnLimits(result_grace_s=0.3, term_grace_s=0.3)
    body = "put(say='done'); put(final=True); time.sleep(300)"
    result = await stage.turn(script(body), limits)
    assert (result.text, result.failure) == ("done", None)
    assert result.exit_code in {-15, -9}
    assert result.warnings == ("did not exit within 0.3 s of its final event: ended",)


async def test_a_failed_result_stays_failed_when_the_process_is_ended(stage: Stage) -> None:
    """What counts is the final event's own word."""
    limits = TurnLimits(result_grace_s=0.2, term_grace_s=0.3)
    result = await stage.turn(script("put(final=False); time.sleep(300)"), limits)
    assert result.failure is not None


async def test_work_that_goes_on_after_a_result_is_not_cut_off(stage: Stage) -> None:
    """A tool call after a final event is a new round: the grace starts again after its own end."""
    limits = TurnLimits(result_grace_s=0.5, term_grace_s=0.3)
    body = "put(final=True); put(tool='t'); time.sleep(1.2); put(say='late'); put(final=True)"
    result = await stage.turn(script(body), limits)
    assert (result.text, result.warnings) == ("late", ())


async def test_a_stall_after_an_end_that_was_none_is_a_stall(stage: Stage) -> None:
    """An agent that goes on after a final event and falls silent has no final event."""
    limits = TurnLimits(idle_s=0.4, term_grace_s=0.3)
    body = "put(say='half'); put(final=True); put(session='s'); time.sleep(300)"
    result = await stage.turn(script(body), limits)
    assert result.failure is not None
    assert result.failure.kind == "stalled"


async def test_a_silent_agent_is_stalled(stage: Stage) -> None:
    """It is ended, and the failure says how long it was silent and what it said last."""
    limits = TurnLimits(idle_s=0.4, term_grace_s=0.3)
    body = "put(part='Running '); put(part='npm test'); time.sleep(300)"
    result = await stage.turn(script(body), limits)
    assert result.failure is not None
    assert result.failure.kind == "stalled"
    assert result.failure.detail.startswith("said nothing for 0.")
    assert result.failure.detail.endswith('s (idle=0.4), last line "Running npm test"')
    assert result.exit_code in {-15, -9}


async def test_a_running_tool_may_be_silent_for_longer(stage: Stage) -> None:
    """``tool_idle_s`` holds until the tool call ends."""
    limits = TurnLimits(idle_s=0.3, tool_idle_s=20, term_grace_s=0.3)
    body = "put(tool='t'); time.sleep(1); put(done='t'); put(final=True)"
    assert (await stage.turn(script(body), limits)).failure is None


async def test_a_working_agent_is_not_stalled(stage: Stage) -> None:
    """Processor time of a descendant is life."""
    limits = TurnLimits(idle_s=1.0, term_grace_s=0.3)
    body = "subprocess.run([sys.executable, '-c', 'import time\\nt=time.time()\\n"
    body += "while time.time() < t + 3: pass']); put(final=True)"
    assert (await stage.turn(script(body), limits)).failure is None


async def test_a_turn_that_takes_too_long_times_out(stage: Stage) -> None:
    """However lively it is."""
    limits = TurnLimits(timeout_s=0.6, term_grace_s=0.3)
    result = await stage.turn(script("while True: put(part='.'); time.sleep(.05)"), limits)
    assert result.failure is not None
    assert result.failure.kind == "timeout"
    assert "took longer than 0.6 s (timeout=0.6)" in result.failure.detail


async def test_a_success_said_while_being_ended_does_not_count(stage: Stage) -> None:
    """A final event that comes after the verdict is too late."""
    limits = TurnLimits(idle_s=0.6, term_grace_s=1.0)
    body = """
def last(*_):
    put(say="aborted"); put(final=True); os._exit(0)
signal.signal(signal.SIGTERM, last); put(say="working"); time.sleep(300)
"""
    result = await stage.turn(script(body), limits)
    assert result.failure is not None
    assert result.failure.kind == "stalled"


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("while True: sys.stdout.write('x' * 65536)", "printed a line of more than 300000 bytes"),
        ("while True: put(part='x' * 1000)", "printed more than 2000000 bytes"),
    ],
)
async def test_too_much_output_ends_the_turn(
    stage: Stage, body: str, detail: str, to_file: bool
) -> None:
    """A line without an end, and lines without an end."""
    stage.adapter = LineAdapter(stdout_to_file=to_file)
    limits = TurnLimits(output_limit_bytes=2_000_000, line_limit_bytes=300_000, term_grace_s=0.3)
    invocation = stage.invocation(script(body), limits)
    result = await stage.runner.run(invocation, stage.heard.append)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.detail) == ("output_limit", detail)
    if not to_file:
        assert (invocation.folder / "stdout.jsonl").stat().st_size <= 2_000_000


async def test_a_hundred_megabytes_without_a_newline_are_survived(stage: Stage) -> None:
    """Within the limits it is one cut line more; the process ends by itself."""
    limits = TurnLimits(line_limit_bytes=2**20, term_grace_s=0.3)
    result = await stage.turn(("head", "-c", "100000000", "/dev/zero"), limits)
    assert result.failure is not None
    assert result.failure.kind == "output_limit"


async def test_denials_of_one_tool_end_a_turn(stage: Stage) -> None:
    """Three times no is a no: the option to set is named."""
    body = "[put(denied=name) for name in ('Edit', 'Bash', 'Edit', 'Edit')]; time.sleep(300)"
    result = await stage.turn(script(body))
    assert result.failure is not None
    assert result.failure.kind == "permission_denied"
    assert result.failure.detail.startswith("Edit was denied 3 times; ")


REFUSES = """#!/bin/sh
echo '{"type":"thread.started","thread_id":"t"}'
i=0
while [ $((i += 1)) -le TIMES ]; do
  head -c 20000 /dev/zero | tr '\\0' '.' >&2
  printf '\\n\\377 ERROR codex_core::tools::router: error=approval pol' >&2
  sleep 0.05
  printf 'icy is Never; reject command\\n' >&2
done
"""


async def test_denials_on_stderr_end_a_turn(stage: Stage) -> None:
    """Codex tells of them nowhere else: it would go on for as long as the model insists."""
    program = stage.folder / "codex"
    for times, kind in ((2, "truncated"), (1_000, "permission_denied")):
        program.write_text(REFUSES.replace("TIMES", str(times)))
        program.chmod(0o700)
        runner = LocalTurnRunner({"codex": CodexAdapter()}, stage.trees, stage.environ)
        invocation = stage.invocation((), adapter="codex", program=str(program))
        result = await runner.run(invocation, stage.heard.append)
        assert result.failure is not None
        assert result.failure.kind == kind
    assert "a tool call was denied 3 times; " in str(result.failure)


@pytest.mark.parametrize(("calls", "kind"), [(2, None), (3, "turn_limit")])
async def test_too_many_tool_calls_end_a_turn(stage: Stage, calls: int, kind: str | None) -> None:
    """The first one beyond the limit ends it."""
    body = f"[put(tool=str(n)) for n in range({calls})]; put(say='ok'); put(final=True)"
    body += "; time.sleep(300)" if kind else ""
    result = await stage.turn(script(body), TurnLimits(max_tool_calls=2, term_grace_s=0.3))
    assert (result.failure and result.failure.kind) == kind


async def test_leftovers_of_a_good_turn_are_ended(stage: Stage) -> None:
    """Tool children in their own session hold stdout open and are gone when the turn is over."""
    body = "subprocess.Popen(['sh', '-c', 'echo $$ >>pids; exec sleep 300'], "
    body += "start_new_session=True)\nwhile not os.path.exists('pids'): time.sleep(.01)\n"
    result = await stage.turn(script(body + "put(say='ok'); put(final=True)"))
    assert (result.text, result.failure, result.exit_code) == ("ok", None, 0)
    assert not any(alive(pid) for pid in await pids_in(stage.folder / "pids", 1))


async def test_a_crash_is_the_adapters_verdict(stage: Stage) -> None:
    """Exit code, stderr and the missing end are told to it."""
    result = await stage.turn(script("print('boom', file=sys.stderr); os.kill(os.getpid(), 9)"))
    assert result.exit_code == -9
    assert result.failure is not None
    assert "stderr 'boom\\n'" in result.failure.detail


async def test_a_directory_that_goes_away_ends_nothing(stage: Stage) -> None:
    """An agent may remove the one it works in, and say so; its tree is ended as any other."""
    cwd = stage.folder / "gone"
    cwd.mkdir()
    body = "os.rmdir(os.getcwd()); subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
    result = await stage.turn(script(body + "put(say='removed'); put(final=True)"), cwd=cwd)
    assert (result.text, result.failure, cwd.exists()) == ("removed", None, False)
    assert (stage.trees.living, stage.trees.leftovers) == ((), ())


async def test_cancelling_a_turn_leaves_nothing(stage: Stage) -> None:
    """When the cancellation comes out, the tree is gone."""
    body = "subprocess.Popen(['sh', '-c', 'echo $$ >>pids; exec sleep 300'], "
    body += "start_new_session=True); time.sleep(300)"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.turn(script(body)), name="turn")
        pids = await pids_in(stage.folder / "pids", 1)
        task.cancel()
    assert task.cancelled()
    assert not any(alive(pid) for pid in pids)
    assert stage.trees.living == ()


async def test_what_cannot_be_run_is_a_failure_not_an_exception(stage: Stage) -> None:
    """Unknown adapters, refused options, missing programs and folders."""
    good, gone = script("put(final=True)"), stage.folder / "gone"
    found = [
        await stage.turn(good, adapter="lime"),
        await stage.turn(good, model="impossible"),
        await stage.turn(("no-such-agent",)),
        await stage.turn(good, cwd=gone),
        await stage.turn(good, folder=gone),
    ]
    told = [(r.failure.kind, r.failure.detail) for r in found if r.failure is not None]
    assert told == [
        ("bad_invocation", "no adapter is named 'lime'; did you mean 'line'?"),
        ("bad_invocation", "this model is impossible"),
        ("not_installed", "'no-such-agent' was not found in PATH"),
        ("bad_invocation", f"the working directory {gone} is no folder"),
        (
            "crashed",
            f"{gone}/invocation.json cannot be written: No such file or directory",
        ),
    ]


async def test_a_conversation_goes_on_only_where_it_can(stage: Stage) -> None:
    """An agent that knows its conversations by folder is not started in another one."""
    there = stage.folder / "there"
    marker = stage.folder / "started"
    argv = script(f"open({str(marker)!r}, 'w'); put(say='on'); put(final=True)")
    refused = await stage.turn(argv, resume="s", resume_cwd=there)
    assert refused.failure is not None
    assert refused.failure.kind == "bad_invocation"
    assert refused.failure.detail == (
        "agent 'line' can continue a conversation only where it began: "
        f"in {there}, not in {stage.folder}"
    )
    assert not marker.exists()
    for where in (stage.folder, None):
        assert (await stage.turn(argv, resume="s", resume_cwd=where)).text == "on"
    able = Stage(
        stage.folder, adapter=LineAdapter(capabilities=Capabilities(resume_elsewhere=True))
    )
    assert (await able.turn(argv, resume="s", resume_cwd=there)).text == "on"


async def test_fifty_turns_at_once(stage: Stage) -> None:
    """All of them end well, and nothing is left."""
    argv = ("sh", "-c", """setsid sleep 300 & echo '{"say": "hi"}'; echo '{"final": true}'""")
    async with asyncio.TaskGroup() as group:
        turns = [group.create_task(stage.turn(argv), name=f"turn {n}") for n in range(50)]
    assert {(turn.result().text, turn.result().failure) for turn in turns} == {("hi", None)}
    assert (stage.trees.living, stage.trees.leftovers) == ((), ())


async def test_a_flood_leaves_the_event_loop_responsive(stage: Stage) -> None:
    """While agents print as fast as they can, others get their turn every few milliseconds."""
    lags: list[float] = []
    over = asyncio.Event()

    async def metronome() -> None:
        while not over.is_set():
            before_s = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before_s - 0.001)

    body = "line = json.dumps({'part': 'x' * 300}) + chr(10)\n"
    body += "sys.stdout.write(line * 20000); put(final=True)"
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(metronome(), name="metronome")
        async with asyncio.TaskGroup() as floods:
            for number in range(3):
                floods.create_task(stage.turn(script(body)), name=f"flood {number}")
        over.set()
        await ticking
    lags.sort()
    assert len(stage.heard) == 60_003
    assert lags[len(lags) // 2] < 0.05  # aimed at: 99 % below 5 ms, on an idle machine
    print(
        f"median {lags[len(lags) // 2] * 1e3:.1f} ms, p99 {lags[len(lags) * 99 // 100] * 1e3:.1f} ms"
    )
