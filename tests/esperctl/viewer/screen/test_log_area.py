from collections.abc import Callable

from esperctl.viewer.screen import Theme, draw
from esperctl.viewer.style import Span
from esperctl.viewer.view import LogView, Row, View

MakeView = Callable[..., View]


def _log(*rows: Row, time_width: int = 0, note: str | None = None, below: bool = False) -> LogView:
    return LogView(rows, time_width, above=False, below=below, note=note)


def test_texts_start_right_of_the_time_column(make_view: MakeView) -> None:
    rows = (Row((Span("first"),), "12:00:01"), Row((Span("wrapped"),)))
    lines = draw(make_view(80, 24, log=_log(*rows, time_width=8)), Theme()).lines()
    assert lines[1:3] == ["12:00:01 first", "         wrapped"]


def test_the_row_that_was_jumped_to_is_reversed_over_its_width(make_view: MakeView) -> None:
    log = _log(Row((Span("no"),)), Row((Span("yes"),), is_match=True))
    picture = draw(make_view(80, 24, log=log), Theme(colour=False))
    assert not any(cell.style.reverse for cell in picture.cells[1])
    assert all(cell.style.reverse for cell in picture.cells[2])


def test_cut_rows_say_so_at_their_edges(make_view: MakeView) -> None:
    log = _log(Row((Span("x" * 40),), "t", cut_left=True, cut_right=True), time_width=1)
    assert draw(make_view(40, 24, log=log), Theme()).lines()[1] == "t ◂" + "x" * 36 + "▸"


def test_more_above_and_below_is_shown(make_view: MakeView) -> None:
    lines = draw(make_view(80, 24), Theme()).lines()
    assert lines[1].endswith("▲")
    log = _log(*(Row((Span("x"),)) for _ in range(21)), below=True)
    assert draw(make_view(80, 24, log=log), Theme()).lines()[21].endswith("▼")


def test_a_note_stands_where_rows_are_missing(make_view: MakeView) -> None:
    empty = draw(make_view(80, 24, log=_log(note="fetching…")), Theme()).lines()
    assert empty[11].strip() == "fetching…"
    some = draw(make_view(80, 24, log=_log(Row((Span("x"),)), note="no more")), Theme()).lines()
    assert some[1:3] == ["x", " " * 36 + "no more"]


def test_the_cursor_is_where_typed_text_appears(make_view: MakeView) -> None:
    assert draw(make_view(80, 24), Theme()).cursor == (3, 14)


def test_rows_that_are_too_wide_do_not_reach_the_panel(make_view: MakeView, inspector: object) -> None:
    log = _log(Row((Span("日" * 200),)))
    lines = draw(make_view(100, 30, log=log, inspector=inspector), Theme()).lines()
    assert lines[1].startswith("日" * 33)
    assert lines[1][33] == " " or lines[1][33] == "│"
