from pathlib import Path

from orchcore.agents.output import found_files


def test_ends_of_files_are_read_back(tmp_path: Path) -> None:
    """What is not there is left out; of a long file the end is read, where the last events are."""
    short, long, missing = (str(tmp_path / name) for name in ("short", "long", "missing"))
    Path(short).write_bytes(b"{}")
    Path(long).write_bytes(b"a" * 5 * 2**20 + b"the end")
    found = dict(found_files([short, missing, long, str(tmp_path)]))
    assert found[short] == b"{}"
    assert set(found) == {short, long}
    assert len(found[long]) == 4 * 2**20
    assert found[long].endswith(b"the end")
