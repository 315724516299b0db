"""Run parameters that disagree with their annotation."""

from pathlib import Path
from typing import Literal

from orchcore import param, phase


@phase
async def options(
    a: int = param("3"),  # mistake: param-default-str-for-int
    b: str = param(3),  # mistake: param-default-int-for-str
    c: str = param(None),  # mistake: param-default-none
    d: bool = param("yes"),  # mistake: param-default-str-for-bool
    e: Literal["fast", "deep"] = param("slow"),  # mistake: param-default-outside-literal
    f: list[str] = param("a"),  # mistake: param-default-str-for-list
    g: list[int] = param(["a"]),  # mistake: param-default-list-of-another-element
    h: Path = param("out"),  # mistake: param-default-str-for-path
    i: int = param(default=3),  # mistake: param-default-by-keyword
    j: int = param(3, hlp="how many"),  # mistake: param-help-misspelt
    k: int = param(3, env=True),  # mistake: param-env-is-no-name
    l: int = param(3, 4),  # mistake: param-two-defaults
    m: int = param,  # mistake: param-not-called
    n: int = param(int),  # mistake: param-default-is-a-class
    o: str = param("a", choices=["a", "b"]),  # mistake: param-unknown-keyword
    p: int = param(3, help=["x"]),  # mistake: param-help-is-a-list
    q: int = param(3, name=1),  # mistake: param-name-is-a-number
    s: str = param(["a", "b"]),  # mistake: param-default-list-for-str
    r: int = param(3.5),  # mistake: param-default-float-for-int
) -> None: ...
