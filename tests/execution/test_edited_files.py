"""An answer of a turn that could edit is used again only with what it had changed."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from orchcore.agents.invocation import Invocation
from orchcore.events import RunEnded, TurnStarted, Warned
from orchcore.execution.ports import Answer, Question, Ruling
from orchcore.journal.file_states import FileStates
from orchcore.journal.past import Past
from orchcore.planning.drafting import Request
from orchcore.results import TurnResult
from orchcore.testing import Rehearsal, Rehearsed, ScriptedRunner, failed, replied
from orchfiles import written

TWO = """
@agent(permission="edit")
async def implement(ai: Agent) -> str:
    return await ai.ask("implement") + await ai.ask("polish")

@agent
async def review(ai: Agent, changes: str = use(implement)) -> str:
    return await ai.ask(f"review {changes}")
"""


@dataclass
class Project:
    """A folder in which agents edit, and a run over several processes.

    Attributes:
        folder: Of the project.
        kept: Where states are kept.
        edits: What a turn changes, by its prompt: names and texts, or ``None`` for none.
        approver: Who is asked.
        pauses: How long a turn takes, by its prompt.
    """

    folder: Path
    kept: Path
    edits: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict[str, Any])
    approver: Any = None
    pauses: Mapping[str, float] = field(default_factory=dict[str, float])
    asked: list[str] = field(default_factory=list[str])
    _events: list[Any] = field(default_factory=list[Any])

    async def go(
        self, body: str = TWO, fails: str = "", rulings: Mapping[str, Ruling] | None = None
    ) -> Rehearsed:
        """One process more; prompts that hold *fails* do not answer."""

        async def script(asked: Invocation) -> TurnResult:
            await asyncio.sleep(self.pauses.get(asked.prompt, 0.0))
            for name, text in self.edits.get(asked.prompt, {}).items():
                self.change(name, text)
            if fails and fails in asked.prompt:
                return failed("auth")
            return replied(f"<{asked.prompt}>")

        runner = ScriptedRunner(script)
        done = await Rehearsal(
            orchfile=written(self.folder, body),
            folder=self.kept,
            runner=runner,
            request=Request(agent="scripted"),
            past=Past.told_by(self._events),
            files=FileStates(self.kept / "files", dict(os.environ)),
            rulings=rulings or {},
            approver=self.approver,
        ).run()
        self.asked = runner.prompts
        self._events += done.events
        return done

    def change(self, name: str, text: str | None) -> None:
        """Writes, or removes, a file."""
        path = self.folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def git(self, command: str) -> None:
        """``git COMMAND`` here."""
        subprocess.run(["git", *command.split()], cwd=self.folder, check=True)

    def read(self, *names: str) -> list[str | None]:
        """What files hold."""
        paths = [self.folder / name for name in names]
        return [path.read_text() if path.exists() else None for path in paths]


@pytest.fixture(params=["repository", "folder"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    project = Project(tmp_path / "project", tmp_path / "kept")
    project.kept.mkdir()
    project.folder.mkdir()
    project.change("old.py", "old")
    project.change("dead.py", "dead")
    if request.param == "repository":
        project.git("init -q")
        project.git("add -A")
        project.git("-c user.name=x -c user.email=x@example.org commit -q -m x")
    project.edits = {
        "implement": {"new/a.py": "a", "old.py": "half", "dead.py": None},
        "polish": {"old.py": "changed"},
    }
    return project


CHANGED = ["a", "changed", None]
NAMES = ("new/a.py", "old.py", "dead.py")


def undo(project: Project) -> None:
    """Everything is as it was before the run."""
    shutil.rmtree(project.folder / "new")
    project.change("old.py", "old")
    project.change("dead.py", "dead")


def put_back(done: Rehearsed) -> list[str]:
    return [event.text for event in done.of(Warned) if "put back" in event.text]


async def test_what_a_finished_phase_had_changed_is_put_back(project: Project) -> None:
    """It is reused, with its files, and a warning names them."""
    await project.go(fails="review")
    undo(project)
    done = await project.go()
    assert (project.asked, done.states["implement"]) == (["review <implement><polish>"], "reused")
    assert project.read(*NAMES) == CHANGED
    (told,) = put_back(done)
    assert all(name in told for name in NAMES)


async def test_what_turns_had_changed_is_put_back_in_a_body_that_runs_again(
    project: Project,
) -> None:
    """Before the turn that failed goes on from them."""
    await project.go(fails="polish")
    project.change("old.py", "half")  # nobody answered for the rest
    undo(project)
    done = await project.go()
    assert project.asked[0] == "polish"
    assert (project.read(*NAMES), done.exit_code) == (CHANGED, 0)


async def test_what_a_step_had_changed_is_put_back(project: Project) -> None:
    """It is given back from the record, with its files."""
    body = """
    @agent.step(permission="edit")
    async def change(ai: Agent, what: str) -> str:
        return await ai.ask(what)

    @agent
    async def work(ai: Agent) -> str:
        return await change("implement") + await ai.ask("polish")
    """
    await project.go(body, fails="polish")
    undo(project)
    await project.go(body)
    assert project.asked == ["polish"]
    assert project.read("new/a.py", "dead.py") == ["a", None]


async def test_what_was_meant_stays(project: Project) -> None:
    """What a person made of the files since is no loss, and neither is what was not changed."""
    await project.go(fails="review")
    project.change("old.py", "better")
    project.change("own.py", "own")
    done = await project.go()
    assert project.read("old.py", "own.py") == ["better", "own"]
    assert (put_back(done), done.exit_code) == ([], 0)


async def test_a_turn_that_undid_another_is_no_loss(project: Project) -> None:
    """What counts is what the files were last."""
    project.edits = {"implement": {"old.py": "changed"}, "polish": {"old.py": "old"}}
    await project.go(fails="review")
    done = await project.go()
    assert (project.read("old.py"), put_back(done)) == (["old"], [])
    project.change("old.py", "changed")
    await project.go()
    assert project.read("old.py") == ["old"]


async def test_what_cannot_be_put_back_waits_for_a_decision(project: Project) -> None:
    """The tenth trap: the tree is gone, and with it what the turn was paid for."""
    await project.go(fails="review")
    shutil.rmtree(project.kept / "files")
    undo(project)
    done = await project.go()
    assert (project.asked, done.exit_code) == ([], 10)
    assert done.states == {"implement": "paused", "review": "paused"}
    assert "--rerun implement" in done.endings["implement"].reason


DECISIONS: Mapping[str, tuple[Ruling, list[str], str]] = {
    "rerun": (Ruling(rerun=True), ["implement", "polish"], "<implement><polish>"),
    "accept": (Ruling(rerun=False), [], "<implement><polish>"),
    "answer": (Ruling(rerun=False, value='"by hand"'), [], "by hand"),
}


@pytest.mark.parametrize("name", DECISIONS)
async def test_decisions(project: Project, name: str) -> None:
    """Of what is gone: it is made anew, it is well as it is, or it is given by hand."""
    ruling, asked, gave = DECISIONS[name]
    await project.go(fails="review")
    shutil.rmtree(project.kept / "files")
    undo(project)
    done = await project.go(rulings={"implement": ruling})
    assert (project.asked, done.values["implement"]) == ([*asked, f"review {gave}"], gave)
    assert project.read(*NAMES) == (CHANGED if asked else [None, "old", "dead"])


async def test_a_body_cannot_go_on_without_its_files(project: Project) -> None:
    """Not even one that bears everything."""
    body = """
    @agent(permission="edit")
    async def implement(ai: Agent) -> str:
        try:
            said = await ai.ask("implement")
        except Exception:
            said = "borne"
        return said + await ai.using().ask("polish")
    """
    await project.go(body, fails="polish")
    shutil.rmtree(project.kept / "files")
    undo(project)
    done = await project.go(body)
    assert (done.states["implement"], done.exit_code) == ("paused", 10)


async def test_a_folder_that_is_gone(project: Project, tmp_path: Path) -> None:
    """Nothing is put where nothing is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    body = TWO.replace('"edit"', f'"edit", cwd={str(elsewhere)!r}')
    await project.go(body, fails="review")
    elsewhere.rmdir()
    done = await project.go(body)
    assert (project.asked, done.exit_code) == ([], 10)
    assert f"{elsewhere} is gone" in done.endings["implement"].reason


async def test_a_turn_that_was_interrupted_counts_from_its_begin(project: Project) -> None:
    """What it changed before is put back, too, once it has answered."""
    body = TWO.replace("permission", "retries=1, permission")
    edits: list[Callable[[], None]] = [
        lambda: project.change("new/a.py", "a"),
        lambda: project.change("old.py", "changed"),
    ]
    project.edits = {}

    def script(asked: Invocation) -> TurnResult:
        if edits:
            edits.pop(0)()
            return failed("crashed") if edits else replied("done")
        return failed("auth") if "review" in asked.prompt else replied("polished")

    states = FileStates(project.kept / "files", dict(os.environ))
    first = await Rehearsal(
        orchfile=written(project.folder, body),
        folder=project.kept,
        runner=ScriptedRunner(script),
        request=Request(agent="scripted"),
        files=states,
    ).run()
    assert first.states["implement"] == "passed"
    project._events += first.events
    shutil.rmtree(project.folder / "new")
    project.change("old.py", "old")
    await project.go(body)
    assert project.read("new/a.py", "old.py") == ["a", "changed"]


async def test_without_git(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept, which is said once; runs go as always."""
    monkeypatch.setenv("PATH", str(project.kept))
    done = await project.go(fails="review")
    (warning,) = [event.text for event in done.of(Warned) if "cannot be put back" in event.text]
    assert "git cannot be run" in warning
    assert (await project.go()).exit_code == 0


async def test_nothing_is_put_where_a_person_has_put_something_else(project: Project) -> None:
    """A folder where a file was, a file where a folder was, a file that git ignores."""
    changed = ("one", "nd/two", "deep/down/three", "local.cfg")
    project.edits = {"implement": dict.fromkeys(changed, "agent's")}
    await project.go(fails="review")
    shutil.rmtree(project.folder / "nd")
    (project.folder / "one").unlink()
    (project.folder / "one").mkdir()
    project.change("one/mine", "person's")
    project.change("nd", "person's")
    shutil.rmtree(project.folder / "deep")
    project.change("deep", "person's")
    project.change(".gitignore", "local.cfg")
    project.change("local.cfg", "person's")
    done = await project.go()
    assert (put_back(done), done.exit_code) == ([], 0)
    assert project.read("one/mine", "nd", "deep", "local.cfg") == ["person's"] * 4


async def test_what_the_run_itself_undid_is_no_loss(project: Project) -> None:
    """Between two turns of it, and before its end."""
    body = """
    from pathlib import Path

    @agent(permission="edit")
    async def implement(ai: Agent, folder: Path = param(Path("{folder}"))) -> str:
        await ai.ask("implement")
        (folder / "new/a.py").unlink()
        said = await ai.ask("polish")
        (folder / "old.py").unlink()
        return said

    @agent
    async def review(ai: Agent, changes: str = use(implement)) -> str:
        return await ai.ask(f"review {changes}")
    """.replace("{folder}", str(project.folder))
    await project.go(body, fails="review")
    done = await project.go(body)
    assert (put_back(done), done.states["implement"]) == ([], "reused")
    assert project.read(*NAMES) == [None, None, None]


async def test_files_are_kept_as_they_are(project: Project) -> None:
    """Whatever git would make of them: line ends, filters."""
    if not (project.folder / ".git").exists():
        pytest.skip("only a repository has attributes")
    project.change(".gitattributes", "*.txt text\n*.big filter=up\n")
    project.change("a.big", "big\n")
    project.change("a.txt", "one\n")
    await asyncio.to_thread(
        subprocess.run,
        "git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z';"
        "git add -A; git -c user.name=x -c user.email=x@example.org commit -q -m y; rm a.big;"
        "git checkout -q a.big",
        shell=True,
        cwd=project.folder,
        check=True,
    )
    project.edits = {"implement": {"a.big": "Changed\n", "a.txt": "two\r\nthree\n"}}
    await project.go(fails="review")
    project.git("checkout -q a.big a.txt")
    done = await project.go()
    assert (len(put_back(done)), done.exit_code) == (1, 0)
    assert (project.folder / "a.big").read_bytes() == b"Changed\n"
    assert (project.folder / "a.txt").read_bytes() == b"two\r\nthree\n"
    project.git("diff --cached --quiet")


async def test_a_turn_whose_answer_was_not_valid_counts_too(project: Project) -> None:
    """What it changed is kept with it."""
    body = """
    class Plan(BaseModel):
        steps: list[str]

    @agent(permission="edit")
    async def implement(ai: Agent) -> Plan:
        return await ai.ask("implement", Plan)

    @agent
    async def review(ai: Agent, plan: Plan = use(implement)) -> str:
        return await ai.ask("review")
    """
    answers = ["none", '{"steps": []}']

    def script(asked: Invocation) -> TurnResult:
        if "review" in asked.prompt:
            return failed("auth")
        if len(answers) == 2:
            project.change("old.py", "changed")
        return replied(answers.pop(0))

    first = await Rehearsal(
        orchfile=written(project.folder, body),
        folder=project.kept,
        runner=ScriptedRunner(script),
        request=Request(agent="scripted"),
        files=FileStates(project.kept / "files", dict(os.environ)),
    ).run()
    assert first.states["implement"] == "passed"
    project._events += first.events
    project.change("old.py", "old")
    await project.go(body)
    assert project.read("old.py") == ["changed"]


EQUAL = """
@agent(permission="edit")
async def implement(ai: Agent) -> str:
    await ai.ask("{prompt}")
    return "done"

@phase
async def between(said: str = use(implement)) -> str:
    return said

@agent
async def review(ai: Agent, said: str = use({source})) -> str:
    return await ai.ask("review")

@agent
async def ship(ai: Agent, said: str = use(review)) -> str:
    return await ai.ask("ship")
"""


@pytest.mark.parametrize("source", ["implement", "between"])
async def test_who_reads_files_that_are_others_now_runs_again(
    project: Project, source: str
) -> None:
    """Although all that it is told is as before."""
    body = EQUAL.replace("{source}", source)
    project.edits = {"good": {"old.py": "good"}, "evil": {"old.py": "evil"}}
    await project.go(body.replace("{prompt}", "good"), fails="ship")
    await project.go(body.replace("{prompt}", "evil"), fails="ship")
    assert project.asked == ["evil", "review", "ship"]
    await project.go(body.replace("{prompt}", "evil"))
    assert project.asked == ["ship"]


async def test_turns_after_an_edit_that_is_another_one_are_asked_again(project: Project) -> None:
    """In one body; those before it are not, and neither are those of other conversations."""
    body = """
    @agent(permission="edit")
    async def work(ai: Agent) -> str:
        await ai.using().ask("first")
        await ai.using().ask("{second}")
        return await ai.using().ask("third") + await ai.using().ask("{last}")
    """
    project.edits = {"second": {"old.py": "2"}, "changed": {"old.py": "2b"}}
    await project.go(body.replace("{second}", "second").replace("{last}", "last"))
    await project.go(body.replace("{second}", "second").replace("{last}", "other"))
    assert project.asked == ["other"]
    await project.go(body.replace("{second}", "changed").replace("{last}", "other"))
    assert project.asked == ["changed", "third", "other"]


async def test_a_turn_that_begins_again_tells_no_look_of_now(project: Project) -> None:
    """It tells what the files were at first: what another one changed meanwhile is not undone."""
    body = """
    @agent(permission="edit")
    async def one(ai: Agent) -> str:
        return await ai.ask("one")

    @agent(permission="edit", after=[one])
    async def two(ai: Agent) -> str:
        return await ai.ask("two")
    """
    project.edits = {"one": {"new/a.py": "a"}}
    await project.go(body, fails="two")
    began = [event for event in project._events if isinstance(event, TurnStarted)]
    first, second = began
    assert first.files is not None
    again = replace(second, key="k", files=first.files)
    early = replace(again, turn="turn-0")
    events = [event for event in project._events if not isinstance(event, RunEnded)]
    at = events.index(first)
    past = Past.told_by([*events[:at], early, *events[at:], again])
    assert [look for _, look in past.looks][-1] != first.files


@pytest.mark.parametrize("cross", ["", ", cross=True"])
async def test_instances_of_what_an_edit_phase_lists_run_again(
    project: Project, cross: str
) -> None:
    """Their elements are as before, the files are not."""
    other = ', x: str = each(["x", "y"])' if cross else ""
    body = f"""
    @agent(permission="edit")
    async def implement(ai: Agent) -> list[str]:
        await ai.ask("{{prompt}}")
        return ["a", "b"]

    @agent(parallel=1{cross})
    async def review(ai: Agent, part: str = each(implement){other}) -> str:
        return await ai.ask(f"review {{part}}")

    @agent
    async def ship(ai: Agent, said: list[str] = use(review)) -> str:
        return await ai.ask("ship")
    """.replace("{{", "{").replace("}}", "}")
    project.edits = {"good": {"old.py": "good"}, "evil": {"old.py": "evil"}}
    await project.go(body.replace("{prompt}", "good"), fails="ship")
    await project.go(body.replace("{prompt}", "evil"), fails="ship")
    assert len([prompt for prompt in project.asked if "review" in prompt]) == (4 if cross else 2)
    await project.go(body.replace("{prompt}", "evil"))
    assert project.asked == ["ship"]


async def test_a_revision_is_paid_once(project: Project) -> None:
    """Whatever it left of the files, who comes after it is not paid again by a resume."""
    body = """
    @agent(permission="edit")
    async def implement(ai: Agent) -> str:
        await ai.ask(ai.feedback or "first")
        return "done"

    good = approve(implement, "Good?")

    @agent
    async def side(ai: Agent, said: str = use(implement)) -> str:
        return await ai.ask("side")

    @agent
    async def review(ai: Agent, said: str = use(good)) -> str:
        return await ai.ask("review")

    @agent
    async def ship(ai: Agent, said: str = use(review), other: str = use(side)) -> str:
        return await ai.ask("ship")
    """
    project.edits = {"first": {"old.py": "1"}, "better": {"old.py": "2"}}
    answers = [Answer(approved=False, by="ann", comment="better"), Answer(approved=True, by="ann")]

    class Ann:
        async def ask(self, question: Question) -> Answer:
            del question
            return answers.pop(0)

    project.approver = Ann()
    await project.go(body, fails="ship")
    assert sorted(project.asked) == ["better", "first", "review", "ship", "side"]
    await project.go(body)
    assert project.asked == ["ship"]


async def test_conversations_at_once_leave_the_same_whatever_their_order(project: Project) -> None:
    """What ended last counts, not what is asked last: nobody pays again for what comes after."""
    body = """
    import asyncio

    @agent(permission="edit")
    async def implement(ai: Agent):
        await asyncio.gather(ai.using().ask("slow"), ai.using().ask("quick"))

    @agent
    async def review(ai: Agent, said: Any = use(implement)) -> str:
        return await ai.ask("review")

    @agent
    async def ship(ai: Agent, said: str = use(review)) -> str:
        return await ai.ask("ship")
    """
    project.edits = {"slow": {"old.py": "1"}, "quick": {"new/b.py": "2"}}
    project.pauses = {"slow": 0.1}
    await project.go(body, fails="ship")
    await project.go(body)
    assert project.asked == ["ship"]
