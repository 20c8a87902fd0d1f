"""A box above everything else: a frame with a title in its upper edge and the keys in its lower one."""

from collections.abc import Sequence

from esperctl.viewer.cells import fit, width_of
from esperctl.viewer.layout import FRAME_COLUMNS, FRAME_ROWS
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import BOLD
from esperctl.viewer.style import PLAIN, Style


def draw_box(region: Region, columns: int, rows: int, title: str, keys: Sequence[tuple[str, str]]) -> Region:
    """Draws a box in the middle of *region*.

    Args:
        region: What it is drawn above.
        columns: Of its inside, if there is room.
        rows: Of its inside, if there is room.
        title: What it is.
        keys: What can be pressed and what that does; as many as fit are shown.

    Returns:
        The inside.
    """
    columns = min(columns + FRAME_COLUMNS, region.columns)
    rows = min(rows + FRAME_ROWS, region.rows)
    left, top = (region.columns - columns) // 2, (region.rows - rows) // 2
    box = region.part(left, top, columns, rows)
    draw_frame(box, PLAIN)
    shown = fit(f" {title} ", columns - 4, region.glyphs.ellipsis)
    box.put(0, 2, shown, BOLD, end=columns - 1)
    _draw_keys(box, keys)
    return box.part(2, 1, columns - FRAME_COLUMNS, rows - FRAME_ROWS)


def draw_frame(box: Region, style: Style) -> None:
    """Blanks *box* and draws a frame along its edge."""
    box.fill()
    glyphs = box.glyphs
    inner = box.columns - 2
    box.put(0, 0, f"{glyphs.top_left}{glyphs.horizontal * inner}{glyphs.top_right}", style)
    for row in range(1, box.rows - 1):
        box.put(row, 0, glyphs.vertical, style)
        box.put(row, box.columns - 1, glyphs.vertical, style)
    bottom = f"{glyphs.bottom_left}{glyphs.horizontal * inner}{glyphs.bottom_right}"
    box.put(box.rows - 1, 0, bottom, style)


def _draw_keys(box: Region, keys: Sequence[tuple[str, str]]) -> None:
    column = 2
    for key, what in keys:
        text = f" {key} {what} "
        if column + width_of(text) > box.columns - 2:
            return
        box.put(box.rows - 1, column, f" {key} ", BOLD)
        box.put(box.rows - 1, column + width_of(key) + 2, f"{what} ")
        column += width_of(text) + 1
