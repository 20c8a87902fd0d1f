"""A line that is typed, scrolled sideways so that its cursor is visible."""

from esperctl.viewer.cells import graphemes, width_of
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import BOLD, DIM, UNDERLINE
from esperctl.viewer.style import PLAIN
from esperctl.viewer.view import TextInput


def draw_field(region: Region, row: int, column: int, end: int, field: TextInput) -> None:
    """Draws the text (not the label) from *column* to before *end*, and sets the cursor when it has the focus."""
    end = min(end, region.columns)
    columns = end - column
    if columns <= 0:
        return
    cursor = min(max(field.cursor, 0), len(field.text))
    before, after = field.text[:cursor], field.text[cursor:]
    before, is_cut = _end_of(before, columns - 1)
    at = column + width_of(before)
    style = BOLD if field.is_focused else PLAIN
    region.put(row, column, before, style, end=end)
    stop = region.put(row, at, after, style, end=end)
    if not field.is_focused:
        region.put(row, stop, " " * (end - stop), UNDERLINE, end=end)
    if is_cut:
        region.put(row, column, region.glyphs.cut_left, DIM)
    if field.is_focused:
        region.set_cursor(row, at)


def _end_of(text: str, columns: int) -> tuple[str, bool]:
    """The end of *text* that fits, and whether it is less than all."""
    if width_of(text) <= columns:
        return text, False
    kept: list[str] = []
    for grapheme, width in reversed(list(graphemes(text))):
        columns -= width
        if columns < 0:
            break
        kept.append(grapheme)
    return "".join(reversed(kept)), True
