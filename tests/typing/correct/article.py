"""An article: researched, outlined, written section by section, joined, optionally illustrated."""

from pathlib import Path
from typing import Literal, assert_type

from pydantic import BaseModel, SecretStr

from orchcore import Agent, Source, agent, each, maybe, param, phase, use
from orchcore.resources import artifacts


class Source_(BaseModel):
    url: str
    claim: str


class Outline(BaseModel):
    title: str
    sections: list[str]


@agent("codex", tools=["WebSearch"], timeout="20m")
async def research(ai: Agent, topic: str = param(help="what about")) -> list[Source_]:
    return await ai.ask(f"Find sources on {topic}", list[Source_])


@agent("claude")
async def outline(
    ai: Agent,
    sources: list[Source_] = use(research),
    tone: Literal["plain", "playful"] = param("plain"),
    words: int = param(1200, help="about how many"),
) -> Outline:
    return await ai.ask(f"Outline in {words} {tone} words: {sources}", Outline)


@agent(parallel=4)
async def section(
    ai: Agent,
    heading: str = each(outline.pick(lambda o: o.sections), label=str.lower),
    sources: list[Source_] = use(research),
) -> str:
    assert_type(heading, str)
    return await ai.ask(f"Write '{heading}' from {sources}")


@agent(when=param(False, name="art"), optional=True, env={"STYLE": "ink"}, pass_env=["ART_TOKEN"])
async def picture(
    ai: Agent, o: Outline = use(outline), key: SecretStr | None = param(None, env="ART_KEY")
) -> Path:
    await ai.ask(f"Draw '{o.title}'{' with a key' if key else ''}")
    return ai.cwd / "picture.svg"


@phase(retries=1, timeout=60)
async def article(
    folder: Path = use(artifacts),
    title: str = use(outline.pick(lambda o: o.title)),
    sections: list[str] = use(section),
    drawn: Path | None = maybe(picture),
) -> Path:
    assert_type(drawn, Path | None)
    text = "\n\n".join([f"# {title}", *sections])
    if drawn is not None:
        text += f"\n\n![{title}]({drawn.name})"
    target = folder / "article.md"
    target.write_text(text)
    return target


assert_type(outline.pick(lambda o: o.sections), Source[list[str]])
assert_type(maybe(picture), Path | None)
assert_type(use(section), list[str])
assert_type(use(artifacts), Path)
