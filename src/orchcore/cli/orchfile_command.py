"""Commands that read an orchfile: it is imported before the rest of their line is parsed.

What the options of such a command are is only known from the orchfile, and which orchfile it is
stands on the line. So the line is read twice: leniently, for ``-f`` and targets that are paths,
and again with the options that the orchfile adds. Shell completion never comes here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from orchcore.cli.orchfile_options import options_of, values_of
from orchcore.cli.output import say_problems
from orchcore.collection.discovery import ORCHFILE, find, split
from orchcore.collection.gathering import Collection, collect
from orchcore.config import load_config
from orchcore.errors import CollectionError, OrchcoreError, UsageError, shown_path
from orchcore.planning.drafting import Request, draft
from orchcore.planning.parameters import parameter_specs
from orchcore.planning.plan import Plan

_READ = "orchcore.orchfile"


@dataclass(slots=True)
class _Read:
    """What became of reading the orchfile, kept with the context.

    Attributes:
        collection: What it declares; ``None`` if it could not be read.
        options: The options it adds.
        line: The words after the command.
        error: Why it could not be read, where help is to be shown all the same.
    """

    collection: Collection | None = None
    options: Sequence[click.Option] = ()
    line: Sequence[str] = ()
    error: OrchcoreError | None = None


class OrchfileCommand(click.Command):
    """A command with TARGETs, ``-f``, and an option for each parameter of the orchfile."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters, then the orchfile's."""
        return [*super().get_params(ctx), *_read(ctx).options]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the orchfile, then the line.

        Raises:
            OrchcoreError: The orchfile cannot be read, and not only help was asked for.
        """
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        wants_help = _wants_help(ctx, args)
        if not wants_help:
            self.before_reading(ctx)
        try:
            self._read_orchfile(ctx, _lenient(self, args))
        except OrchcoreError as error:
            if not wants_help:
                raise
            _read(ctx).error = error
        _read(ctx).line = tuple(args)
        rest = super().parse_args(ctx, list(args))
        return self._settled(ctx, args, rest)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs it; a target that is none may have been meant as the value of a flag.

        Raises:
            OrchcoreError: As the command does.
        """
        try:
            return super().invoke(ctx)
        except UsageError as error:
            first, *others = error.problems
            if first.code != "unknown-target":
                raise
            hints = (*_flags_with_values(_read(ctx), ctx.params["targets"]), *first.hints)
            raise UsageError(replace(first, hints=hints), *others) from None

    def before_reading(self, ctx: click.Context) -> None:
        """What must be done before a user's code runs."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options, then the orchfile's in a section of their own."""
        options = (one for one in super().get_params(ctx) if isinstance(one, click.Option))
        own = [option.get_help_record(ctx) for option in options]
        with formatter.section("Options"):
            formatter.write_dl([record for record in own if record is not None])
        read = _read(ctx)
        added = [option.get_help_record(ctx) for option in read.options]
        if read.collection is not None and added:
            with formatter.section(f"Options of {_from_here(read.collection.orchfile)}"):
                formatter.write_dl([record for record in added if record is not None])
        elif read.error is not None:
            with formatter.section("Options of the orchfile"):
                formatter.write_text(_why_missing(read.error))

    def _read_orchfile(self, ctx: click.Context, words: "_Words") -> None:
        cwd = Path.cwd()
        try:
            collection = collect(words.sure, words.file, cwd)
        except CollectionError as error:
            if error.code != "no-orchfile" or not words.doubtful:
                raise
            collection = collect(words.doubtful, words.file, cwd)
        taken = [name for param in super().get_params(ctx) for name in _names(param)]
        read = _read(ctx)
        read.collection = collection
        read.options = options_of(parameter_specs(collection), taken)

    def _settled(self, ctx: click.Context, args: list[str], rest: list[str]) -> list[str]:
        """The line as it was read, or read again if it names another orchfile than was guessed."""
        read = _read(ctx)
        targets, file = ctx.params["targets"], ctx.params["file"]
        asked = find(targets, file, Path.cwd())
        if read.collection is None or asked.orchfile != read.collection.orchfile:
            self._read_orchfile(ctx, _Words((str(asked.orchfile),), (), None))
            ctx.params.clear()
            rest = super().parse_args(ctx, list(args))
            asked = find(ctx.params["targets"], ctx.params["file"], Path.cwd())
        if read.collection is not None:
            read.collection = replace(read.collection, selectors=asked.selectors)
            if profile := ctx.params.get("profile"):
                config = load_config(asked.orchfile.parent, profile)
                read.collection = replace(read.collection, config=config)
        return rest


def plan_of(ctx: click.Context, *, complete: bool) -> Plan:
    """The plan that the command line of *ctx* asks for; its warnings are drawn.

    Args:
        ctx: Of an ``OrchfileCommand``.
        complete: Whether missing required parameters are errors.

    Raises:
        OrchcoreError: As ``draft``.
    """
    params: dict[str, Any] = ctx.params
    request = Request(
        keyword=params.get("keyword"),
        tags=tuple(params.get("tag", ())),
        parameters=values_of(params),
        jobs=params.get("jobs"),
        budget_usd=params.get("budget"),
        agent=params.get("agent"),
        model=params.get("model"),
        complete=complete,
    )
    plan = draft(collection_of(ctx), request)
    say_problems(plan.warnings)
    return plan


def collection_of(ctx: click.Context) -> Collection:
    """What the orchfile of *ctx* declares."""
    collection = _read(ctx).collection
    if collection is None:
        raise LookupError("the command line was not parsed")
    return collection


@dataclass(frozen=True, slots=True)
class _Words:
    """What the first reading of a line found.

    Attributes:
        sure: Targets that name an orchfile.
        doubtful: The same, but each stands after an unknown option and may be its value; and
            folders that hold none, which may be the names of phases.
        file: ``-f``.
    """

    sure: tuple[str, ...]
    doubtful: tuple[str, ...]
    file: str | None


def _lenient(command: click.Command, args: list[str]) -> _Words:
    twin = click.Command(command.name, params=command.params, add_help_option=False)
    with twin.make_context(
        command.name, list(args), ignore_unknown_options=True, resilient_parsing=True
    ) as ctx:
        words = [word for word in ctx.params["targets"] or () if isinstance(word, str)]
        file = ctx.params["file"]
    sure = tuple(_paths(words, after_option=False))
    folders = (word for word in words if word and word not in sure and Path(word).is_dir())
    return _Words(sure, (*_paths(words, after_option=True), *folders), file)


def _paths(words: Sequence[str], *, after_option: bool) -> Iterator[str]:
    before = ""
    for word in words:
        in_doubt = before.startswith("--") and "=" not in before
        if in_doubt is after_option and not word.startswith("-") and _names_orchfile(word):
            yield word
        before = word


def _names_orchfile(word: str) -> bool:
    path, _ = split(word, Path.cwd())
    return path is not None and (path.suffix == ".py" or (path / ORCHFILE).is_file())


def _flags_with_values(read: _Read, targets: Sequence[str]) -> Iterator[str]:
    for before, word in pairwise(read.line):
        for option in read.options:
            names = (*option.opts, *option.secondary_opts)
            if option.is_flag and before in names and word in targets:
                yield f"{before} takes no value:   {' or '.join(names)}"


def _wants_help(ctx: click.Context, args: Sequence[str]) -> bool:
    end = args.index("--") if "--" in args else len(args)
    return any(arg in ctx.help_option_names for arg in args[:end])


def _read(ctx: click.Context) -> _Read:
    found: _Read = ctx.meta.setdefault(_READ, _Read())
    return found


def _names(param: click.Parameter) -> Iterator[str]:
    yield from param.opts
    yield from param.secondary_opts


def _from_here(path: Path) -> str:
    shown = shown_path(path)
    return shown if shown.startswith("/") else f"./{shown}"


def _why_missing(error: OrchcoreError) -> str:
    if error.code == "no-orchfile":
        return f"There is none: {error.problems[0].message}."
    return f"They are missing, because it cannot be read: {error.problems[0].message}."
