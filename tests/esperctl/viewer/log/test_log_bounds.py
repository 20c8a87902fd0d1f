from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import CoredumpStarted, Line, Note, Panic
from esperctl.viewer.log.highlighting import HighlightRule, SearchPattern
from esperctl.viewer.log.line_filter import LineFilter

if TYPE_CHECKING:
    from tests.esperctl.viewer.log.conftest import WatchBoard, Watched

ALL = 1 << 60


def numbered(first: int, count: int) -> Line:
    return Line(b"".join(b"%d\n" % number for number in range(first, first + count)), count)


def held_lines(board: Watched) -> int:
    return board.log.text_of(1, ALL).count("\n")


def test_a_place_far_above_is_kept_while_the_board_floods(watch: WatchBoard) -> None:
    board = watch(rows=5)
    board.happen(*(numbered(first, 100) for first in range(1, 2001, 100)))
    board.log.scroll(-100)
    for first in range(2001, 62_001, 100):
        board.happen(numbered(first, 100))
        board.read()
    assert board.screen == [str(number) for number in range(1896, 1901)]
    assert board.log.new_lines == 60_000
    assert held_lines(board) <= 22_000
    board.log.scroll(5)
    board.read()
    assert board.screen[0] == "1901"
    board.log.follow()
    board.read()
    assert board.screen[-1] == "62000"


def test_the_whole_journal_can_be_scrolled_through_both_ways_in_bounded_memory(watch: WatchBoard) -> None:
    board = watch(rows=50, page_lines=2000)
    for first in range(1, 45_001, 1000):
        board.record(numbered(first, 1000))
    board.attach()
    bottom = 45_000
    while board.log.view().above:
        assert board.screen[-1] == str(bottom)
        board.log.scroll(-45)
        board.read()
        bottom = max(bottom - 45, 50)
    assert board.screen[0] == "1"
    assert held_lines(board) <= 24_000
    top = 1
    while not board.log.is_following:
        assert board.screen[0] == str(top)
        board.log.scroll(49)
        board.read()
        top = min(top + 49, 44_951)
    assert board.screen[-1] == "45000"
    assert held_lines(board) <= 24_000


def test_long_lines_fill_fewer_items_and_do_not_ask_without_end(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=50, page_lines=200)
    board.log.set_wrap(False)
    for number in range(600):
        board.record(Line(b"%d " % number + b"x" * 64_000 + b"\n", 1))
    board.attach()
    for _ in range(12):
        board.log.scroll(-40)
        board.read()
    assert board.screen[0].startswith("70 xxx")
    assert len(board.log.text_of(1, ALL)) < 12 * 1024 * 1024


def test_what_a_sparse_filter_drops_comes_back_with_the_filter_gone(watch: WatchBoard) -> None:
    board = watch(rows=5)
    board.log.set_filter(LineFilter.parse(include="00$"))
    for first in range(1, 60_001, 100):
        board.happen(numbered(first, 100))
    assert board.screen[-2:] == ["59900", "60000"]
    assert board.log.text_of(1, ALL).startswith("1\n100\n200\n")
    board.log.set_filter(None)
    board.read()
    assert board.screen == [str(number) for number in range(59_996, 60_001)]
    board.log.set_filter(LineFilter.parse(include="00$"))
    board.say("60001\n")
    assert board.screen[-1] == "60000"


def test_a_board_that_never_ends_its_line_makes_no_endless_line(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=5)
    for _ in range(1000):
        board.say("x" * 100, "fragment")
    assert max(len(line) for line in board.log.text_of(1, ALL).splitlines()) < 10_000
    assert "".join(board.log.text_of(1, ALL).split()) == "x" * 100_000


def test_a_huge_dump_that_is_arriving_takes_bounded_memory(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=5)
    board.say("before\n")
    board.happen(CoredumpStarted("a-1", 1))
    for _ in range(600):
        board.happen(Line(b"QUJD\n" * 100, 100))
    assert board.screen == ["before", "[+] core dump a-1: 60000 lines of base64 folded"]
    assert held_lines(board) <= 22_000
    board.log.set_dumps_folded(False)
    board.read()
    assert board.screen == ["QUJD"] * 5


def test_events_in_the_middle_of_a_flood_stay_in_place(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=3)
    for first in range(1, 100_001, 100):
        board.happen(numbered(first, 100), Note(f"after {first + 99}", "bob"))
    board.log.scroll(-101)
    assert board.screen == ["99899", "99900", "--- note by bob: after 99900 ---"]


HOSTILE = [b"x" * 65_000, b"\x1b[31mx" * 10_000, b"\b" * 8000, b"\x1b[3C" * 2000, b"\xff" * 65_000, b"a\r" * 4000]


@pytest.mark.parametrize("data", [*HOSTILE, "日e\u0301".encode() * 10_000, b"I (1) wifi: x\x1b[0m " * 400])
@pytest.mark.parametrize("wrap", [True, False])
def test_a_screen_of_long_lines_is_drawn_soon(watch: WatchBoard, data: bytes, wrap: bool) -> None:
    board = watch(columns=160, rows=50)
    board.log.set_wrap(wrap)
    board.log.set_search(SearchPattern("x"))
    board.log.set_highlights((HighlightRule("a.", "red"),))
    board.happen(*(Line(data + b"\n", 1) for _ in range(60)))
    began = time.process_time()
    first = board.log.view()
    first_s = time.process_time() - began
    assert len(first.rows) == 50
    assert board.log.view() == first
    # Generous: a slow machine must pass, and a screen that costs seconds must not.
    assert first_s < 1.5


def test_lines_and_views_are_cheap(watch: WatchBoard) -> None:
    board = watch(columns=160, rows=50)
    board.log.start(1)
    line = b"\x1b[0;32mI (123456) wifi: station connected, and some more text up to a hundred bytes\x1b[0m\r\n"
    began = time.process_time()
    for _ in range(2000):
        board.happen(Line(line * 10, 10))
        board.log.wanted()
    lines_s = time.process_time() - began
    began = time.process_time()
    for _ in range(100):
        board.log.view()
    views_s = time.process_time() - began
    # 3300 lines a second may take 5 % of a core (15 microseconds each), a view 3 ms; it is a tenth of that.
    assert lines_s / 20_000 < 15e-6
    assert views_s / 100 < 3e-3


def test_a_panic_whose_lines_went_is_still_told(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=3)
    board.happen(Panic("abort", "abort()", True, None, None, {}, [], False, None, 1, 1))
    board.log.set_filter(LineFilter.parse("*:N"))
    for first in range(1, 60_001, 100):
        board.happen(numbered(first, 100))
    assert board.screen == ["--- panic, abort: abort() ---"]
