"""Sensible-sounding sentences out of the words of a prompt."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from orchcore.agents.demo.draw import Draw

_WORD = re.compile(r"[^\W\d_][\w-]{3,24}")
_FILE = re.compile(
    r"(?<![\w/:.])[\w./-]*\w\.(?:py|md|toml|json|ya?ml|txt|js|ts|rs|go|c|h|java|sh)\b"
)
_DULL_WORDS = """
    about above after again all also always and another answer any are because been before being
    below between both but can could does done down each even every file files following for from
    give given has have here how into its itself just keep like list long make many may more most
    much must need never not now one only other our out over please put same say see she should
    show some such take tell than that the their them then there these they this those through too
    under until use used using very want was way well were what when where which while who why will
    with without would write you your json schema object string type required properties field
    fields value values exactly reply respond"""
_DULL = frozenset(_DULL_WORDS.split())
_SENTENCES = (
    "{A} needs {b} first.",
    "The {a} side of {b} looks sound.",
    "{A} and {b} should be looked at together.",
    "A small change to {a} would settle {b}.",
    "Keep {a} apart from {b}.",
    "{A} is covered; {b} is not yet.",
    "Most of the work is in {a}, not in {b}.",
    "Check {a} once {b} is in place.",
    "{A} depends on how {b} is done.",
    "Nothing speaks against {a} with {b}.",
)
_PHRASES = ("{A} for {b}", "{A} and {b}", "Check {a}", "{A} without {b}", "Tidy {a}", "{A} first")


class Prose(NamedTuple):
    """Text drawn from a prompt.

    Attributes:
        draw: Where choices come from.
        words: Notable words of the prompt, the most notable first; never empty.
        paths: File names: those in the prompt, then *files*.
        files: File names that exist.
    """

    draw: Draw
    words: tuple[str, ...]
    paths: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def shifted(self, by: int) -> "Prose":
        """The same words, chosen differently."""
        return self._replace(draw=self.draw.shifted(by))

    def sentence(self, place: str) -> str:
        """One sentence."""
        return self._filled(place, _SENTENCES)

    def sentences(self, place: str, count: int) -> str:
        """*count* sentences, none of them twice in a row."""
        # The choices of one place follow each other, so neighbours differ.
        return " ".join(self.shifted(number).sentence(place) for number in range(count))

    def phrase(self, place: str) -> str:
        """A title of two to four words."""
        return self._filled(place, _PHRASES)

    def slug(self, place: str) -> str:
        """One lower-case word."""
        return self.draw.pick(f"{place}/slug", self.words).lower()

    def path(self, place: str) -> str:
        """A file name."""
        return self.draw.pick(f"{place}/path", self.paths or (f"{self.slug(place)}.txt",))

    def file(self, place: str) -> str:
        """The name of a file that exists, if any does."""
        return self.draw.pick(f"{place}/path", self.files) if self.files else self.path(place)

    def _filled(self, place: str, patterns: Sequence[str]) -> str:
        count = len(self.words)
        first = self.draw.below(f"{place}/a", count)
        # The second word is never the first: it is 1 to count-1 further on.
        second = (first + 1 + self.draw.below(f"{place}/b", count - 1)) % count
        a, b = self.words[first], self.words[second]
        return self.draw.pick(f"{place}/form", patterns).format(a=a, b=b, A=a[:1].upper() + a[1:])


def prose_of(prompt: str, draw: Draw, files: Sequence[str] = ()) -> Prose:
    """The prose that *prompt* gives.

    Args:
        prompt: The agent's task.
        draw: Where choices come from.
        files: File names of the working directory.
    """
    named = _FILE.findall(prompt[:20_000])
    words = notable_words(_FILE.sub(" ", prompt[:20_000]))
    return Prose(draw, words, tuple(dict.fromkeys((*named, *files)))[:40], tuple(files[:40]))


def notable_words(prompt: str, limit: int = 14) -> tuple[str, ...]:
    """Up to *limit* words that stand out in *prompt*: frequent, then early; at least three."""
    counts: Counter[str] = Counter()
    first_form: dict[str, str] = {}
    for word in _WORD.findall(prompt):
        key = word.lower()
        if key not in _DULL:
            counts[key] += 1
            first_form.setdefault(key, key if word.istitle() else word)
    told = tuple(first_form[key] for key, _ in counts.most_common(limit))
    spare = (word for word in ("task", "result", "check") if word not in told)
    return told if len(told) > 2 else (*told, *spare)
