from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from esper_protocol.events import (
    Body,
    CoredumpEnded,
    CoredumpProgress,
    CoredumpStarted,
    DecodeFailed,
    Line,
    Note,
    Panic,
    Tx,
)
from esperctl.viewer.effects import FetchPage
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.messages import PageArrived

if TYPE_CHECKING:
    from tests.esperctl.viewer.log.conftest import WatchBoard, Watched


def numbered(first: int, last: int) -> str:
    return "".join(f"{number}\n" for number in range(first, last + 1))


def with_lines(watch: WatchBoard, count: int, *, rows: int = 5, page_lines: int | None = 10) -> Watched:
    """A board that said lines 1 to *count* at these positions before the viewer came."""
    board = watch(rows=rows, page_lines=page_lines)
    for first in range(1, count + 1, 7):
        last = min(first + 6, count)
        board.record(Line(numbered(first, last).encode(), last + 1 - first))
    board.attach()
    return board


def test_a_late_viewer_sees_what_was_before(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    assert board.screen == ["96", "97", "98", "99", "100"]
    board.say("101\n")
    assert board.screen == ["97", "98", "99", "100", "101"]


def test_a_page_is_asked_for_once(watch: WatchBoard) -> None:
    board = watch()
    board.record(Line(b"one\n", 1))
    board.log.start(board.next_seq)
    [request] = board.log.wanted()
    assert request == FetchPage("older", 2, 500, request.token)
    assert board.log.wanted() == []
    assert board.log.view().note == "reading the journal…"


def test_scrolling_up_stays_there_and_counts_new_lines(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    board.log.scroll(-2)
    board.say("101\n102\n")
    assert board.screen == ["94", "95", "96", "97", "98"]
    assert (board.log.is_following, board.log.new_lines) == (False, 2)
    view = board.log.view()
    assert (view.above, view.below) == (True, True)
    board.log.follow()
    assert (board.screen[-1], board.log.is_following, board.log.new_lines) == ("102", True, 0)


def test_scrolling_to_the_end_follows_again(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    board.log.scroll_pages(-3)
    board.read()
    assert board.screen[0] == str(96 - 12)
    board.log.scroll(11)
    assert not board.log.is_following
    board.log.scroll(1)
    assert board.log.is_following


def test_rows_that_are_not_in_memory_come_with_their_page(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    board.log.scroll(-40)
    assert board.log.wanted() != []
    assert board.log.view().note == "reading the journal…"
    board = with_lines(watch, 100)
    board.log.scroll(-40)
    board.read()
    assert board.screen == ["56", "57", "58", "59", "60"]
    assert board.log.view().note is None


def test_the_oldest_line_is_the_end_of_the_way_up(watch: WatchBoard) -> None:
    board = with_lines(watch, 30)
    board.log.scroll(-1000)
    board.read()
    assert board.screen[0] == "1"
    assert not board.log.view().above
    assert board.log.wanted() == []


def test_a_log_that_fits_does_not_stop_to_follow(watch: WatchBoard) -> None:
    board = with_lines(watch, 3)
    board.log.scroll_pages(-1)
    assert board.log.is_following


def test_going_to_the_oldest_line_and_back(watch: WatchBoard) -> None:
    board = with_lines(watch, 5000, page_lines=None)
    board.log.go_to_oldest()
    board.say("5001\n")
    board.read()
    assert board.screen == ["1", "2", "3", "4", "5"]
    assert board.log.new_lines == 1
    board.log.scroll_pages(3)
    assert board.screen[0] == "13"
    board.log.follow()
    board.read()
    assert board.screen[-1] == "5001"


def test_scrolling_down_from_afar_reaches_the_live_end(watch: WatchBoard) -> None:
    board = with_lines(watch, 200)
    board.log.go_to_oldest()
    board.read()
    seen: list[str] = []
    while not board.log.is_following:
        seen += board.screen
        board.log.scroll(5)
        board.read()
    seen += board.screen
    assert list(dict.fromkeys(seen)) == [str(number) for number in range(1, 201)]


def test_a_position_is_shown_at_a_third_and_marked(watch: WatchBoard) -> None:
    board = with_lines(watch, 1000, rows=9)
    board.log.go_to(500)
    assert board.log.position == 500
    board.read()
    assert board.screen == [str(number) for number in range(497, 506)]
    assert (board.marked, board.log.position) == (["500"], 500)
    board.log.go_to(503)
    assert (board.screen[3], board.marked) == ("503", ["503"])
    board.log.go_to(1)
    board.read()
    assert (board.screen[0], board.marked) == ("1", ["1"])
    board.log.go_to(1000)
    board.read()
    assert (board.screen[-1], board.marked) == ("1000", ["1000"])
    board.log.scroll_pages(-5)
    board.read()
    assert board.log.position == int(board.screen[0])


def test_a_piece_of_a_line_leads_to_the_line(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    board.say("first", "fragment")
    second = board.say(" second", "fragment")
    board.say(" third\n" + numbered(1, 50))
    board.log.go_to(second)
    assert board.marked == ["first second third"]


def test_a_line_is_shown_although_a_filter_hides_it(watch: WatchBoard) -> None:
    board = watch(rows=5)
    board.say("E (1) a: x\nD (1) a: y\nD (1) a: z\nE (1) a: w\n")
    board.log.set_filter(LineFilter.parse("*:E"))
    assert board.screen == ["E (1) a: x", "E (1) a: w"]
    board.log.go_to(2)
    assert board.screen == ["E (1) a: x", "D (1) a: y", "E (1) a: w"]
    assert board.marked == ["D (1) a: y"]
    board.log.follow()
    assert board.screen == ["E (1) a: x", "E (1) a: w"]


def test_a_folded_line_of_a_dump_is_shown_when_asked_for(watch: WatchBoard) -> None:
    board = watch(rows=9)
    board.happen(CoredumpStarted("a-1", 1))
    board.say("QUJD\nREVG\nR0hJ\n")
    board.log.go_to(3)
    assert board.screen == ["[+] core dump a-1: 3 lines of base64 fol", "ded", "REVG"]
    assert board.marked == ["REVG"]


def test_what_is_no_row_leads_to_the_next_one(watch: WatchBoard) -> None:
    board = watch(rows=9)
    board.say("one\n")
    seq = board.happen(CoredumpProgress("a-1", 1, 1, 1, None, 1.0))
    board.say("two\n")
    board.log.go_to(seq + 100)
    assert board.marked == ["two"]


def test_a_paused_screen_stands_still(watch: WatchBoard) -> None:
    board = with_lines(watch, 3)
    board.say("half", "fragment")
    board.log.pause()
    before = board.log.view()
    board.say(" whole\n" + numbered(5, 90))
    assert board.log.view() == before
    assert (board.log.is_paused, board.log.new_lines) == (True, 86)
    board.log.resume()
    assert board.screen == ["86", "87", "88", "89", "90"]
    assert (board.log.is_paused, board.log.is_following, board.log.new_lines) == (False, True, 0)


def test_a_paused_screen_can_be_scrolled_and_stays_paused(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    board.log.pause()
    board.log.scroll(-10)
    board.say("101\n")
    assert board.screen[0] == "86"
    board.log.scroll(1000)
    assert board.screen[-1] == "101"
    board.say("102\n")
    assert board.screen[-1] == "101"
    assert board.log.is_paused


def test_a_resize_keeps_the_place(watch: WatchBoard) -> None:
    board = with_lines(watch, 100)
    board.log.scroll(-50)
    board.read()
    board.log.resize(20, 8)
    assert board.screen[0] == "46"
    board.log.follow()
    board.log.resize(30, 3)
    assert board.screen == ["98", "99", "100"]


def test_pages_of_an_old_token_and_pages_that_nobody_asked_for_are_ignored(watch: WatchBoard) -> None:
    board = watch()
    board.record(Line(b"old\n", 1))
    board.log.start(board.next_seq)
    [request] = board.log.wanted()
    board.log.start(board.next_seq)
    board.answer(request)
    assert board.screen == []
    board.read()
    assert board.screen == ["old"]
    board.answer(request)
    assert board.screen == ["old"]


def test_a_page_that_failed_is_asked_for_when_the_user_moves(watch: WatchBoard) -> None:
    board = watch()
    board.record(Line(b"old\n", 1))
    board.log.start(board.next_seq)
    [request] = board.log.wanted()
    board.log.page_failed(request)
    assert board.log.wanted() == []
    assert board.log.view().note == "these lines can't be read now; scroll to try again"
    board.log.scroll(-1)
    assert len(board.log.wanted()) == 1


def test_live_lines_that_a_page_brought_already_come_once(watch: WatchBoard) -> None:
    board = with_lines(watch, 200)
    board.log.go_to_oldest()
    event = board.record(Line(b"201\n", 1))
    board.log.go_to(201)
    board.read()
    board.log.append([event])
    board.log.follow()
    board.read()
    assert board.screen[-2:] == ["200", "201"]


def test_an_empty_page_ends_the_way(watch: WatchBoard) -> None:
    board = watch()
    board.log.start(50)
    [request] = board.log.wanted()
    board.log.page_arrived(PageArrived(request, (), is_end=True))
    assert board.log.wanted() == []
    assert board.log.view().note == "no lines yet"


BODIES = st.one_of(
    st.integers(1, 4).map(lambda count: Line(b"I (1) wifi: a line\n" * count, count)),
    st.binary(min_size=1, max_size=90).map(lambda data: Line(data.replace(b"\n", b"") + b"\n", 1)),
    st.sampled_from([Line(b"esp> ", 1, "fragment"), Line(b"abc", 1, "fragment"), Line(b"d\n", 1)]),
    st.just(Line(b"QUJD\nQUJD\n", 2)),
    st.sampled_from([b"a", b"b\r"]).map(lambda data: Tx(data, "bob")),
    st.just(Note("a note", "bob")),
    st.just(Panic("abort", "abort()", True, None, None, {}, [], False, None, 1, 1)),
    st.integers(1, 30).map(lambda seq: DecodeFailed(f"panic:{seq}", "native", "no ELF", 1)),
)


def dump(bodies: list[Body], number: int) -> list[Body]:
    """What happened while a dump came."""
    name = f"a-{number}"
    ended = CoredumpEnded(name, "captured", "end_marker", 1, 1, 0, 1, 1, "ok", 1, 1, "/x")
    return [CoredumpStarted(name, 1), *bodies, CoredumpProgress(name, 1, 1, 1, 9, 1.0), Line(b"QUJD\n", 1), ended]


JOURNALS = st.lists(
    st.one_of(
        st.lists(BODIES, min_size=1, max_size=8),
        st.tuples(st.lists(BODIES, max_size=6), st.integers(1, 9)).map(lambda made: dump(*made)),
    ),
    min_size=1,
    max_size=8,
).map(lambda parts: [Note("first", "bob"), *(body for part in parts for body in part)])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JOURNALS, st.integers(1, 9), st.integers(1, 12), st.booleans())
def test_scrolling_up_shows_what_one_large_window_shows(
    watch: WatchBoard, journal: list[Body], page_lines: int, step: int, only_wifi: bool
) -> None:
    line_filter = LineFilter.parse("wifi") if only_wifi else None
    whole = watch(columns=30, rows=1000)
    whole.log.set_filter(line_filter)
    whole.happen(*journal)
    board = watch(columns=30, rows=7, page_lines=page_lines)
    board.log.set_filter(line_filter)
    for body in journal:
        board.record(body)
    board.attach()
    for _ in range(1000):
        board.log.scroll(-step)
        board.read()
        if not board.log.view().above:
            break
    top = board.screen
    assert top == whole.screen[: len(top)]
    rows = list(top)
    while not board.log.is_following:
        board.log.scroll(1)
        board.read()
        rows.append(board.screen[-1])
    assert rows[: len(whole.screen)] == whole.screen


@pytest.mark.slow
def test_memory_is_flat_over_a_million_lines(watch: WatchBoard) -> None:
    board = watch(columns=100, rows=50)
    board.log.start(1)
    block = b"I (123456) wifi: a line of the usual length, with some numbers 12345\r\n" * 100
    for first in range(1, 1_000_001, 100):
        board.journal.clear()
        board.next_seq = first
        board.happen(Line(block, 100))
        if first % 100_000 == 1:
            board.log.scroll(-200)
            board.log.view()
            board.log.follow()
        if first % 50_000 == 1:
            assert board.log.text_of(1, 1 << 60).count("\n") <= 21_000
    assert board.log.text_of(1, 1 << 60).count("\n") <= 21_000
