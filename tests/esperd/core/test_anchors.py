from __future__ import annotations

import re

from hypothesis import given, strategies as st

from esperd.core.anchors import AnchorSearch

ANCHORS = (b"ab", b"b", b"rst:", b"\x00\xff")


def test_the_nearest_of_several_texts_is_found() -> None:
    search = AnchorSearch(b"..rst:..ab..", ANCHORS)
    assert search.find(0) == 2
    assert search.find(2) == 2
    assert search.find(3) == 8
    assert search.find(9) == 9
    assert search.find(10) is None


def test_nothing_is_found_where_nothing_is() -> None:
    assert AnchorSearch(b"plain text", ANCHORS).find(0) is None
    assert AnchorSearch(b"", ANCHORS).find(0) is None


@given(
    st.lists(st.sampled_from([b"a", b"b", b"rst", b":", b"\x00", b"\xff", b"\n"]), max_size=40).map(b"".join),
    st.lists(st.integers(0, 10), max_size=20),
)
def test_it_finds_what_a_regular_expression_finds(data: bytes, steps: list[int]) -> None:
    search = AnchorSearch(data, ANCHORS)
    pattern = re.compile(b"|".join(map(re.escape, ANCHORS)))
    start = 0
    for step in steps:
        start += step
        match = pattern.search(data, start)
        assert search.find(start) == (match.start() if match else None)
