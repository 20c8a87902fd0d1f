from collections.abc import Callable
from dataclasses import replace

import pytest

from esperctl.viewer.layout import lay_out
from esperctl.viewer.screen import Theme, draw
from esperctl.viewer.view import InspectorView, ListItem, View

MakeView = Callable[..., View]


@pytest.mark.parametrize(("columns", "rows"), [(100, 30), (160, 50), (200, 60)])
def test_it_is_a_panel_beside_the_log_on_wide_terminals(
    make_view: MakeView, inspector: InspectorView, columns: int, rows: int
) -> None:
    lines = draw(make_view(columns, rows, inspector=inspector), Theme()).lines()
    panel = lay_out(columns, rows, with_panel=True, bars=0).panel
    assert panel is not None
    assert all(line[panel.left] == "│" for line in lines[1:-2])
    assert lines[1][panel.left :].startswith("│ Inspector  15 of 30")
    assert lines[2].startswith("08:00:01 I (1) wifi")
    assert any(line[panel.left + 1 :].startswith("▸ 08:00:11 ! panic 14") for line in lines)
    assert any("decoded 14" in line for line in lines)
    assert lines[-3][panel.left :].startswith("│ Since 3 days ago.")


def test_it_takes_the_place_of_the_log_on_narrow_terminals(make_view: MakeView, inspector: InspectorView) -> None:
    lines = draw(make_view(80, 24, inspector=inspector), Theme()).lines()
    assert lines[1] == " Inspector  15 of 30"
    assert sum(line.startswith("▸ 08:00:11 ! panic 14 at app_main  decoded 14") for line in lines) == 1
    assert not any("wifi: line" in line for line in lines)


def test_without_focus_a_narrow_terminal_shows_the_log(make_view: MakeView, inspector: InspectorView) -> None:
    view = make_view(80, 24, inspector=replace(inspector, has_focus=False))
    assert "wifi: line 0" in draw(view, Theme()).lines()[1]


@pytest.mark.parametrize("selected", [0, 1, 15, 28, 29])
@pytest.mark.parametrize(("columns", "rows"), [(30, 6), (80, 24), (100, 30), (160, 50)])
def test_the_selected_item_is_visible_and_marked(
    make_view: MakeView, inspector: InspectorView, columns: int, rows: int, selected: int
) -> None:
    view = make_view(columns, rows, inspector=replace(inspector, selected=selected))
    picture = draw(view, Theme(colour=False))
    marked = [line for line in picture.lines() if f"panic {selected} a" in line and "▸" in line]
    assert len(marked) == 1


def test_an_empty_inspector_says_so(make_view: MakeView) -> None:
    view = make_view(80, 24, inspector=InspectorView((), None, has_focus=True, note="All of the journal."))
    lines = draw(view, Theme()).lines()
    assert lines[2] == " Nothing happened so far."
    assert lines[-3] == " All of the journal."


def test_the_log_shows_no_cursor_while_the_inspector_has_the_focus(
    make_view: MakeView, inspector: InspectorView
) -> None:
    assert draw(make_view(120, 30, inspector=inspector), Theme()).cursor is None
    assert draw(make_view(120, 30, inspector=replace(inspector, has_focus=False)), Theme()).cursor == (3, 14)


def test_a_title_that_is_too_long_goes_on_in_its_second_row_where_there_is_no_detail(
    make_view: MakeView, inspector: InspectorView
) -> None:
    items = (ListItem("/dev/serial/by-id/one opened at 115200 baud", time="08:00:00"),)
    view = make_view(100, 30, inspector=replace(inspector, items=items, selected=0))
    panel = lay_out(100, 30, with_panel=True, bars=0).panel
    assert panel is not None
    rows = [line[panel.left + 1 :].strip() for line in draw(view, Theme()).lines()[2:5]]

    assert rows[0].startswith("▸ 08:00:00 •")
    assert "opened at" in " ".join(rows)
    assert not any("…" in row for row in rows[:1])
