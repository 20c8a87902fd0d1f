"""The boards to choose from."""

from typing import Final

from esperctl.viewer.cells import wrap
from esperctl.viewer.layout import FRAME_COLUMNS, FRAME_ROWS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.item_list import ListLook, draw_list
from esperctl.viewer.screen.theme import DIM
from esperctl.viewer.view import PickerView

_KEYS: Final = (("Enter", "attaches"), ("Up Down", "select"), ("Esc", "closes"))
_MOST_COLUMNS: Final = 100
_NOTE_MOST_ROWS: Final = 4


def draw_picker(region: Region, picker: PickerView) -> None:
    """Draws the boards with their states, and the note below them."""
    columns = min(_MOST_COLUMNS, region.columns - FRAME_COLUMNS)
    note = wrap(picker.note, columns)[:_NOTE_MOST_ROWS] if picker.note else []
    gap = 1 if note and picker.items else 0
    wanted = len(picker.items) + gap + len(note)
    inside = draw_box(region, columns, min(max(wanted, 1), region.rows - FRAME_ROWS), "Boards", _KEYS)
    if picker.items:
        # One board at least, whatever the note says.
        note = note[: max(inside.rows - gap - 1, 0)]
    rows = inside.rows - len(note) - (gap if note else 0)
    draw_list(inside.part(0, 0, inside.columns, rows), picker.items, picker.selected, ListLook())
    for index, line in enumerate(note):
        inside.put(inside.rows - len(note) + index, 0, line, DIM)
