from hypothesis import given
from hypothesis import strategies as st

from orchcore.agents.claims import Orphans, Tree, belonging
from orchcore.agents.process_table import ProcessEntry, ProcessTable

US = 100


def entry(
    pid: int, parent: int, session: int, *, started: int = 1, dead: bool = False
) -> ProcessEntry:
    return ProcessEntry(pid, started, parent, session, dead, cpu_s=0.0)


OURSELVES = entry(US, 1, 50)
INIT = entry(1, 0, 1)
SHELL = entry(50, 1, 50)


def tree_of(pid: int) -> Tree:
    tree = Tree(marker=f"m{pid}")
    tree.launched(pid)
    return tree


def members(tree: Tree, *entries: ProcessEntry, **marks: ProcessEntry) -> set[int]:
    named = {process.identity: mark for mark, process in marks.items()}
    tree.see(ProcessTable.of((INIT, SHELL, OURSELVES, *entries), named), US)
    return {member.pid for member in tree.members}


def test_descendants_belong_also_in_other_sessions() -> None:
    """Parent links lead to all of them; siblings of the root do not belong."""
    tree = tree_of(200)
    found = members(
        tree, entry(200, US, 200), entry(201, 200, 201), entry(202, 201, 201), entry(300, US, 300)
    )
    assert found == {200, 201, 202}


def test_orphans_belong_by_session_by_marker_and_by_memory() -> None:
    """Whoever was adopted by init or by us is still known."""
    tree = tree_of(200)
    far = entry(203, 201, 203)
    assert members(tree, entry(200, US, 200), entry(201, 200, 201), far) == {200, 201, 203}
    adopted, sibling, marked = entry(203, 1, 203), entry(204, 1, 203), entry(205, US, 205)
    unknown = entry(206, 1, 206)
    assert members(tree, adopted, sibling, marked, unknown, m200=marked) == {203, 204, 205}


def test_a_reused_number_does_not_belong() -> None:
    """A later process with a member's number is a stranger."""
    tree = tree_of(200)
    assert members(tree, entry(200, US, 200), entry(201, 200, 201)) == {200, 201}
    assert members(tree, entry(201, 1, 50, started=2)) == set()


def test_a_table_read_before_the_launch_forgets_nothing() -> None:
    """The root's session is remembered until the root was seen."""
    tree = tree_of(200)
    assert members(tree) == set()
    assert members(tree, entry(200, US, 200), entry(201, 1, 200)) == {200, 201}
    assert members(tree) == set()
    assert members(tree, entry(300, 1, 200, started=9)) == set()


def test_our_own_session_is_never_claimed() -> None:
    """Neither we nor the shell that started us belong to a tree, whoever joins in."""
    tree = tree_of(200)
    assert members(tree, entry(200, US, 200), entry(201, 200, 50)) == {200, 201}


def test_zombies_are_no_members_and_only_adopted_ones_are_ours_to_reap() -> None:
    """The root is asyncio's, a member's child its parent's."""
    tree = tree_of(200)
    zombies = [
        entry(200, US, 200, dead=True),
        entry(201, US, 200, dead=True),
        entry(203, 202, 200, dead=True),
    ]
    assert members(tree, *zombies, entry(202, US, 200)) == {202}
    assert [zombie.pid for zombie in tree.adopted] == [201]


def orphans(*entries: ProcessEntry, trees: tuple[Tree, ...] = ()) -> Orphans:
    table = ProcessTable.of((INIT, SHELL, OURSELVES, *entries))
    for tree in trees:
        tree.see(table, US)
    found = Orphans(since=10, trees=trees)
    found.see(table, US)
    return found


def test_orphans_are_what_came_to_us_and_is_nobody_s() -> None:
    """Children in our session, older ones, and living trees are left alone."""
    tree = tree_of(200)
    found = orphans(
        entry(200, US, 200, started=20),
        entry(201, 200, 201, started=20),
        entry(301, US, 50, started=20),
        entry(302, US, 302, started=5),
        entry(303, US, 299, started=20),
        entry(304, 303, 304, started=20),
        trees=(tree,),
    )
    assert {orphan.pid for orphan in found.members} == {303, 304}


def test_only_zombies_that_were_certainly_adopted_are_reaped() -> None:
    """A child that leads its session may be somebody's ``Popen`` and is waited for by that."""
    found = orphans(
        entry(301, US, 301, started=20, dead=True),
        entry(302, US, 299, started=20, dead=True),
        entry(303, US, 50, started=20, dead=True),
    )
    assert [zombie.pid for zombie in found.adopted] == [302]


FORESTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), min_size=1, max_size=30
)


@given(FORESTS, st.integers(1, 30))
def test_belonging_is_closed_and_spares_us(forest: list[tuple[int, int, bool]], root: int) -> None:
    """Children and session mates of whoever belongs, belong too; we and our session do not."""
    entries = [entry(pid + 1, parent, session) for pid, (parent, session, _) in enumerate(forest)]
    table = ProcessTable.of([*entries, entry(US, 1, 7)])
    found = belonging(table, [e for e in entries if e.pid == root], US)
    pids = {pid for pid, _ in found}
    assert US not in pids
    for one in found.values():
        assert {child.pid for child in table.children.get(one.pid, ())} - {US} <= pids
        if one.session not in {0, 7}:
            assert {mate.pid for mate in table.sessions[one.session]} - {US} <= pids
