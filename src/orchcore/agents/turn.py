"""Runs a turn as a child process of this machine: joins an adapter, a process and a listener."""

import asyncio
import json
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchcore.agents.adapters.protocol import Adapter, Launch
from orchcore.agents.conversation import Conversation
from orchcore.agents.environment import child_environment
from orchcore.agents.invocation import Invocation, Listener
from orchcore.agents.launching import leave_files_spare
from orchcore.agents.output import FileOutput, FileSink, PipeOutput, Tail, private_file
from orchcore.agents.process import Program, child_process
from orchcore.agents.tree import Trees
from orchcore.errors import UsageError, did_you_mean
from orchcore.results import Failure, FailureKind, TurnFailed, TurnResult

STDERR_TAIL_BYTES = 8 * 1024
STDERR_FILE_BYTES = 64 * 2**20


class LocalTurnRunner:
    """A ``TurnRunner`` whose agents are children of this process.

    Belongs to one event loop. Leaves in the invocation's folder (all 0600): ``prompt.md``,
    ``invocation.json`` (command, directory, names of variables), ``stdout.jsonl``, ``stderr.log``.

    Args:
        adapters: By name.
        trees: The registry of living process trees, shared with whoever ends the run.
        environ: Our environment, of which children inherit what the policy allows.

    Example:
        >>> runner = LocalTurnRunner({"claude": ClaudeAdapter()}, Trees(), os.environ)
        >>> result = await runner.run(invocation, print)
    """

    def __init__(
        self, adapters: Mapping[str, Adapter], trees: Trees, environ: Mapping[str, str]
    ) -> None:
        self._adapters = adapters
        self._trees = trees
        self._environ = environ
        self._slot = asyncio.Lock()

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        """Runs *invocation* to its end; see ``TurnRunner.run``.

        Raises:
            asyncio.CancelledError: Cancelled; the agent's whole tree is gone by then.
        """
        adapter = self._adapters.get(invocation.adapter)
        if adapter is None:
            hints = "; ".join(did_you_mean(invocation.adapter, self._adapters))
            return _failed("bad_invocation", f"no adapter is named {invocation.adapter!r}; {hints}")
        if elsewhere := _elsewhere(adapter, invocation):
            return TurnResult(failure=elsewhere)
        try:
            launch = adapter.command(invocation)
            env = self._environment(adapter, invocation, launch)
            with _recording(invocation, launch, env) as recording:
                program = Program(
                    argv=launch.argv,
                    cwd=invocation.cwd,
                    env=env,
                    stdin=launch.stdin,
                    stdout=recording.stdout,
                    stderr=recording.stderr,
                    grace_s=invocation.limits.term_grace_s,
                    marker=invocation.marker,
                )
                parser = adapter.parser(invocation)
                async with child_process(program, self._trees) as child:
                    conversation = Conversation(
                        child=child,
                        stderr=recording.stderr,
                        trees=self._trees,
                        parser=parser,
                        listener=listener,
                        limits=invocation.limits,
                        slot=self._slot,
                        read_back=launch.read_back,
                    )
                    result = await conversation.hold()
                return replace(result, warnings=(*result.warnings, *recording.warnings()))
        except UsageError as error:
            return _failed("bad_invocation", "; ".join(p.message for p in error.problems))
        except TurnFailed as error:
            return TurnResult(failure=error.failure)

    def _environment(
        self, adapter: Adapter, invocation: Invocation, launch: Launch
    ) -> Mapping[str, str]:
        extra = {**launch.env, **invocation.env}
        env = child_environment(self._environ, adapter.login_env, invocation.pass_env, extra)
        return env | {name: merge(env.get(name, "")) for name, merge in launch.merged_env.items()}


def _elsewhere(adapter: Adapter, invocation: Invocation) -> Failure | None:
    """Of a conversation that cannot go on where *invocation* is: OpenCode 1.18 waits for ever."""
    began = invocation.resume_cwd
    if invocation.resume is None or began is None or adapter.capabilities.resume_elsewhere:
        return None
    if began == invocation.cwd:
        return None
    return Failure(
        "bad_invocation",
        f"agent '{invocation.agent}' can continue a conversation only where it began: in {began}, "
        f"not in {invocation.cwd}",
    )


@dataclass(frozen=True, slots=True)
class _Recording:
    """The files of a turn that grow while it runs."""

    stdout: PipeOutput | FileOutput
    stderr: Tail
    files: tuple[FileSink, ...]

    def warnings(self) -> Iterator[str]:
        for file in self.files:
            if file.error:
                yield f"{file.path.name} is incomplete: {file.error}"


@contextmanager
def _recording(
    invocation: Invocation, launch: Launch, env: Mapping[str, str]
) -> Generator[_Recording]:
    folder, limit_bytes = invocation.folder, invocation.limits.output_limit_bytes
    with ExitStack() as open_files:
        try:
            leave_files_spare()
            _write_request(invocation, launch, env)
            stderr = FileSink(folder / "stderr.log", STDERR_FILE_BYTES)
            open_files.callback(stderr.close)
            files: tuple[FileSink, ...] = (stderr,)
            stdout: PipeOutput | FileOutput
            if launch.stdout_to_file:
                stdout = FileOutput(folder / "stdout.jsonl")
                open_files.callback(stdout.release)
            else:
                transcript = FileSink(folder / "stdout.jsonl", limit_bytes)
                open_files.callback(transcript.close)
                stdout, files = PipeOutput(transcript), (stderr, transcript)
        except OSError as error:
            detail = f"{error.filename or folder} cannot be written: {error.strerror or error}"
            raise TurnFailed(Failure("crashed", detail)) from error
        yield _Recording(stdout, Tail(STDERR_TAIL_BYTES, stderr), files)


def _write_request(invocation: Invocation, launch: Launch, env: Mapping[str, str]) -> None:
    request = {
        "agent": invocation.agent,
        "adapter": invocation.adapter,
        "argv": list(launch.argv),
        "cwd": str(invocation.cwd),
        "env": sorted(env),  # names only: values may be secrets
    }
    content = json.dumps(request, indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape")
    _write(invocation.folder / "invocation.json", content)
    prompt = invocation.prompt.encode("utf-8", "surrogateescape")
    _write(invocation.folder / "prompt.md", prompt)
    for name, data in launch.files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(private_file(path), "wb") as file:
        file.write(content)


def _failed(kind: FailureKind, detail: str) -> TurnResult:
    return TurnResult(failure=Failure(kind, detail))
