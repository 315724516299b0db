"""A short version of ``python -m crash.crashing 200``."""

import sqlite3
from contextlib import closing
from pathlib import Path

from crash.crashing import Crashes, crash


def test_nothing_is_lost_or_paid_twice_whenever_it_is_killed(tmp_path: Path) -> None:
    """Twelve kills spread over three pipelines of forty turns."""
    wrong, hit = crash(12, tmp_path, seed=1)
    assert wrong == []
    assert sum(hit.values()) >= 9  # a process may be done before the event at which it is to die


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    """A turn that is started after its end, a body that ran again, a damaged journal."""
    one = Crashes(tmp_path / "one")
    assert one.run([]).startswith('"done-report-0')
    assert one.wrong == []
    one._keep_effects()
    with (one.folder / "log").open("a") as log:
        log.write("start plan-1\n")
    with (one.folder / "effects").open("a") as effects:
        effects.write("plan\n")
    (journal,) = (one.folder / ".orchcore" / "runs").glob("*/journal.db")
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'turns_by_key'")
        connection.commit()
    one.judge()
    assert "plan-1 was finished and is started again" in one.wrong
    assert "the finished body of plan ran again" in one.wrong
    assert any("the journal is damaged" in text for text in one.wrong)
