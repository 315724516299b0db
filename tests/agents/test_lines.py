import time
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from orchcore.agents.lines import LineSplitter

CONTENT = st.lists(st.sampled_from([b"\n", b"a", b"{}", b"\r", b"\xe2\x80\xa8", b"long" * 5]))


def cut(content: bytes, sizes: list[int]) -> list[bytes]:
    chunks: list[bytes] = []
    for size in sizes:
        chunks.append(content[:size])
        content = content[size:]
    return [*chunks, content]


@given(CONTENT, st.lists(st.integers(0, 7)), st.integers(1, 24))
def test_lines_are_the_same_whatever_the_cut(
    pieces: list[bytes], sizes: list[int], limit_bytes: int
) -> None:
    """Lines, rest and dropped lines depend on the bytes alone, not on how they arrive."""
    content = b"".join(pieces)
    splitter = LineSplitter(limit_bytes)
    lines = [line for chunk in cut(content, sizes) for line in splitter.feed(chunk)]

    *whole, rest = content.split(b"\n")
    assert lines == [line for line in whole if len(line) <= limit_bytes]
    assert splitter.rest == (rest if len(rest) <= limit_bytes else b"")
    assert splitter.overlong_lines == sum(len(line) > limit_bytes for line in (*whole, rest))


def test_only_newlines_end_lines() -> None:
    """U+2028, U+0085, carriage returns and form feeds are content."""
    line = '{"text": "a\u2028b\u0085c\x0c\r"}'.encode()
    assert LineSplitter(1000).feed(line + b"\n") == [line]


def test_memory_is_bounded_without_a_newline() -> None:
    """100 MB without a newline hold no more than the limit, and are dropped."""
    splitter = LineSplitter(limit_bytes=2**20)
    chunk = b"x" * 2**18
    tracemalloc.start()
    for _ in range(400):
        assert splitter.feed(chunk) == []
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * 2**20
    assert splitter.overlong_lines == 1
    assert splitter.feed(b"tail\nnext\n") == [b"next"]


def test_time_is_linear_in_what_is_fed() -> None:
    """A 64 MB line in small chunks and 50,000 lines in one chunk take about no time."""
    splitter = LineSplitter(limit_bytes=2**27)
    began_s = time.process_time()
    for _ in range(2**12):
        splitter.feed(b"x" * 2**14)
    assert [len(line) for line in splitter.feed(b"\n")] == [2**26]
    assert len(splitter.feed((b"y" * 329 + b"\n") * 50_000)) == 50_000
    assert time.process_time() - began_s < 5  # quadratic: minutes
