from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import (
    Boot,
    DaemonStarted,
    Gap,
    Line,
    Note,
    SessionLost,
    SessionOpened,
    Telemetry,
    Tx,
    ViewerAttached,
)
from esperctl.viewer.style import Style

if TYPE_CHECKING:
    from tests.esperctl.viewer.log.conftest import WatchBoard


def test_the_last_lines_are_shown(watch: WatchBoard) -> None:
    board = watch(rows=3)
    board.say("one\r\ntwo\r\nthree\r\nfour\r\n")
    assert board.screen == ["two", "three", "four"]


def test_a_short_log_begins_at_the_top(watch: WatchBoard) -> None:
    board = watch(rows=5)
    board.say("one\n")
    assert board.screen == ["one"]


def test_an_empty_log_says_so(watch: WatchBoard) -> None:
    board = watch()
    board.attach()
    view = board.log.view()
    assert (view.rows, view.note, view.above, view.below) == ((), "no lines yet", False, False)


def test_lines_of_the_log_have_the_colour_of_their_level(watch: WatchBoard) -> None:
    board = watch(rows=6)
    board.say("E (1) a: x\nW (2) a: x\nI (12:00:01.123) a: x\nD (4) a: x\nno level\nW a: without time\n")
    styles = [row.spans[0].style for row in board.log.view().rows]
    colours = [Style(foreground=1), Style(foreground=3), Style(foreground=2), Style(dim=True), Style()]
    assert styles == [*colours, Style(foreground=3)]


def test_colours_of_the_board_are_kept_and_end_with_their_line(watch: WatchBoard) -> None:
    board = watch()
    board.say(b"\x1b[0;31mE (1) a: \x1b[1mx\nplain\n")
    first, second = board.log.view().rows
    assert [(span.text, span.style) for span in first.spans] == [
        ("E (1) a: ", Style(foreground=1)),
        ("x", Style(foreground=1, bold=True)),
    ]
    assert second.spans[0].style == Style()


def test_pieces_of_a_line_are_one_line(watch: WatchBoard) -> None:
    board = watch()
    board.say("I (1) a", "fragment")
    assert board.screen == ["I (1) a"]
    board.say(": b", "fragment")
    board.say("c\nnext\n")
    assert board.screen == ["I (1) a: bc", "next"]
    assert board.log.view().rows[0].spans[0].style == Style(foreground=2)


def test_split_lines_stay_apart(watch: WatchBoard) -> None:
    board = watch()
    board.happen(Line(b"abc", 1, "split"), Line(b"def\n", 1))
    assert board.screen == ["abc", "def"]


def test_an_interruption_ends_the_line(watch: WatchBoard) -> None:
    board = watch(rows=9)
    board.say("half", "fragment")
    board.happen(SessionLost("/dev/ttyUSB0", "unplugged"), SessionOpened("/dev/ttyUSB0", 115200))
    board.say("whole\n")
    assert board.screen == [
        "half",
        "--- /dev/ttyUSB0 is gone: unplugged ---",
        "--- /dev/ttyUSB0 opened at 115200 baud -",
        "--",
        "whole",
    ]


def test_events_are_told_and_bookkeeping_is_not(watch: WatchBoard) -> None:
    board = watch(columns=60, rows=9)
    board.happen(
        DaemonStarted("1.0", 5),
        ViewerAttached(1, "alice", 1),
        Telemetry(1.0, 1, 1, 1, 1, 1, 1.0, 1.0),
        Boot(1, "POWERON_RESET", None, 1),
        Gap("overrun", "the disk was slow", 7),
        Note("look\x1b[2Jhere", "bob"),
    )
    assert board.screen == [
        "--- esperd 1.0 started ---",
        "--- boot: POWERON_RESET (0x1) ---",
        "--- gap of 7 bytes (overrun): the disk was slow ---",
        "--- note by bob: look␛[2Jhere ---",
    ]


def test_what_others_type_is_shown_as_one_row_and_what_i_type_is_not(watch: WatchBoard) -> None:
    board = watch(rows=9)
    board.log.set_own_name("me")
    board.say("esp> ", "fragment")
    for character in "help\r":
        board.happen(Tx(character.encode(), "bob"))
        board.say(character, "fragment")
    board.happen(Tx(b"mine", "me"))
    board.happen(Tx(b"\r", "esperd", "prompt"))
    board.say("\nok\n")
    assert board.screen == ["esp> help", "> help (bob)", "> <Enter> (esperd, prompt)", "ok"]


def test_the_cursor_is_where_the_board_left_it(watch: WatchBoard) -> None:
    board = watch(columns=10)
    assert board.log.view().cursor is None
    board.say("one\n")
    assert board.log.view().cursor is None
    board.say("esp> ", "fragment")
    assert board.log.view().cursor == (1, 5)
    # linenoise draws its line anew, and puts the cursor behind "he".
    board.say("\resp> help\x1b[0K\r\x1b[7C", "fragment")
    assert board.screen == ["one", "esp> help"]
    assert board.log.view().cursor == (1, 7)
    board.say("\resp> hello world\x1b[0K\r\x1b[13C", "fragment")
    assert board.screen == ["one", "esp> hello", " world"]
    assert board.log.view().cursor == (2, 3)
    board.log.scroll(-1)
    board.log.set_wrap(False)
    board.log.follow()
    assert board.log.view().cursor is None


def test_rubbed_out_text_is_gone_and_questions_to_the_terminal_are_not_seen(watch: WatchBoard) -> None:
    board = watch()
    board.say(b"\x1b[5nab\b \bc\x1b[6n\n10%\r20%\r100%\nlong line\rshort\x1b[K\n")
    assert board.screen == ["ac", "100%", "short"]


def test_long_lines_wrap_or_are_cut_and_scrolled(watch: WatchBoard) -> None:
    board = watch(columns=10, rows=4)
    board.say("0123456789abcdefghijABC\nx\n")
    assert board.screen == ["0123456789", "abcdefghij", "ABC", "x"]
    board.log.set_wrap(False)
    assert board.screen == ["0123456789", "x"]
    row = board.log.view().rows[0]
    assert (row.cut_left, row.cut_right) == (False, True)
    board.log.scroll_columns(15)
    assert board.screen == ["fghijABC", ""]
    row = board.log.view().rows[0]
    assert (row.cut_left, row.cut_right) == (True, False)
    board.log.scroll_columns(-100)
    assert board.screen[0] == "0123456789"


def test_text_is_copied_without_styles_and_markers(watch: WatchBoard) -> None:
    board = watch()
    first = board.say("\x1b[31mone\x1b[0m\ntwo\n")
    board.happen(Note("x", "y"))
    last = board.say("half", "fragment")
    board.say(" whole\n")
    assert board.log.text_of(first, last) == "one\ntwo\nhalf whole\n"
    assert board.log.text_of(first + 1, first + 1) == "two\n"
