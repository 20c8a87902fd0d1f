"""The palette: every action by name."""

from typing import Final

from esperctl.viewer.layout import FRAME_ROWS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.item_list import ListLook, draw_list
from esperctl.viewer.screen.text_field import draw_field
from esperctl.viewer.screen.theme import BOLD, DIM
from esperctl.viewer.view import PaletteView

_MOST_COLUMNS: Final = 76
_MOST_ROWS: Final = 40
_KEYS: Final = (("Enter", "runs it"), ("Up Down", "select"), ("Esc", "closes"))


def draw_palette(region: Region, palette: PaletteView) -> None:
    """Draws it as large as the terminal allows, however few actions are left, so that it stands still."""
    rows = min(region.rows - FRAME_ROWS, _MOST_ROWS)
    inside = draw_box(region, min(region.columns - 4, _MOST_COLUMNS), rows, "Commands", _KEYS)
    label = f"{palette.query.label} " if palette.query.label else f"{region.glyphs.pointer} "
    column = inside.put(0, 0, label, BOLD, end=inside.columns // 2)
    draw_field(inside, 0, column, inside.columns, palette.query)
    top = 2 if inside.rows >= 6 else 1
    rest = inside.part(0, top, inside.columns, inside.rows - top)
    if palette.items:
        draw_list(rest, palette.items, palette.selected, ListLook(detail_right=True, with_signs=False))
    else:
        rest.put(0, 2, "No command has this name.", DIM)
