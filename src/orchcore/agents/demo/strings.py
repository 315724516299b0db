"""Strings for a JSON schema: formats, patterns, and prose that suits the field's name."""

import re
from collections.abc import Callable
from functools import partial

from orchcore.agents.demo.pattern import matching
from orchcore.agents.demo.prose import Prose
from orchcore.agents.demo.shapes import Schema

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NO_LIMIT = 10_000


def written(schema: Schema, prose: Prose, place: str) -> str:
    """A string that *schema* allows.

    Args:
        schema: Flat, of type string, without enum.
        prose: The words to use.
        place: Where it goes (``tasks[0].title``); the last name decides its style.
    """
    length = int(schema.get("minLength", 0)), int(schema.get("maxLength", _NO_LIMIT))
    if pattern := schema.get("pattern"):
        found = matching(str(pattern), prose.draw, place, length)
        if found is not None:
            return found
    if make := _FORMATS.get(str(schema.get("format", ""))):
        return make(prose, place)
    return fitted(styled(prose, place), prose, place, length)


def styled(prose: Prose, place: str) -> str:
    """Prose in the style of the field's name: a slug, a title, a path, one or more sentences."""
    name = re.sub(r"\[\d+\]", "", place).rpartition(".")[2].lower()
    for style, make in _STYLES:
        if style.search(name):
            return make(prose, place)
    return prose.sentence(place)


def fitted(text: str, prose: Prose, place: str, length: tuple[int, int]) -> str:
    """*text* made longer or shorter to have at least and at most the *length* given."""
    least, most = length
    if most < 4:
        start = prose.draw.below(place, len(_LETTERS))
        return (_LETTERS * 2)[start : start + most]
    while len(text) < least:
        missing = prose.sentences(f"{place}+{len(text)}", 1 + (least - len(text)) // 60)
        text = f"{text} {missing}".strip()
    if len(text) > most:
        text = text[:most]
        whole = text.rpartition(" ")[0]
        text = whole if len(whole) >= max(least, most // 2) else text
    # A field may strip its ends: what is left must still be long enough.
    return text.rstrip().ljust(min(max(least, 1), most), ".")


def _slug(prose: Prose, place: str) -> str:
    numbers = re.findall(r"\[(\d+)\]", place)
    number = int(numbers[-1]) + 1 if numbers else 1
    return f"{prose.slug(place)}-{number + 100 * (prose.draw.shift // 7)}"


def _hex(prose: Prose, place: str, digits: int) -> str:
    value = prose.draw.below(f"{place}/hex", 1 << 255)
    return f"{value:064x}"[-digits:]


def _uuid(prose: Prose, place: str, version: int = 4) -> str:
    digits = _hex(prose, place, 32)
    digits = f"{digits[:12]}{version}{digits[13:16]}8{digits[17:]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _day(prose: Prose, place: str) -> str:
    day = prose.draw.below(f"{place}/day", 336)
    return f"2024-{day // 28 + 1:02}-{day % 28 + 1:02}"


def _clock(prose: Prose, place: str) -> str:
    minute = prose.draw.below(f"{place}/minute", 1440)
    return f"{minute // 60:02}:{minute % 60:02}:00"


def _address(prose: Prose, place: str) -> str:
    # 192.0.2.0/24 and 2001:db8::/32 are the ranges set aside for examples (RFC 5737, RFC 3849).
    return f"192.0.2.{1 + prose.draw.below(place, 254)}"


def _address_v6(prose: Prose, place: str) -> str:
    return f"2001:db8::{1 + prose.draw.below(place, 60_000):x}"


def _host(prose: Prose, place: str) -> str:
    word = re.sub(r"[^a-z0-9]", "", prose.slug(place)) or "demo"
    return f"{word}.example.com"


def _base64(prose: Prose, place: str) -> str:
    from base64 import urlsafe_b64encode

    # A multiple of three bytes needs no padding, whichever variant is asked for.
    return urlsafe_b64encode(_hex(prose, place, 12).encode()).decode()


def _minutes(prose: Prose, place: str) -> str:
    return f"PT{5 + prose.draw.below(place, 55)}M"


type _Maker = Callable[[Prose, str], str]

_FORMATS: dict[str, _Maker] = {
    "date": _day,
    "date-time": lambda prose, place: f"{_day(prose, place)}T{_clock(prose, place)}Z",
    "time": _clock,
    "duration": _minutes,
    "uuid": _uuid,
    **{f"uuid{version}": partial(_uuid, version=version) for version in range(1, 9)},
    "email": lambda prose, place: f"{_hex(prose, place, 4)}@{_host(prose, place)}",
    "name-email": lambda prose, place: f"{_hex(prose, place, 4)}@{_host(prose, place)}",
    "uri": lambda prose, place: f"https://{_host(prose, place)}/{_hex(prose, place, 4)}",
    "uri-reference": lambda prose, place: f"/{_hex(prose, place, 4)}",
    "multi-host-uri": lambda prose, place: f"postgres://{_host(prose, place)}/demo",
    "hostname": _host,
    "ipv4": _address,
    "ipv6": _address_v6,
    "ipvanyaddress": _address,
    "ipv4network": lambda prose, place: f"{_address(prose, place)}/32",
    "ipv6network": lambda prose, place: f"{_address_v6(prose, place)}/128",
    "ipvanynetwork": lambda prose, place: f"{_address(prose, place)}/32",
    "ipv4interface": lambda prose, place: f"{_address(prose, place)}/24",
    "ipv6interface": lambda prose, place: f"{_address_v6(prose, place)}/64",
    "ipvanyinterface": lambda prose, place: f"{_address(prose, place)}/24",
    # An answer that is a Path is expected to exist.
    "path": Prose.file,
    "file-path": Prose.file,
    "directory-path": lambda _prose, _place: ".",
    "base64": _base64,
    "base64url": _base64,
    "json-string": lambda _prose, _place: "{}",
    "regex": lambda prose, place: prose.slug(place),
    "color": lambda prose, place: f"#{_hex(prose, place, 6)}",
}

_STYLES: tuple[tuple[re.Pattern[str], _Maker], ...] = (
    (re.compile(r"(^|_)(id|key|slug|label|tag|branch)s?$"), _slug),
    (re.compile(r"(^|_)(path|file|filename|module)s?$"), Prose.path),
    (re.compile(r"(^|_)(url|uri|link|href)s?$"), _FORMATS["uri"]),
    (re.compile(r"(^|_)(sha|hash|commit|digest)s?$"), lambda p, place: _hex(p, place, 12)),
    (re.compile(r"(^|_)(name|title|topic|subject|headline|heading|role)s?$"), Prose.phrase),
    (re.compile(r"(^|_)(date|day)s?$"), _day),
    (re.compile(r"(^|_)version$"), lambda p, place: f"1.{p.draw.below(place, 10)}.0"),
    (
        re.compile(r"(^|_)(text|body|content|markdown|report|article|draft|details|section)s?$"),
        lambda prose, place: prose.sentences(place, 3),
    ),
)
