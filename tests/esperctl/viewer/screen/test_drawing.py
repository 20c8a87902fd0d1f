import unicodedata
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st

from esperctl.viewer import view as views
from esperctl.viewer.screen import Picture, Theme, draw
from esperctl.viewer.style import Span, Style
from esperctl.viewer.view import (
    CaptureProgress,
    InspectorView,
    Mode,
    Overlay,
    SearchView,
    Severity,
    Status,
    TextInput,
    Toast,
    View,
)

MakeView = Callable[..., View]

_TEXT = st.text(max_size=40) | st.sampled_from(["", "日本語", "e\u0301" * 30, "\x1b[31m", "\ud800", "a b c " * 20])
_COUNT = st.integers(-3, 300)
_COLOUR = st.none() | st.integers(0, 15)
_SEVERITY = st.sampled_from(get_args(Severity))
_STYLE = st.builds(Style, foreground=_COLOUR, background=_COLOUR, reverse=st.booleans())
_SPANS = st.lists(st.builds(Span, text=_TEXT, style=_STYLE), max_size=4).map(tuple)
_ITEMS = st.lists(
    st.builds(views.ListItem, title=_TEXT, detail=_TEXT, time=_TEXT, severity=_SEVERITY), max_size=30
).map(tuple)
_INDEX = st.none() | _COUNT
_INPUT = st.builds(TextInput, label=_TEXT, text=_TEXT, cursor=_COUNT, is_focused=st.booleans(), error=st.none() | _TEXT)
_ROW = st.builds(
    views.Row,
    spans=_SPANS,
    time=_TEXT,
    is_match=st.booleans(),
    cut_left=st.booleans(),
    cut_right=st.booleans(),
)
_LOG = st.builds(
    views.LogView,
    rows=st.lists(_ROW, max_size=70).map(tuple),
    time_width=st.integers(0, 60),
    above=st.booleans(),
    below=st.booleans(),
    cursor=st.none() | st.tuples(_COUNT, _COUNT),
    note=st.none() | _TEXT,
)
_SEGMENT = st.builds(views.Segment, name=_TEXT, value=_TEXT, short=_TEXT, weight=_COUNT, severity=_SEVERITY)
_STATUS = st.builds(
    Status, mode=st.sampled_from(get_args(Mode)), segments=st.lists(_SEGMENT, max_size=8).map(tuple), hint=_TEXT
)
_PAIRS = st.lists(st.tuples(_TEXT, _TEXT), max_size=20).map(tuple)
_BOX = st.builds(views.CheckBox, label=_TEXT, is_checked=st.booleans(), is_focused=st.booleans())
_SECTION = st.builds(views.DetailSection, title=_TEXT, lines=st.lists(_SPANS, max_size=40).map(tuple))
_OVERLAY: st.SearchStrategy[Overlay] = st.one_of(
    _INPUT,
    st.builds(views.PaletteView, query=_INPUT, items=_ITEMS, selected=_INDEX),
    st.builds(views.HelpView, groups=st.lists(st.tuples(_TEXT, _PAIRS), max_size=6).map(tuple), scroll=_COUNT),
    st.builds(views.ConfirmView, question=_TEXT, detail=_TEXT, is_yes_selected=st.booleans()),
    st.builds(views.FormView, title=_TEXT, fields=st.lists(_INPUT | _BOX, max_size=20).map(tuple), hint=_TEXT),
    st.builds(
        views.DetailView,
        title=_TEXT,
        state=_TEXT,
        severity=_SEVERITY,
        sections=st.lists(_SECTION, max_size=4).map(tuple),
        scroll=_COUNT,
        keys=_PAIRS,
    ),
    st.builds(views.PickerView, items=_ITEMS, selected=_INDEX, note=_TEXT),
)
_VIEW = st.builds(
    View,
    columns=st.integers(1, 210),
    rows=st.integers(1, 65),
    title=st.none()
    | st.builds(
        views.Title,
        board=_TEXT,
        port=_TEXT,
        baud=_COUNT,
        state=_TEXT,
        is_well=st.booleans(),
        firmware=_TEXT,
        elf=_TEXT,
    ),
    log=st.none() | _LOG,
    status=st.none() | _STATUS,
    inspector=st.none() | st.builds(InspectorView, items=_ITEMS, selected=_INDEX, has_focus=st.booleans(), note=_TEXT),
    search=st.none() | st.builds(SearchView, input=_INPUT, is_regex=st.booleans(), count=_TEXT),
    input=st.none() | _INPUT,
    capture=st.none()
    | st.builds(
        CaptureProgress,
        id=_TEXT,
        decoded_bytes=_COUNT,
        total_bytes=st.none() | _COUNT,
        bytes_per_s=st.floats(0, 1e9),
        elapsed_s=st.floats(0, 1e9),
    ),
    overlay=st.none() | _OVERLAY,
    toasts=st.lists(st.builds(Toast, text=_TEXT, severity=_SEVERITY), max_size=4).map(tuple),
)


def _check(picture: Picture, view: View) -> None:
    assert (picture.columns, picture.rows) == (view.columns, view.rows)
    assert len(picture.cells) == view.rows
    for cells in picture.cells:
        assert len(cells) == view.columns
        # A wide cell and the empty one behind it come together.
        wide = [index for index, cell in enumerate(cells) if cell.width == 2]
        empty = [index for index, cell in enumerate(cells) if cell.width == 0]
        assert [index + 1 for index in wide] == empty
        characters = {character for cell in cells for character in cell.text}
        assert not {unicodedata.category(character) for character in characters} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert all(bool(cell.text) == (cell.width > 0) for cell in cells)
    if picture.cursor is not None:
        row, column = picture.cursor
        assert 0 <= row < view.rows
        assert 0 <= column < view.columns


@settings(deadline=None, max_examples=100)
@given(_VIEW, st.booleans(), st.booleans())
def test_every_view_gives_a_picture_of_exactly_its_size(view: View, unicode: bool, colour: bool) -> None:
    picture = draw(view, Theme(unicode=unicode, colour=colour))
    _check(picture, view)
    if not colour:
        styles = {cell.style for cells in picture.cells for cell in cells}
        assert all(style.foreground is None and style.background is None and not style.dim for style in styles)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (160, 50), (200, 60), (30, 6)])
def test_the_whole_terminal_is_used(make_view: MakeView, columns: int, rows: int) -> None:
    view = make_view(columns, rows)
    picture = draw(view, Theme())
    _check(picture, view)
    lines = picture.lines()
    assert lines[0].startswith(" sim-crash  ✓ connected")
    assert [f"wifi: line {number}" in lines[number + 1] for number in range(rows - 3)] == [True] * (rows - 3)
    assert lines[-2].startswith(" DEVICE ")
    assert lines[-1].startswith(" Ctrl-T")


def test_a_terminal_that_is_too_small_says_so_and_the_mode(make_view: MakeView) -> None:
    assert draw(make_view(20, 3), Theme()).lines() == ["DEVICE", "Too small: 30x6", "needed"]
    assert draw(make_view(40, 1), Theme()).lines() == ["DEVICE Too small: 30x6 needed"]
    assert draw(make_view(1, 1), Theme()).lines() == ["T"]


def test_toasts_are_boxes_at_the_top_right_the_newest_first(make_view: MakeView) -> None:
    toasts = (Toast("core dump captured", "success"), Toast("board is gone", "error"))
    lines = draw(make_view(80, 24, toasts=toasts), Theme()).lines()
    assert lines[1].endswith("┌─────────────────┐")
    assert lines[2].endswith("│ ✗ board is gone │")
    assert lines[5].endswith("│ ✓ core dump captured │")
    assert lines[-2].startswith(" DEVICE ")


def test_a_long_toast_is_wrapped_and_its_end_is_not_hidden_silently(make_view: MakeView) -> None:
    lines = draw(make_view(80, 24, toasts=(Toast("word " * 100, "info"),)), Theme()).lines()
    boxed = [line for line in lines if "│" in line]
    assert len(boxed) == 3
    assert boxed[-1].rstrip("│ ").endswith("…")
