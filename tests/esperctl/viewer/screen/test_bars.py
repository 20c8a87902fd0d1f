from collections.abc import Callable
from dataclasses import replace

import pytest

from esperctl.viewer.screen import Theme, draw
from esperctl.viewer.view import CaptureProgress, Mode, SearchView, Status, TextInput, Title, View

MakeView = Callable[..., View]
MODES: tuple[Mode, ...] = ("DEVICE", "HOST", "CAPTURE", "NO-PORT", "READ-ONLY")


def _lines(view: View, theme: Theme | None = None) -> list[str]:
    return draw(view, theme or Theme()).lines()


def test_the_title_says_board_state_port_firmware_and_elf(make_view: MakeView) -> None:
    title = _lines(make_view(80, 24))[0]
    assert title == " sim-crash  ✓ connected      /dev/ttyUSB0 @ 115200 · blink 1.2.3 · elf 1a2b3c4d"


def test_a_narrow_title_keeps_board_and_state(make_view: MakeView) -> None:
    assert _lines(make_view(30, 6))[0] == " sim-crash  ✓ connected"
    long = Title("a-board-with-a-very-long-name-indeed", "", 0, "absent", False, "", "")
    assert _lines(make_view(30, 6, title=long))[0] == " a-board-with-a-ve…  ✗ absent"


def test_the_title_is_a_bar_over_the_whole_width(make_view: MakeView) -> None:
    assert all(cell.style.reverse for cell in draw(make_view(80, 24), Theme(colour=False)).cells[0])


def test_the_status_line_says_mode_and_segments(make_view: MakeView) -> None:
    status, hint = _lines(make_view(80, 24))[-2:]
    assert status == " DEVICE   filter *:W wifi:D  follow  writer alice@workstation  12 new lines"
    assert hint == " Ctrl-T commands, Ctrl-T h help, Ctrl-] leaves; everything else goes on"


def test_segments_are_shortened_from_the_lightest_on_then_left_out(make_view: MakeView) -> None:
    assert _lines(make_view(70, 24))[-2] == " DEVICE   *:W wifi:D  follow  writer alice@workstation  12 new lines"
    assert _lines(make_view(60, 24))[-2] == " DEVICE   *:W wifi:D  follow  alice  12 new lines"
    assert _lines(make_view(30, 6))[-2] == " DEVICE   follow  alice  +12"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("columns", [30, 33, 40, 57, 80, 200])
def test_the_mode_is_always_there_and_no_word_is_cut(make_view: MakeView, mode: Mode, columns: int) -> None:
    status = make_view(columns, 24).status
    assert status is not None
    line, hint = _lines(make_view(columns, 24, status=replace(status, mode=mode)))[-2:]
    assert line.startswith(f" {mode} ") or line == f" {mode}"
    words = {word for segment in status.segments for word in f"{segment.name} {segment.value} {segment.short}".split()}
    assert set(line.split()) <= words | {mode}
    assert set(hint.split()) <= {*status.hint.split(), "…"}


def test_a_hint_loses_whole_parts(make_view: MakeView) -> None:
    view = make_view(40, 24, status=Status("HOST", (), "Esc back to the board  r reset  h help and more"))
    assert _lines(view)[-1] == " Esc back to the board  r reset  …"


def test_the_progress_of_a_capture_has_bytes_total_rate_and_time(make_view: MakeView) -> None:
    progress = CaptureProgress("20260101-120000", 12_600, 65_536, 4200.0, 3.2)
    capture = Status("CAPTURE", (), "")
    wide = _lines(make_view(160, 50, capture=progress, status=capture))[-3]
    assert wide.endswith("  20260101-120000  12.3 KiB of 64.0 KiB  19 %  4.1 KiB/s  3 s  — Ctrl-C aborts"[1:])
    assert wide.startswith(" " + "█" * 7 + "░" * 33)
    narrow = _lines(make_view(80, 24, capture=progress, status=capture))[-3]
    assert narrow.endswith(" 12.3 KiB of 64.0 KiB  19 %  4.1 KiB/s  3 s  — Ctrl-C aborts")
    assert "█" in narrow
    host = _lines(make_view(80, 24, capture=progress))[-3]
    assert "Ctrl-C" not in host
    assert "12.3 KiB of 64.0 KiB  19 %" in _lines(make_view(30, 6, capture=progress))[-3]


def test_a_capture_of_unknown_size_has_no_percentage(make_view: MakeView) -> None:
    line = _lines(make_view(80, 24, capture=CaptureProgress("7", 12_600, None, 4200.0, 3.2)))[-3]
    assert line == " 7  12.3 KiB  4.1 KiB/s  3 s"


def test_the_search_bar_has_pattern_kind_and_count(make_view: MakeView) -> None:
    search = SearchView(TextInput("/", "wifi", 4, is_focused=True), is_regex=True, count="match 3/17")
    picture = draw(make_view(80, 24, search=search), Theme())
    line = picture.lines()[-3]
    assert line.startswith(" / wifi ")
    assert line.endswith(" │ regex  match 3/17")
    assert picture.cursor == (21, 7)


def test_a_bad_pattern_is_told_in_the_search_bar(make_view: MakeView) -> None:
    search = SearchView(TextInput("/", "[", 1, is_focused=True, error="unterminated set"), is_regex=True, count="")
    assert _lines(make_view(80, 24, search=search))[-3].endswith("│ ✗ unterminated set")


@pytest.mark.parametrize(("cursor", "shown"), [(0, "> abcdefghij"), (26, ">"), (13, ">")])
def test_a_long_line_is_scrolled_to_its_cursor(make_view: MakeView, cursor: int, shown: str) -> None:
    text = "abcdefghijklmnopqrstuvwxyz" * 3
    typed = TextInput(">", text, cursor * 3, is_focused=True)
    picture = draw(make_view(40, 10, input=typed), Theme())
    assert picture.lines()[-3].startswith(shown)
    assert picture.cursor is not None
    row, column = picture.cursor
    assert row == 7
    under = picture.cells[row][column].text
    assert under == (text + " ")[cursor * 3]


def test_bars_stand_in_the_order_of_the_layout(make_view: MakeView) -> None:
    view = make_view(
        80,
        24,
        capture=CaptureProgress("7", 1, None, 1.0, 1.0),
        search=SearchView(TextInput("/", "x", 1, is_focused=False), is_regex=False, count="1/1"),
        input=TextInput("line:", "reboot", 6, is_focused=True),
    )
    capture, search, line = _lines(view)[-5:-2]
    assert capture.startswith(" 7 ")
    assert search.startswith(" / x")
    assert line == "line: reboot"


def test_ascii_has_the_same_figures(make_view: MakeView) -> None:
    view = make_view(100, 30, capture=CaptureProgress("7", 50, 100, 1.0, 1.0), status=Status("CAPTURE", (), "a — b"))
    lines = _lines(view, Theme(unicode=False))
    assert all(line.isascii() for line in lines)
    assert "####...." in lines[-3]
    assert lines[-1] == " a - b"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 50)])
def test_the_count_is_whole_at_the_right_edge_however_large_it_is(make_view: MakeView, size: tuple[int, int]) -> None:
    count = "match 124500/124500, older ones are not listed"
    search = SearchView(TextInput("Search", "x" * 200, 200, is_focused=True), is_regex=True, count=count)

    assert _lines(make_view(*size, search=search))[-3].endswith(f" │ regex  {count}")
