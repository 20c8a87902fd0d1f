"""What happened: the panel beside the log, or in its place on narrow terminals."""

from typing import Final

from esperctl.viewer.cells import fit, wrap
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.item_list import ListLook, draw_list
from esperctl.viewer.screen.theme import BOLD, DIM, REVERSE
from esperctl.viewer.view import InspectorView

# Below this width an item has a second row for its detail.
_ONE_ROW_FROM_COLUMNS: Final = 64
_TWO_ROWS_FROM_ROWS: Final = 12
_NOTE_MOST_ROWS: Final = 2


def draw_inspector(region: Region, inspector: InspectorView, *, is_panel: bool) -> None:
    """Draws heading, items and note; a panel has a line at its left."""
    if is_panel:
        for row in range(region.rows):
            region.put(row, 0, region.glyphs.vertical, DIM)
        region = region.part(1, 0, region.columns - 1, region.rows)
    _draw_heading(region, inspector)
    note = wrap(inspector.note, region.columns - 2)[:_NOTE_MOST_ROWS] if inspector.note and region.rows > 4 else []
    inside = region.part(0, 1, region.columns, region.rows - 1 - len(note))
    is_tall = inside.columns < _ONE_ROW_FROM_COLUMNS and inside.rows >= _TWO_ROWS_FROM_ROWS
    if inspector.items:
        look = ListLook(has_focus=inspector.has_focus, rows_of_item=2 if is_tall else 1)
        draw_list(inside, inspector.items, inspector.selected, look)
    else:
        inside.put(0, 1, fit("Nothing happened so far.", inside.columns - 2, region.glyphs.ellipsis), DIM)
    for index, line in enumerate(note):
        region.put(region.rows - len(note) + index, 1, line, DIM)


def _draw_heading(region: Region, inspector: InspectorView) -> None:
    heading = " Inspector"
    if inspector.items:
        place = f"{inspector.selected + 1} of " if inspector.selected is not None else ""
        heading += f"  {place}{len(inspector.items)}"
    style = REVERSE if inspector.has_focus else BOLD
    region.put(0, 0, " " * region.columns, style)
    region.put(0, 0, fit(heading, region.columns, region.glyphs.ellipsis), style)
