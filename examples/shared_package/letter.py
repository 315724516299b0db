"""One of two orchfiles that share the package beside them: here its steps are called in a body.

    orchcore run examples/shared_package/letter.py

An orchfile's folder is importable, so sharing is an import.
"""

from house import polish, word_count

from orchcore import gather, param, phase, use


@phase
async def letters(text: str = param("We are late, sorry.")) -> list[str]:
    return await gather((polish(text, style) for style in ("formal", "warm")), limit=2)


@phase
async def shortest(letters: list[str] = use(letters)) -> str:
    counts = [await word_count(letter) for letter in letters]
    return letters[counts.index(min(counts))]
