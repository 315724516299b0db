"""The sentence: collect, plan, run, report. The only file that knows every room."""

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType, ModuleType
from typing import Any

from platformdirs import user_state_path

from orchcore.agents.adapters.finder import find_adapters
from orchcore.agents.claims import Tree
from orchcore.agents.guard import Guard
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.collection.gathering import Collection, collect, gather_nodes
from orchcore.collection.loading import ensure_not_loading, imports_of, load
from orchcore.collection.reach import roots
from orchcore.config import load_config
from orchcore.declarations.gates import Approval
from orchcore.declarations.nodes import Node
from orchcore.declarations.resource import Resource
from orchcore.errors import CollectionError, Problem, UsageError
from orchcore.events import Event
from orchcore.execution.control import Control
from orchcore.execution.fitness import ensure_agents
from orchcore.execution.foreseeing import Foreseen
from orchcore.execution.halting import fitting
from orchcore.execution.ports import (
    Answer,
    Approver,
    NullRecorder,
    Question,
    Recorder,
    Ruling,
    Surroundings,
)
from orchcore.execution.printing import Tell, handed_on, published, written
from orchcore.execution.running import foresee, play
from orchcore.execution.secrecy import parameter_secrets, secrets_of
from orchcore.journal.cache_files import CACHE_NAME, CacheFiles
from orchcore.journal.file_states import FileStates
from orchcore.journal.folder import FOLDER_NAME, ProjectFolder, RunFolder
from orchcore.journal.gate_files import GateFiles
from orchcore.journal.origin import Origin
from orchcore.journal.past import Past, read_past
from orchcore.journal.place_files import PlaceFiles
from orchcore.journal.recorder import JournalRecorder
from orchcore.planning.drafting import Request, draft
from orchcore.planning.parameters import option_name
from orchcore.planning.plan import Plan
from orchcore.reporting.audience import Audience, Observer
from orchcore.reporting.masked_events import MaskedPublisher
from orchcore.reporting.masking import MASKED, Mask
from orchcore.results import NodeState
from orchcore.run_result import RunResult


def _to_stderr(text: str) -> None:
    with suppress(OSError, ValueError):  # gone, or closed: nobody is there to be told
        sys.stderr.write(f"warning: {text}\n")


@dataclass(frozen=True, slots=True)
class RunSetup:
    """How a run is watched and what it may do.

    Attributes:
        observers: Told every event, each in a thread of its own.
        approver: Asks people; ``None`` where nobody can be asked.
        fail_limit: After so many failed instances the run is ended; ``None``: never.
        environ: Our environment; by default the process's.
        yes: Whether every gate is answered yes.
        told_prints: ``stdout``, ``stderr``: which of them observers are told of, when bodies print.
        shown_prints: What makes a line harmless that bodies print to one of them otherwise.
        guarded: Whether a guard process ends the agents if we are killed: where no keeper does.
        warn: Told, once the run is over, of observers that were lost on the way.
        record: Whether the run is kept in ``.orchcore/``; without it nothing stays.
        resume: The id of the run that goes on; ``None`` starts a new one.
        rulings: What was decided of its nodes that halt, by id.
        cached: Whether results of other runs are used by phases that want it.
    """

    observers: tuple[Observer, ...] = ()
    approver: Approver | None = None
    fail_limit: int | None = None
    environ: Mapping[str, str] | None = None
    yes: bool = False
    told_prints: tuple[str, ...] = ()
    shown_prints: Mapping[str, Callable[[str], str]] = field(
        default_factory=dict[str, Callable[[str], str]]
    )
    record: bool = True
    resume: str | None = None
    rulings: Mapping[str, Ruling] = field(default_factory=dict[str, Ruling])
    cached: bool = True
    guarded: bool = False
    warn: Callable[[str], None] = _to_stderr


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a program asks of ``orchcore.run``; see there."""

    target: Any
    orchfile: Path | str | None
    params: Mapping[str, object]
    agent: str | None
    yes: bool = False
    resume: str | None = None


async def run_wanted(wanted: Wanted, control: Control | None = None) -> RunResult:
    """Collects, plans and runs what *wanted* says; *control* may end it.

    Raises:
        OrchcoreError: As ``orchcore.run`` does.
        asyncio.CancelledError: Cancelled; nothing is left running.
    """
    ensure_not_loading()
    collection, targets = _wanted_nodes(wanted)
    plan = draft(collection, Request(targets, parameters=wanted.params, agent=wanted.agent))
    setup = RunSetup(yes=wanted.yes, guarded=True, resume=wanted.resume)
    return await execute(plan, setup, control or Control())


def _wanted_nodes(wanted: Wanted) -> tuple[Collection, tuple[str, ...]]:
    target, orchfile = wanted.target, wanted.orchfile
    if isinstance(target, str) and orchfile is None:
        hint = f"run({target}) with the declared node, or run({target!r}, orchfile=...)"
        raise UsageError(Problem("usage", f"run({target!r}): of which orchfile?", None, (hint,)))
    if isinstance(target, str | None):
        named = () if target is None else (target,)
        file = None if orchfile is None else str(orchfile)
        return collect(named, file, Path.cwd(), _as_imported), ()
    if orchfile is not None:
        hint = "leave orchfile= out, or name the node:   run('name', orchfile=...)"
        message = "run(node, orchfile=...): a declared node has its orchfile already"
        raise UsageError(Problem("usage", message, None, (hint,)))
    return _declaring(target)


def _as_imported(orchfile: Path) -> ModuleType:
    """The program's own import of *orchfile*, whose nodes and classes it knows; else a new one."""
    return next(iter(imports_of(orchfile)), None) or load(orchfile)


async def execute(plan: Plan, setup: RunSetup, control: Control) -> RunResult:
    """Runs *plan* with real agents, recorded and watched as *setup* says.

    Raises:
        UsageError: An agent that the plan names cannot be used.
        RecordingError: The run cannot be recorded, or the one to be resumed is still written.
        asyncio.CancelledError: Cancelled; nothing is left running.
    """
    environ = dict(os.environ) if setup.environ is None else setup.environ
    adapters = find_adapters()
    ensure_agents(plan, adapters, environ)
    secrets = secrets_of(plan, adapters, environ)
    mask = Mask.of(secrets.values)
    argv = _argv(plan, mask)
    with _trees(setup) as trees, _watched(setup, mask) as (publish, approver):
        async with _recorded(plan, argv, setup) as (recorder, folder, past):
            await _end_leftovers(past)
            around = Surroundings(
                runner=LocalTurnRunner(adapters, trees, environ),
                adapters=adapters,
                trees=trees,
                folders=folder,
                publish=publish,
                recorder=recorder,
                approver=approver,
                yes=setup.yes,
                fail_limit=setup.fail_limit,
                environ=environ,
                secrets=secrets.variables,
                past=past,
                gates=GateFiles(user_state_path("orchcore") / "gates"),
                cache=CacheFiles(plan.folder / FOLDER_NAME / CACHE_NAME) if setup.record else None,
                cached=setup.cached,
                places=PlaceFiles(user_state_path("orchcore") / "places"),
                files=FileStates(folder.files, environ) if setup.record else None,
                rulings=fitting(setup.rulings, plan, past),
            )
            with handed_on(_prints(setup, mask, publish)):
                played = await play(plan, around, control)
    states: dict[str, NodeState] = {id_: one.state for id_, one in played.endings.items()}
    return RunResult(folder.id, played.exit_code, states, folder.path, played.given.value)


async def foreseen(
    plan: Plan,
    run: str | None,
    rulings: Mapping[str, Ruling] = MappingProxyType({}),
    *,
    cached: bool = True,
) -> tuple[Foreseen, ...]:
    """What resuming *run* would do to every node and instance of *plan*; nothing is started.

    Args:
        plan: What would be run.
        run: The run; of a new one (``None``) only what other runs left in the cache counts.
        rulings: What was decided of nodes that halt, by id.
        cached: Whether results of other runs would be used.

    Raises:
        UsageError: An agent that the plan names cannot be used, or there is no such run.
        RecordingError: The record cannot be read.
    """
    environ, adapters = dict(os.environ), find_adapters()
    ensure_agents(plan, adapters, environ)
    folder, past = RunFolder("none", plan.folder / FOLDER_NAME / "runs" / "none"), Past()
    if run is not None:
        folder = ProjectFolder.seen(plan.folder).find_run(run)
        past = read_past(folder)
    trees = Trees()
    around = Surroundings(
        runner=LocalTurnRunner(adapters, trees, environ),
        adapters=adapters,
        trees=trees,
        folders=folder,
        publish=lambda _: None,
        environ=environ,
        past=past,
        rulings=fitting(rulings, plan, past),
        cached=cached,
        cache=CacheFiles(plan.folder / FOLDER_NAME / CACHE_NAME),
        files=FileStates(folder.files, environ, index="foreseen"),
    )
    return await foresee(plan, around)


@contextmanager
def _trees(setup: RunSetup) -> Generator[Trees]:
    """The registry of process trees, watched over by a guard if *setup* says so."""
    if not setup.guarded:
        yield Trees()
        return
    guard = Guard()
    try:
        yield Trees(guard)
    finally:
        guard.close()


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks once observers have shown what happened before, and shows no secret."""

    approver: Approver
    settle: Callable[[], object]
    mask: Mask

    async def ask(self, question: Question) -> Answer | None:
        """The answer to *question*; a value that holds a secret cannot be edited here."""
        await asyncio.to_thread(self.settle)
        text, value, before = map(self.mask, (question.text, question.value, question.before))
        shown = replace(question, text=text, value=value, before=before)
        if value != question.value:
            shown = replace(shown, draft=None)
        return await self.approver.ask(shown)


@contextmanager
def _watched(
    setup: RunSetup, mask: Mask
) -> Generator[tuple[Callable[[Event], None], Approver | None]]:
    """Who tells the run's observers, and who asks.

    Whoever was lost on the way is told of, however the run ends.
    """
    audience = Audience(setup.observers)
    asking = None if setup.approver is None else _Asking(setup.approver, audience.settle, mask)
    try:
        with audience:
            yield MaskedPublisher(mask, audience.publish) if mask else audience.publish, asking
    finally:
        for text in audience.warnings:
            setup.warn(mask(text))


def _prints(setup: RunSetup, mask: Mask, publish: Callable[[Event], None]) -> dict[str, Tell]:
    """Where what bodies print goes, by stream; the others are left as they are."""
    prints = dict.fromkeys(setup.told_prints, published(publish))
    for name, clean in setup.shown_prints.items():
        if mask or clean is not str:
            prints[name] = written(getattr(sys, name), _both(mask, clean))
    return prints


def _both(mask: Mask, clean: Callable[[str], str]) -> Callable[[str], str]:
    return lambda line: clean(mask(line))


@asynccontextmanager
async def _recorded(
    plan: Plan, argv: tuple[str, ...], setup: RunSetup
) -> AsyncGenerator[tuple[Recorder, RunFolder, Past]]:
    """The run's recorder, folder and past; closed afterwards, or gone if nothing is recorded."""
    if not setup.record:
        with TemporaryDirectory(prefix="orchcore-", ignore_cleanup_errors=True) as folder:
            yield NullRecorder(), RunFolder("none", Path(folder)), Past()
        return
    project = ProjectFolder.at(plan.folder)
    kept = project.new_run() if setup.resume is None else project.find_run(setup.resume)
    recorder = JournalRecorder.open(kept, Origin.here(str(plan.orchfile), argv))
    try:
        past = Past()
        if setup.resume is not None:
            past = read_past(kept)
            kept = replace(kept, process=past.processes + 1)
            kept.pause_mark.unlink(missing_ok=True)  # it was for the process before
        yield recorder, kept, past
    finally:
        await recorder.close()


async def _end_leftovers(past: Past) -> None:
    """Ends what the turns left that an earlier process did not see the end of.

    Their transcripts do not grow any more when it returns.
    """
    trees = Trees(of_others=True)
    async with asyncio.TaskGroup() as group:
        for marker in {begun.marker for begun in past.cut.values()} - {""}:
            tree = Tree(marker)
            trees.add(tree)
            group.create_task(trees.end(tree, grace_s=0.0), name=f"leftovers of {marker}")


def _argv(plan: Plan, mask: Mask) -> tuple[str, ...]:
    """Our command line without what is secret: all that is given to an option of a secret."""
    options = frozenset(option_name(spec.name) for spec in plan.specs if spec.secret)
    in_parameters = Mask.of(parameter_secrets(plan), shortest=1)

    def shown(before: str, word: str) -> str:
        name, equals, value = word.partition("=")
        if before in options:
            return word if _stands_elsewhere(word) else MASKED
        if equals and name in options:
            return word if _stands_elsewhere(value) else f"{name}={MASKED}"
        return mask(in_parameters(word))

    return tuple(shown(before, word) for before, word in pairwise(("", *sys.argv)))


def _stands_elsewhere(word: str) -> bool:
    """Whether *word* says where a parameter's text is to be read: ``@file`` or ``-``."""
    return word == "-" or (word.startswith("@") and not word.startswith("@@"))


def _declaring(target: object) -> tuple[Collection, tuple[str, ...]]:
    """The collection of the module that declares *target*, and its id there.

    Raises:
        CollectionError: *target* is no node of any module.
    """
    for home in _homes(target):
        path = Path(str(home.__file__))
        collection = gather_nodes(path, vars(home), load_config(path.parent))
        for found in collection.found:
            if found.declared is target:
                return collection, (found.id,)
    name: str = getattr(target, "name", str(target)[:60])
    made_from = " or ".join(dict.fromkeys(f"run({root.name})" for root in roots(target)))
    if made_from and not isinstance(target, Node | Approval | Resource):
        hint = f"{made_from}, and ask its result:   result.value({name})"
    else:
        hint = "pass one of the orchfile's phases or gates, bound at its top level"
    raise CollectionError(Problem("unknown-target", f"'{name}' is no phase or gate", None, (hint,)))


def _homes(target: object) -> tuple[ModuleType, ...]:
    """The modules that may bind *target*: where it was written."""
    if isinstance(target, Node) and target.spec.wired_at is None:
        home = inspect.getmodule(target.spec.fn)
        return () if home is None or home.__file__ is None else (home,)
    if isinstance(target, Node) and target.spec.wired_at is not None:
        return imports_of(Path(target.spec.wired_at[0]))
    return imports_of(target.declared_at.path) if isinstance(target, Approval) else ()
