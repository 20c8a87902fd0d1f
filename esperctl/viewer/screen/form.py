"""Fields to fill in."""

from typing import Final

from esperctl.viewer.cells import fit, width_of, wrap
from esperctl.viewer.layout import FRAME_COLUMNS, FRAME_ROWS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region, StyleChange
from esperctl.viewer.screen.text_field import draw_field
from esperctl.viewer.screen.theme import BOLD, DIM, severity_style
from esperctl.viewer.style import PLAIN
from esperctl.viewer.view import CheckBox, FormView, TextInput

_KEYS: Final = (("Enter", "applies"), ("Tab", "next field"), ("Esc", "cancels"))
_BOX_KEYS: Final = (("Space", "ticks a box"),)
_MOST_COLUMNS: Final = 90
_FOCUSED: Final = StyleChange(reverse=True)


def draw_form(region: Region, form: FormView) -> None:
    """Draws the fields one below another, their errors below them, and the hint; the focused field is visible."""
    columns = min(_MOST_COLUMNS, region.columns - FRAME_COLUMNS)
    hint = wrap(form.hint, columns) if form.hint else []
    rows_of = [2 if isinstance(field, TextInput) and field.error else 1 for field in form.fields]
    keys = _KEYS + (_BOX_KEYS if any(isinstance(field, CheckBox) for field in form.fields) else ())
    wanted = sum(rows_of) + (len(hint) + 1 if hint else 0)
    inside = draw_box(region, columns, min(wanted, region.rows - FRAME_ROWS), form.title, keys)
    if sum(rows_of) + len(hint) + 1 > inside.rows:
        hint = hint[: max(inside.rows - sum(rows_of), 0)]
    for index, line in enumerate(hint):
        inside.put(inside.rows - len(hint) + index, 0, line, DIM)
    _draw_fields(inside.part(0, 0, inside.columns, inside.rows - len(hint)), form, rows_of)


def _draw_fields(region: Region, form: FormView, rows_of: list[int]) -> None:
    labels = [width_of(field.label) for field in form.fields if isinstance(field, TextInput)]
    label_columns = min(max(labels, default=0), region.columns // 2)
    # A row of the focused field is visible, with its error.
    focused = next((index for index, field in enumerate(form.fields) if field.is_focused), 0)
    first = max(0, sum(rows_of[: focused + 1]) - region.rows)
    row = -first
    for field, rows in zip(form.fields, rows_of, strict=True):
        if isinstance(field, CheckBox):
            _draw_check_box(region, row, field)
        else:
            _draw_text(region, row, field, label_columns)
        row += rows
    if first > 0:
        region.put(0, region.columns - 1, region.glyphs.up, BOLD)
    if row > region.rows:
        region.put(region.rows - 1, region.columns - 1, region.glyphs.down, BOLD)


def _draw_check_box(region: Region, row: int, field: CheckBox) -> None:
    text = fit(f"[{'x' if field.is_checked else ' '}] {field.label}", region.columns - 2, region.glyphs.ellipsis)
    end = region.put(row, 0, text)
    if field.is_focused:
        region.change(row, 0, end, _FOCUSED)


def _draw_text(region: Region, row: int, field: TextInput, label_columns: int) -> None:
    style = BOLD if field.is_focused else PLAIN
    region.put(row, 0, fit(field.label, label_columns, region.glyphs.ellipsis), style)
    start = label_columns + 2
    if 0 <= row < region.rows:
        draw_field(region, row, start, region.columns - 2, field)
    if field.error:
        text = fit(f"{region.glyphs.signs['error']} {field.error}", region.columns - 4, region.glyphs.ellipsis)
        region.put(row + 1, 2, text, severity_style("error"))
