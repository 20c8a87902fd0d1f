import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import CoredumpStarted, Event, Line, Note
from esperctl.dump_folding import DumpFolding
from esperctl.errors import UsageError
from esperctl.selection import LastLines, Matching, compile_pattern, line_text


def lines(seq: int, *texts: bytes) -> Event:
    return Event(seq, 0, "a", 1, 1, Line(b"".join(texts), len(texts)))


NOTE = Event(9, 0, "a", 1, 1, Note("x", "y"))


def test_matching_lines_come_one_by_one_with_their_positions() -> None:
    matching = Matching(compile_pattern("wifi"))
    found = matching.select(lines(5, b"wifi up\n", b"other\n", b"\x1b[31mwi\x1b[0mfi down\r\n"))
    assert [(event.seq, event.body) for event in found] == [
        (5, Line(b"wifi up\n", 1)),
        (7, Line(b"\x1b[31mwi\x1b[0mfi down\r\n", 1)),
    ]
    assert matching.matched == 2


def test_a_pattern_does_not_see_the_line_end() -> None:
    assert Matching(compile_pattern("up$")).select(lines(1, b"wifi up\r\n"))


def test_events_that_are_no_lines_never_match() -> None:
    assert Matching(compile_pattern("")).select(NOTE) == []


def test_without_a_pattern_everything_passes() -> None:
    assert Matching(None).select(NOTE) == [NOTE]


def test_a_wrong_pattern_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        compile_pattern("(")


def test_invalid_utf_8_is_searched_as_escapes() -> None:
    assert line_text(b"a\xff\r\n") == "a\\xff"


@given(st.integers(0, 8), st.lists(st.integers(1, 4), max_size=6))
def test_the_last_lines_are_exactly_so_many(count: int, batches: list[int]) -> None:
    last = LastLines(count)
    seq = 1
    for size in batches:
        last.add(lines(seq, *(b"%d\n" % (seq + index) for index in range(size))))
        seq += size
    joined = b"".join(event.body.data for event in last if isinstance(event.body, Line))
    assert joined == b"".join(b"%d\n" % number for number in range(max(seq - count, 1), seq))


def test_events_between_the_last_lines_stay() -> None:
    last = LastLines(1)
    for event in (lines(1, b"a\n"), lines(2, b"b\n"), NOTE):
        last.add(event)
    assert list(last) == [lines(2, b"b\n"), NOTE]


def test_an_event_is_found_by_what_is_printed_of_it() -> None:
    matching = Matching(compile_pattern("^second"), lambda body: ["first", "second"])

    assert matching.select(NOTE) == [NOTE]
    assert matching.select(lines(1, b"no\n")) == []
    assert matching.matched == 1


def test_base64_that_is_not_printed_is_not_found() -> None:
    matching = Matching(compile_pattern("Q"), lambda body: [], DumpFolding())
    assert matching.select(Event(1, 0, "a", 1, 1, CoredumpStarted("a-1", 1))) == []

    found = matching.select(lines(5, b"QUJD\n", b"Q: why?\n"))

    assert [event.seq for event in found] == [6]


def test_events_count_among_the_last_ones_where_they_were_looked_for() -> None:
    last = LastLines(2, counts_events=True)
    for event in (lines(1, b"a\n"), NOTE, lines(10, b"b\n"), NOTE):
        last.add(event)
    assert list(last) == [lines(10, b"b\n"), NOTE]
