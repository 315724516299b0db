"""Answer models of many shapes, as people may write them."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

from pydantic import (
    UUID1,
    UUID7,
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    DirectoryPath,
    Discriminator,
    Field,
    HttpUrl,
    IPvAnyAddress,
    IPvAnyNetwork,
    Json,
    NegativeInt,
    PostgresDsn,
    RootModel,
    SecretStr,
    StringConstraints,
    Tag,
)


class Severity(StrEnum):
    LOW = "low"
    HIGH = "high"


class Level(IntEnum):
    ONE = 1
    TWO = 2


class Mixed(Enum):
    NUMBER = 1
    WORD = "word"
    NOTHING = None


class Step(BaseModel):
    id: str
    title: str = Field(max_length=40)
    needs: list[str] = []
    done: bool = False


class Plan(BaseModel):
    steps: list[Step] = Field(min_length=1, max_length=5)
    risky: bool
    notes: str | None = None


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Nested(BaseModel):
    """Must hold another of itself, or none: only the null ends it."""

    next: "Nested | None"
    value: int


class Number(BaseModel):
    kind: Literal["number"]
    value: float


class Sum(BaseModel):
    kind: Literal["sum"]
    left: "Expression"
    right: "Expression"


type Expression = Annotated[Number | Sum, Field(discriminator="kind")]


class Formula(BaseModel):
    root: Expression


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: set[Literal["sit", "roll", "beg"]] = Field(min_length=2)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: int
    ratio: float
    name: str
    flags: list[bool]


class Aliased(BaseModel):
    file_name: str = Field(alias="fileName")
    kind_of: Severity = Field(alias="kindOf")


class Bounded(BaseModel):
    score: Annotated[float, Field(ge=0, le=1)]
    above: Annotated[float, Field(gt=0, lt=0.001)]
    below: Annotated[int, Field(lt=-5)]
    even: Annotated[int, Field(multiple_of=7, ge=10, le=100)]
    quarter: Annotated[float, Field(multiple_of=0.25, gt=0, lt=3)]
    negative: NegativeInt
    huge: Annotated[int, Field(ge=10**15)]
    one: Annotated[float, Field(ge=3.5, le=3.5)]


class Texts(BaseModel):
    tiny: Annotated[str, Field(min_length=1, max_length=1)]
    short: Annotated[str, Field(max_length=12)]
    long: Annotated[str, Field(min_length=900, max_length=1000)]
    exact: Annotated[str, Field(min_length=17, max_length=17)]
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,4}-\d{3}$")]
    version: Annotated[str, StringConstraints(pattern=r"^v?\d+\.\d+(\.\d+)?(-(alpha|beta))?$")]
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", min_length=20)]
    word: Annotated[str, StringConstraints(pattern=r"\w+\s\w+")]
    colour: Annotated[str, StringConstraints(pattern=r"^#(?:[0-9a-fA-F]{3}){1,2}$")]
    no_digits: Annotated[str, StringConstraints(pattern=r"^[^0-9]{5,}$", max_length=9)]
    upper: Annotated[str, StringConstraints(to_upper=True, strip_whitespace=True, min_length=3)]


class Formats(BaseModel):
    day: date
    moment: AwareDatetime
    any_moment: datetime
    clock: time
    takes: timedelta
    key: UUID
    old_key: UUID1
    new_key: UUID7
    v4: IPv4Address
    v6: IPv6Address
    net: IPv6Network
    any_address: IPvAnyAddress
    any_net: IPvAnyNetwork
    page: HttpUrl
    link: AnyUrl
    base: PostgresDsn
    where: Path
    here: DirectoryPath
    raw: Annotated[bytes, Field(min_length=3)]
    packed: Base64Bytes
    secret: SecretStr
    expression: re.Pattern[str]
    size: ByteSize
    inner: Json[list[int]]
    any_inner: Json[Any]


class Money(BaseModel):
    price: Decimal
    bounded: Annotated[Decimal, Field(ge=1, le=99, max_digits=4, decimal_places=2)]


class Mappings(BaseModel):
    counts: dict[str, int]
    by_number: dict[int, str]
    by_level: dict[Severity, list[int]]
    by_word: dict[Literal["x", "y"], int]
    by_pattern: dict[Annotated[str, StringConstraints(pattern="^[a-z]{3}$")], float]
    by_length: dict[Annotated[str, Field(min_length=4, max_length=30)], bool]
    many: Annotated[dict[str, str], Field(min_length=4)]
    tally: Counter[str]
    nested: dict[str, dict[str, list[Step]]]


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Row(TypedDict):
    name: str
    size: NotRequired[int]


@dataclass
class Plain:
    left: int
    right: tuple[str, ...] = ()


class Lists(BaseModel):
    pair: tuple[int, str]
    many: tuple[Severity, ...]
    unique: Annotated[set[int], Field(min_length=5, max_length=6)]
    bools: Annotated[set[bool], Field(min_length=2)]
    words: Annotated[set[str], Field(min_length=8)]
    frozen: frozenset[Severity]
    few: Annotated[list[Step], Field(min_length=6, max_length=6)]
    empty: Annotated[list[int], Field(max_length=0)]
    points: list[Point]
    rows: list[Row]
    plain: Plain
    letters: Annotated[set[Annotated[str, Field(max_length=1)]], Field(min_length=4)]


class Choices(BaseModel):
    maybe: int | None
    either: int | str | list[int]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pets: list[Cat | Dog]
    level: Level
    mixed: Mixed
    constant: Literal["only"]
    odd: Literal[1, "a", True] | None
    anything: Any
    nothing: None
    things: list[object]


class Illustrated(BaseModel):
    city: str = Field(examples=["Oslo", "Lima"])
    size: int = Field(ge=3, examples=[1, 2, 7])


def _tag(value: Any) -> str:
    return "cat" if "lives" in value else "dog"


class Called(BaseModel):
    pet: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")],
        Discriminator(_tag),
    ]


class Page[T](BaseModel):
    items: list[T]
    next: str | None = None


class Described(BaseModel):
    severity: Severity = Field(description="how bad", default=Severity.LOW)
    step: Step = Field(description="a step", default_factory=lambda: Step(id="1", title="x"))


class Graph(BaseModel):
    nodes: dict[str, "Graph"] = {}
    best: "Graph | None" = None


class Names(RootModel[list[str]]):
    pass


MODELS: tuple[Any, ...] = (
    *(Step, Plan, Tree, Nested, Formula, Cat, Dog, Strict, Aliased, Bounded, Texts, Formats),
    *(Money, Mappings, Lists, Choices, Illustrated, Called, Page[Plan], Page[int], Described),
    *(Graph, Names, Row, Plain, Point, Severity, Level, Mixed, Expression),
    *(str, int, float, bool, None, Any, bytes, date, Path, Decimal, list[Plan], set[Severity]),
    *(dict[str, Plan], tuple[int, str], Plan | None, Cat | Dog, list[Tree] | str, dict[int, date]),
    *(Literal["a", "b"], list[list[list[int]]], Annotated[int, Field(gt=3, lt=5)]),
)
