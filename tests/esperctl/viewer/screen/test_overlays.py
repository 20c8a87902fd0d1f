from collections.abc import Callable

import pytest

from esperctl.viewer.dialogs import last_detail_scroll, last_help_scroll
from esperctl.viewer.screen import Theme, draw
from esperctl.viewer.style import Span
from esperctl.viewer.view import (
    ConfirmView,
    DetailSection,
    DetailView,
    FormView,
    HelpView,
    Overlay,
    PaletteView,
    PickerView,
    TextInput,
    View,
)

MakeView = Callable[..., View]
Overlays = dict[str, tuple[Overlay, str, str, str]]
NAMES = ["palette", "help", "confirm", "form", "detail", "picker", "prompt"]
SIZES = [(80, 24), (100, 30), (160, 50), (200, 60)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_an_overlay_has_its_title_its_keys_and_its_focus(
    make_view: MakeView, overlays: Overlays, name: str, columns: int, rows: int
) -> None:
    overlay, title, key, seen = overlays[name]
    lines = draw(make_view(columns, rows, overlay=overlay), Theme()).lines()
    [top] = [index for index, line in enumerate(lines) if f"┌─ {title} ─" in line]
    left, right = lines[top].index("┌"), lines[top].index("┐")
    [bottom] = [index for index, line in enumerate(lines) if line[left : left + 1] == "└"]
    assert lines[bottom][right] == "┘"
    assert f" {key} " in lines[bottom] or f" {key}" in lines[bottom]
    inside = [line[left : right + 1] for line in lines[top + 1 : bottom]]
    assert all(line[0] == "│" and line[-1] == "│" for line in inside)
    assert any(seen in line for line in inside)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("columns", "rows"), [*SIZES, (30, 6)])
def test_the_mode_is_seen_below_an_overlay(
    make_view: MakeView, overlays: Overlays, name: str, columns: int, rows: int
) -> None:
    lines = draw(make_view(columns, rows, overlay=overlays[name][0]), Theme()).lines()
    assert lines[-2].startswith(" DEVICE ")


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_terminal_shows_what_has_the_focus(make_view: MakeView, overlays: Overlays, name: str) -> None:
    overlay, title, _, seen = overlays[name]
    text = "\n".join(draw(make_view(30, 6, overlay=overlay), Theme()).lines())
    assert title in text
    assert seen in text


def test_only_what_is_typed_into_has_the_cursor(make_view: MakeView, overlays: Overlays) -> None:
    with_cursor = {name for name in NAMES if draw(make_view(80, 24, overlay=overlays[name][0]), Theme()).cursor}
    assert with_cursor == {"palette", "prompt"}


def test_no_is_marked_in_a_question_without_colours(make_view: MakeView) -> None:
    view = make_view(80, 24, overlay=ConfirmView("Reset?", "", is_yes_selected=False))
    picture = draw(view, Theme(unicode=False, colour=False))
    [row] = [index for index, line in enumerate(picture.lines()) if "> No" in line]
    reversed_text = "".join(cell.text for cell in picture.cells[row] if cell.style.reverse)
    assert reversed_text == "> No "


def test_the_answers_are_visible_however_long_the_question_is(make_view: MakeView) -> None:
    view = make_view(80, 24, overlay=ConfirmView("word " * 900, "word " * 900, is_yes_selected=True))
    lines = draw(view, Theme()).lines()
    assert any("▸ Yes" in line and "No" in line for line in lines)
    assert any("Enter as marked" in line for line in lines)


def test_errors_of_a_form_stand_below_their_field(make_view: MakeView, overlays: Overlays) -> None:
    lines = draw(make_view(80, 24, overlay=overlays["form"][0]), Theme()).lines()
    [row] = [index for index, line in enumerate(lines) if "Include" in line]
    assert "✗ unterminated character set" in lines[row + 1]


def test_a_long_form_is_scrolled_to_its_focus(make_view: MakeView) -> None:
    fields = tuple(TextInput(f"Field {number}", "", 0, is_focused=number == 37) for number in range(40))
    lines = draw(make_view(80, 24, overlay=FormView("Rules", fields, "hint")), Theme()).lines()
    assert any("Field 37" in line for line in lines)
    assert draw(make_view(80, 24, overlay=FormView("Rules", fields, "hint")), Theme()).cursor is not None


def test_help_has_two_columns_on_a_wide_terminal(make_view: MakeView, overlays: Overlays) -> None:
    help_view = overlays["help"][0]
    narrow = draw(make_view(80, 24, overlay=help_view), Theme()).lines()
    wide = draw(make_view(120, 30, overlay=help_view), Theme()).lines()
    assert not any("Group 0" in line and "Group 2" in line for line in narrow)
    assert any("Group 0" in line and "Group 2" in line for line in wide)


@pytest.mark.parametrize(("columns", "rows"), [*SIZES, (30, 6)])
def test_scrolling_ends_with_the_last_line(make_view: MakeView, columns: int, rows: int) -> None:
    groups = (("Keys", tuple((f"k{number}", "a word " * 8) for number in range(90))),)
    last = last_help_scroll(HelpView(groups, 0), columns, rows)
    at_end = draw(make_view(columns, rows, overlay=HelpView(groups, last)), Theme()).lines()
    beyond = draw(make_view(columns, rows, overlay=HelpView(groups, last + 99)), Theme()).lines()
    before = draw(make_view(columns, rows, overlay=HelpView(groups, last - 1)), Theme()).lines()
    assert at_end == beyond != before


@pytest.mark.parametrize(("columns", "rows"), [*SIZES, (30, 6)])
def test_a_detail_can_be_scrolled_to_its_last_line(make_view: MakeView, columns: int, rows: int) -> None:
    lines = tuple((Span(f"frame {number} " + "x" * 70),) for number in range(100))
    detail = DetailView("Dump", "failed", "error", (DetailSection("Frames", lines),), 0, ())
    last = last_detail_scroll(detail, columns, rows)
    sections = detail.sections
    seen = draw(make_view(columns, rows, overlay=DetailView("Dump", "failed", "error", sections, last, ())), Theme())
    before = draw(
        make_view(columns, rows, overlay=DetailView("Dump", "failed", "error", sections, last - 1, ())), Theme()
    )
    assert any("frame 99" in line or "xxx" in line for line in seen.lines())
    assert seen.lines() != before.lines()


def test_the_palette_stands_still_while_it_is_filtered(make_view: MakeView, overlays: Overlays) -> None:
    palette = overlays["palette"][0]
    assert isinstance(palette, PaletteView)
    full = draw(make_view(80, 24, overlay=palette), Theme()).lines()
    none = draw(make_view(80, 24, overlay=PaletteView(palette.query, (), None)), Theme()).lines()
    assert [line for line in full if "┌" in line or "└" in line] == [
        line for line in none if "┌" in line or "└" in line
    ]
    assert any("No command has this name." in line for line in none)


def test_a_picker_without_boards_says_what_to_do(make_view: MakeView) -> None:
    view = make_view(80, 24, overlay=PickerView((), None, "No board runs. Start one with: esperd --port /dev/ttyUSB0"))
    assert any("No board runs." in line for line in draw(view, Theme()).lines())
