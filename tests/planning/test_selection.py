"""Targets, ``-k`` and ``-t`` select nodes, and whatever those need comes along."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchcore.errors import NothingSelectedError, UsageError
from orchcore.planning.keyword import compile_keyword
from orchcore.planning.plan import Axis, Fan, PlannedNode
from orchcore.planning.selection import Selection, known_instances, select
from planning.planned import node

NODES = (
    node("plan"),
    node("audit_db", "plan", tags=["audit", "slow"]),
    node("audit_web", "plan", tags=["audit"]),
    node("review", "plan", items=["claude", "codex"]),
    node("verdict", "review"),
    node("notes"),
)


def chosen(*targets: str, keyword: str | None = None, tag: tuple[str, ...] = ()) -> list[str]:
    return [one.id for one in select(NODES, Selection(targets, keyword, tag))]


def only(nodes: tuple[PlannedNode, ...], id_: str) -> tuple[str, ...]:
    fan = next(one for one in nodes if one.id == id_).fan
    assert fan is not None
    return fan.only


def test_nothing_asked_selects_everything() -> None:
    """Without a target, -k or -t every node is selected, in the given order."""
    assert chosen() == [one.id for one in NODES]


def test_target_brings_what_it_needs() -> None:
    """A named node comes with its upstream, in the given order."""
    assert chosen("verdict") == ["plan", "review", "verdict"]


def test_glob_selects_all_that_match() -> None:
    """A glob stands for every id it matches."""
    assert chosen("audit_*") == ["plan", "audit_db", "audit_web"]


@pytest.mark.parametrize(
    ("target", "ids"),
    [
        ("+review", ["plan", "review"]),
        ("review+", ["plan", "review", "verdict"]),
        ("+review+", ["plan", "review", "verdict"]),
        ("notes+", ["notes"]),
        ("audit_*+", ["plan", "audit_db", "audit_web"]),
    ],
)
def test_plus_adds_a_direction(target: str, ids: list[str]) -> None:
    """A trailing plus adds all that needs the node; a leading one says what is added anyway."""
    assert chosen(target) == ids


def test_downstream_brings_its_other_needs() -> None:
    """What is added downstream comes with everything it needs itself."""
    nodes = (node("a"), node("b"), node("both", "a", "b"))
    assert [one.id for one in select(nodes, Selection(("a+",)))] == ["a", "b", "both"]


@pytest.mark.parametrize("target", ["review:codex", "review:c*", "rev*:codex", "+review:codex+"])
def test_instances_limit_their_node(target: str) -> None:
    """An instance id, or a glob of them, selects its node with those instances only."""
    found = select(NODES, Selection((target,)))
    name = target.strip("+").partition(":")[2]
    assert only(found, "review") == (f"review:{name}",)


def test_instances_add_up() -> None:
    """Several instances of one node are all selected, each once."""
    found = select(NODES, Selection(("review:codex", "review:claude", "review:codex")))
    assert only(found, "review") == ("review:codex", "review:claude")


@pytest.mark.parametrize(
    "targets", [("review", "review:codex"), ("review:codex", "review"), ("review:codex", "r*")]
)
def test_whole_node_wins_over_its_instances(targets: tuple[str, ...]) -> None:
    """A node that is also named whole keeps all its instances, whatever the order."""
    assert only(select(NODES, Selection(targets)), "review") == ()


@pytest.mark.parametrize("targets", [("review:codex", "verdict"), ("verdict", "review:codex")])
def test_targets_mean_what_they_mean_alone(targets: tuple[str, ...]) -> None:
    """Several are a union: what another target needs whole is not limited."""
    found = select(NODES, Selection(targets))
    assert [one.id for one in found] == ["plan", "review", "verdict"]
    assert only(found, "review") == ()


def test_what_follows_an_instance_gets_that_instance() -> None:
    """One target that means an instance and what needs it: downstream gets that one only."""
    found = select(NODES, Selection(("review:codex+",)))
    assert [one.id for one in found] == ["plan", "review", "verdict"]
    assert only(found, "review") == ("review:codex",)


def test_instances_of_a_list_to_come_are_taken_on_trust() -> None:
    """Instances that only exist during the run cannot be checked before it."""
    axis = Axis(NODES[3].fan.axes[0].edge, "source", "plan") if NODES[3].fan else None
    assert axis is not None
    fix = node("fix", fan=Fan(2, None, (axis,), "plan"))
    assert known_instances(fix) is None
    assert only(select((fix,), Selection(("fix:t7",))), "fix") == ("fix:t7",)


@pytest.mark.parametrize(
    ("target", "label"),
    [
        ("fix:émigré", "émigré"),
        ("fix:e\u0301migre\u0301", "émigré"),
        ("fix:fix the bug!", "fix-the-bug"),
        ("fix:a,b", "a-b"),
        ("f*:日本", "日本"),
    ],
)
def test_an_instance_is_named_by_its_value_too(target: str, label: str) -> None:
    """As people write it; the label is what is fit for a shell, of a list that comes as well."""
    fix = node("fix", items=["émigré", "fix the bug!", "a,b", "日本"])
    assert only(select((fix,), Selection((target,))), "fix") == (f"fix:{label}",)
    assert fix.fan is not None
    later = node("fix", fan=Fan(2, None, (Axis(fix.fan.axes[0].edge, "source", "plan"),), "plan"))
    assert only(select((later,), Selection((target,))), "fix") == (f"fix:{label}",)


def test_a_crossed_instance_is_named_by_its_values_too() -> None:
    """Joined by commas, which no label of one value has."""
    edge = NODES[3].fan.axes[0].edge if NODES[3].fan else None
    assert edge is not None
    axes = (Axis(edge, "list", 1, ("a b", "c")), Axis(edge, "list", 2, ("d",)))
    fix = node("fix", fan=Fan(2, None, axes, "fix", cross=True))
    assert only(select((fix,), Selection(("fix:a b,d",))), "fix") == ("fix:a-b,d",)


def test_copies_are_numbered_instances() -> None:
    """parallel=3 without each() has instances 1 to 3, which can be selected."""
    tries = node("tries", fan=Fan(3, 3, (), "tries"))
    assert known_instances(tries) == ("tries:1", "tries:2", "tries:3")
    assert only(select((tries,), Selection(("tries:2",))), "tries") == ("tries:2",)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("reviw", "no phase 'reviw'; did you mean 'review' or 'review:codex'?"),
        ("review:codx", "no instance 'review:codx'"),
        ("plan:a", "no instance 'plan:a': 'plan' is one node"),
        ("+zzz+", "no phase '+zzz+'"),
        ("", "no phase ''"),
        ("+", "no phase '+'"),
    ],
)
def test_unknown_target_is_explained(target: str, message: str) -> None:
    """A target that names nothing is a usage error that says what was likely meant."""
    with pytest.raises(UsageError) as caught:
        chosen(target)
    assert caught.value.code == "unknown-target"
    assert caught.value.problems[0].message == message


def test_all_unknown_targets_are_told_at_once() -> None:
    """Every wrong target is named, not only the first."""
    with pytest.raises(UsageError) as caught:
        chosen("plan", "reviw", "verdct")
    assert len(caught.value.problems) == 2


def test_many_known_names_are_cut() -> None:
    """The hint stays short in a graph of many nodes."""
    many = tuple(node(f"n{number}") for number in range(500))
    with pytest.raises(UsageError) as caught:
        select(many, Selection(("qqqqqq",)))
    assert len(caught.value.hint) < 120


def test_glob_without_a_match_selects_nothing() -> None:
    """A pattern alone that matches nothing leaves nothing; beside a hit it is a mistake."""
    with pytest.raises(NothingSelectedError):
        chosen("zzz*")
    with pytest.raises(UsageError):
        chosen("plan", "zzz*")


def test_keyword_and_tag_narrow_the_targets() -> None:
    """-k and -t are both to be met; one of several tags is enough; needs come along."""
    assert chosen(keyword="audit and not db") == ["plan", "audit_web"]
    assert chosen(tag=("slow",)) == ["plan", "audit_db"]
    assert chosen(tag=("slow", "audit")) == ["plan", "audit_db", "audit_web"]
    assert chosen("audit_*", keyword="web", tag=("audit",)) == ["plan", "audit_web"]


def test_nothing_left_is_an_error_of_its_own() -> None:
    """A selection without a node is told with what was asked and which tags there are."""
    with pytest.raises(NothingSelectedError) as caught:
        chosen("notes", keyword="plan")
    assert caught.value.problems[0].message == "no phase fits notes -k 'plan'"
    with pytest.raises(NothingSelectedError) as caught:
        chosen(tag=("nope",))
    assert caught.value.hint == "tags: audit, slow"


def test_exact_id_wins_over_every_other_reading() -> None:
    """An id that looks like a pattern or has a plus is still found by its own name."""
    nodes = (node("a+"), node("b*"), node("bc"), node("d:e"))
    for name in ("a+", "b*", "d:e"):
        assert [one.id for one in select(nodes, Selection((name,)))] == [name]


def test_labels_that_raise_are_left_to_the_run() -> None:
    """A user's label function that fails makes instances unknown, not the selection fail."""
    broken = node("fix", items=["a"])
    assert broken.fan is not None
    broken.fan.axes[0].edge.label = "{0.nope}".format
    assert known_instances(broken) is None


@given(st.data())
def test_selection_is_closed_and_ordered(data: st.DataObject) -> None:
    """Whatever the graph: order is kept, needs are included, targets are there."""
    size = data.draw(st.integers(1, 12))
    names = [f"n{number}" for number in range(size)]
    nodes = tuple(
        node(name, *data.draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else ())
        for at, name in enumerate(names)
    )
    form = st.sampled_from(["{}", "+{}", "{}+", "+{}+"])
    targets = data.draw(st.lists(st.builds(str.format, form, st.sampled_from(names)), min_size=1))
    ids = [one.id for one in select(nodes, Selection(tuple(targets)))]
    assert ids == [name for name in names if name in ids]
    assert {target.strip("+") for target in targets} <= set(ids)
    assert all(need in ids for one in nodes if one.id in ids for need in one.needs)


def test_deep_graph_needs_no_recursion() -> None:
    """A chain of 20,000 nodes is selected from either end."""
    chain = [node("n0"), *(node(f"n{at}", f"n{at - 1}") for at in range(1, 20_000))]
    assert len(select(chain, Selection(("n19999",)))) == 20_000
    assert len(select(chain, Selection(("n0+",)))) == 20_000


@pytest.mark.parametrize(
    ("expression", "fitting"),
    [
        ("audit", {"audit_db", "audit_web"}),
        ("AUDIT", {"audit_db", "audit_web"}),
        ("audit and db", {"audit_db"}),
        ("plan or db and audit", {"plan", "audit_db"}),
        ("not audit", {"plan"}),
        ("not not audit", {"audit_db", "audit_web"}),
        ("not (plan or db)", {"audit_web"}),
        ("(audit)and(web)", {"audit_web"}),
        ("", {"plan", "audit_db", "audit_web"}),
        ("   ", {"plan", "audit_db", "audit_web"}),
        ("not_there", set[str]()),
    ],
)
def test_keyword_is_read_as_pytest_reads_it(expression: str, fitting: set[str]) -> None:
    """and, or, not and parentheses bind as in Python; words are parts of ids, in any case."""
    keep = compile_keyword(expression)
    assert {id_ for id_ in ("plan", "audit_db", "audit_web") if keep(id_)} == fitting


@pytest.mark.parametrize(
    "expression",
    ["and", "a and", "or b", "not", "(a", "a)", "()", "a b", "a not b", "(" * 5000, "not " * 5000],
)
def test_keyword_that_is_no_expression_is_refused(expression: str) -> None:
    """Whatever is malformed, or nested without measure, is a usage error."""
    with pytest.raises(UsageError) as caught:
        compile_keyword(expression)
    assert caught.value.code == "keyword"


@given(st.text(alphabet="ab ()andortx_.[]'\"", max_size=40))
def test_keyword_never_fails_in_another_way(expression: str) -> None:
    """Any text is an expression or a usage error; nothing of it is executed."""
    with suppress(UsageError):
        assert compile_keyword(expression)("audit_web") in (True, False)
