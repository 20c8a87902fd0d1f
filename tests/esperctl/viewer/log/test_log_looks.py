from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import Boot, Line, Note
from esperctl.viewer.log.highlighting import HighlightRule, SearchPattern
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.style import Style

if TYPE_CHECKING:
    from tests.esperctl.viewer.log.conftest import WatchBoard

LINES = (
    "E (1) wifi: lost\nI (2) wifi: up\n\x1b[0;36mD (3) wifi: scan\x1b[0m\nW (4) http: slow\nI (5) http: 200\nno level\n"
)


@pytest.mark.parametrize(
    ("levels", "include", "exclude", "expected"),
    [
        ("", "", "", [1, 2, 3, 4, 5, 6]),
        ("*:W", "", "", [1, 4, 6]),
        ("*:W wifi:D", "", "", [1, 2, 3, 4, 6]),
        ("wifi", "", "", [1, 2, 3]),
        ("*:N http:I", "", "", [4, 5]),
        ("*:v, wifi:e", "", "", [1, 4, 5, 6]),
        ("", "l.st|200$", "", [1, 5]),
        ("", "", "wifi|level", [4, 5]),
        ("*:I", "wifi", "lost", [2]),
        ("", "^D ", "", [3]),
    ],
)
def test_a_filter_leaves_lines(watch: WatchBoard, levels: str, include: str, exclude: str, expected: list[int]) -> None:
    board = watch(rows=9)
    board.log.set_filter(LineFilter.parse(levels, include=include, exclude=exclude))
    board.say(LINES)
    appended = board.screen
    plain = LINES.replace("\x1b[0;36m", "").replace("\x1b[0m", "").splitlines()
    assert appended == [plain[number - 1] for number in expected]
    board.log.set_filter(None)
    assert board.screen == plain
    board.log.set_filter(LineFilter.parse(levels, include=include, exclude=exclude))
    assert board.screen == appended


def test_what_is_not_a_line_and_the_line_that_is_typed_in_pass_every_filter(watch: WatchBoard) -> None:
    board = watch(rows=9)
    board.log.set_filter(LineFilter.parse(include="wifi"))
    board.happen(Note("a note", "bob"))
    board.say("esp> ", "fragment")
    assert board.screen == ["--- note by bob: a note ---", "esp> "]
    board.say("help\n")
    assert board.screen == ["--- note by bob: a note ---"]
    board.say("wi", "fragment")
    board.say("fi\n")
    assert board.screen[1:] == ["wifi"]


def test_a_filter_that_leaves_nothing_says_so(watch: WatchBoard) -> None:
    board = watch()
    board.say("one\n")
    board.log.set_filter(LineFilter.parse(include="two"))
    board.log.follow()
    board.read()
    assert board.log.view().note == "the filter hides all lines"


@pytest.mark.parametrize(
    ("levels", "include"), [("*:X", ""), (":W", ""), ("wifi:", ""), ("", "("), ("", "a{99999999999}")]
)
def test_a_wrong_filter_is_one_sentence(levels: str, include: str) -> None:
    with pytest.raises(ValueError, match=r"^'.*\.$"):
        LineFilter.parse(levels, include=include)


def test_a_sparse_filter_reaches_lines_far_above(watch: WatchBoard) -> None:
    board = watch(rows=5)
    for number in range(600):
        board.record(Line(f"E (1) a: {number}\n".encode() + b"I (1) a: noise\n" * 99, 100))
    board.log.set_filter(LineFilter.parse("*:E"))
    board.attach()
    assert board.screen[-1] == "E (1) a: 599"
    seen = list(reversed(board.screen))
    for _ in range(120):
        board.log.scroll(-5)
        board.read()
        seen += [row for row in reversed(board.screen) if row not in seen]
    assert seen == [f"E (1) a: {number}" for number in range(599, -1, -1)]
    board.log.set_filter(None)
    board.read()
    assert board.screen[:2] == ["E (1) a: 0", "I (1) a: noise"]


def test_highlight_rules_and_matches_are_laid_over(watch: WatchBoard) -> None:
    board = watch()
    board.log.set_highlights((HighlightRule(r"st\w+", "bold bright-red on blue"), HighlightRule("dhcp", "underline")))
    board.log.set_search(SearchPattern("WI"))
    board.say("I (1) wifi: dhcp started\n")
    [row] = board.log.view().rows
    match = Style(foreground=0, background=3, underline=True)
    assert [(span.text, span.style) for span in row.spans] == [
        ("I (1) ", Style(foreground=2)),
        ("wi", match),
        ("fi: ", Style(foreground=2)),
        ("dhcp", Style(foreground=2, underline=True)),
        (" ", Style(foreground=2)),
        ("started", Style(foreground=9, background=4, bold=True)),
    ]
    board.log.set_search(None)
    assert all(span.style != match for span in board.log.view().rows[0].spans)


@pytest.mark.parametrize(("pattern", "style"), [("(", "red"), ("a", "purple"), ("a", "")])
def test_a_wrong_rule_is_one_sentence(pattern: str, style: str) -> None:
    with pytest.raises(ValueError, match=r"^[^.]+\.$"):
        HighlightRule(pattern, style)


def test_live_lines_that_match_the_search_are_told(watch: WatchBoard) -> None:
    board = watch()
    event = board.record(Line(b"one\nt\x1b[1mw\x1b[0mo\nTWO\nthree\n", 4))
    assert board.log.matching([event]) == []
    board.log.set_search(SearchPattern("two"))
    assert board.log.matching([event]) == [2, 3]
    board.log.set_search(SearchPattern("^t.*o$", is_regex=True, ignore_case=False))
    assert board.log.matching([event]) == [2]
    board.log.set_search(SearchPattern(""))
    assert board.log.matching([event]) == []


def test_a_hostile_pattern_costs_no_more_than_the_beginning_of_a_line(watch: WatchBoard) -> None:
    board = watch()
    board.log.set_search(SearchPattern("x|"))
    board.log.set_highlights((HighlightRule(".", "red"), HighlightRule("", "red")))
    board.say("y" * 60_000 + "x\n")
    assert len(board.log.view().rows) == 5


def test_times_stand_before_the_first_row_of_each_line(watch: WatchBoard) -> None:
    board = watch(columns=22, rows=9)
    board.happen(Boot(1, "POWERON", None, 1))
    board.say("x" * 12 + "\n")
    board.log.set_timestamps("boot")
    view = board.log.view()
    assert view.time_width == 10
    assert board.times[-2:] == ["     1.000", ""]
    assert board.screen[-2:] == ["x" * 11, "x"]
    board.say("two\nthree\n")
    board.log.set_timestamps("delta")
    assert board.times[-2:] == ["    +1.000", "    +0.000"]
    board.log.set_timestamps("wall")
    assert board.log.view().time_width == len(board.times[-1]) == len("12:00:00.000")
    board.log.set_timestamps("off")
    assert board.log.view().time_width == 0
    assert set(board.times) == {""}


def test_a_boot_that_is_not_known_gives_no_time_until_it_is_learnt(watch: WatchBoard) -> None:
    board = watch(columns=40)
    boot = board.record(Boot(1, "POWERON", None, 1))
    board.log.start(board.next_seq)
    board.log.set_timestamps("boot")
    board.say("one\n")
    assert board.times == ["         ?"]
    board.log.learn([boot])
    assert board.times == ["     1.000"]
