"""The verdict over a turn: pure, from what its stream and its process said.

An ordered list of questions; the first that finds something wrong answers. Only a turn that none
of them objects to succeeded. What a vendor's stream means is found out before, in its adapter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchcore.agents.adapters.classification import failure, kind_of
from orchcore.agents.adapters.json_fields import one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.tally import Tally
from orchcore.results import Failure


@dataclass(frozen=True, slots=True)
class Testimony:
    """What was heard of one turn, once it is over.

    Attributes:
        ending: How the process ended.
        tally: What was read.
        final: Whether the final event said success; ``None`` if none was read.
        now: Unix time, for clock times in messages.
        told: The failure that the stream tells of, if it does; counts unless *final* is true.
        objection: What contradicts a final event that said success.
        text: The final answer.
        needs_text: Whether a turn without *text* has failed.
        pieced: Whether *text* is put together from lines, so that it lacks what a torn one said.
        denied: The tool calls that were not allowed to run and after which nothing came.
    """

    ending: Ending
    tally: Tally
    final: bool | None
    now: float
    told: Failure | None = None
    objection: Failure | None = None
    text: str = ""
    needs_text: bool = True
    pieced: bool = False
    denied: Sequence[str] = ()


type Question = Callable[[Testimony], Failure | None]


def verdict(heard: Testimony) -> Failure | None:
    """Why the turn failed; ``None`` only if nothing speaks against its success."""
    return next((found for ask in _QUESTIONS if (found := ask(heard))), None)


def ended_by_us(ending: Ending) -> Failure | None:
    """Of a process that orchcore ended before its final event."""
    if not ending.ended_by_us:
        return None
    return Failure("cancelled", "was ended before it gave its final event")


def without_final(ending: Ending, tally: Tally, now: float) -> Failure:
    """Of a stream that ended without a final event and without telling a failure."""
    if not tally.known:
        return _never_spoke(ending, tally, now)
    if ending.exit_code:
        return Failure("crashed", f"{exit_words(ending)} without a final event{because(ending)}")
    return Failure("truncated", "its stream ended without a final event")


def off_protocol(tally: Tally) -> Failure | None:
    """Of a stream that is mostly strange.

    One new kind of line in a short turn is a new version, not another protocol.
    """
    if tally.unknown < 3 or tally.unknown * 5 <= tally.known + tally.unknown:
        return None
    return Failure("protocol", f"{tally.unknown} lines of unknown types, {tally.known} known")


def contradicted(ending: Ending) -> Failure | None:
    """Of a process whose end belies the success its final event told."""
    if ending.exit_code:
        return Failure("crashed", f"{exit_words(ending)} after saying success")
    if ending.cut_line:
        return Failure("truncated", "its stream ended in the middle of a line")
    return None


def not_allowed(names: Sequence[str]) -> Failure:
    """Of a turn that came to nothing because the tools called *names* were denied."""
    told = ", ".join(dict.fromkeys(names))
    return Failure(
        "permission_denied",
        f'{told} was denied, and no answer came; permission="edit" or "full" may allow it',
    )


def exit_words(ending: Ending) -> str:
    """``exited with 3`` or ``was ended by signal 9``."""
    code = ending.exit_code
    if code is None:
        return "ended with an unknown exit code"
    if code < 0 or 128 < code <= 128 + 64:
        return f"was ended by signal {-code if code < 0 else code - 128}"
    return f"exited with {code}"


def because(ending: Ending) -> str:
    """The last line of stderr, with a colon before it; nothing if there is none."""
    lines = [line for line in ending.stderr_tail.splitlines() if line.strip()]
    return f": {one_line(lines[-1])}" if lines else ""


def _never_spoke(ending: Ending, tally: Tally, now: float) -> Failure:
    if tally.unknown or tally.malformed:
        return Failure("protocol", "printed nothing that this version of the adapter knows")
    if not ending.exit_code:
        return Failure("empty_output", "ended without a word")
    if kind := kind_of(ending.stderr_tail):
        return failure(kind, _telling(ending.stderr_tail, kind), now)
    return Failure("crashed", f"{exit_words(ending)} without a word{because(ending)}")


def _telling(stderr: str, kind: str) -> str:
    """The line of *stderr* that tells *kind*; all of it if only several lines do."""
    return next((line for line in stderr.splitlines() if kind_of(line) == kind), stderr)


def _ended_by_us(heard: Testimony) -> Failure | None:
    return ended_by_us(heard.ending)


def _no_final(heard: Testimony) -> Failure | None:
    if heard.final is not None:
        return None
    return heard.told or without_final(heard.ending, heard.tally, heard.now)


def _told(heard: Testimony) -> Failure | None:
    if heard.final is not False:
        return None
    return heard.told or Failure("crashed", f"said it failed{because(heard.ending)}")


def _off_protocol(heard: Testimony) -> Failure | None:
    return off_protocol(heard.tally)


def _contradicted(heard: Testimony) -> Failure | None:
    return heard.objection or contradicted(heard.ending)


def _torn(heard: Testimony) -> Failure | None:
    if not heard.pieced or not heard.tally.torn:
        return None
    return Failure("protocol", "a line of its stream was broken, so its answer may lack a part")


def _denied(heard: Testimony) -> Failure | None:
    if not heard.denied or heard.text.strip():
        return None
    return not_allowed(heard.denied)


def _no_answer(heard: Testimony) -> Failure | None:
    if heard.text.strip() or not heard.needs_text:
        return None
    return Failure("empty_output", "ended without an answer")


_QUESTIONS: tuple[Question, ...] = (
    _ended_by_us,
    _no_final,
    _told,
    _off_protocol,
    _contradicted,
    _torn,
    _denied,
    _no_answer,
)
