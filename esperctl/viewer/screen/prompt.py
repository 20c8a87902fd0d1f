"""A single line to type, in a box of its own."""

from typing import Final

from esperctl.viewer.cells import fit
from esperctl.viewer.layout import FRAME_COLUMNS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.text_field import draw_field
from esperctl.viewer.screen.theme import severity_style
from esperctl.viewer.view import TextInput

_KEYS: Final = (("Enter", "accepts"), ("Esc", "cancels"))
_MOST_COLUMNS: Final = 76


def draw_prompt(region: Region, line: TextInput) -> None:
    """Draws the line with its label as the title, and what is wrong with it below."""
    columns = min(_MOST_COLUMNS, region.columns - FRAME_COLUMNS)
    inside = draw_box(region, columns, 2 if line.error else 1, line.label, _KEYS)
    draw_field(inside, 0, 0, inside.columns, line)
    if line.error:
        text = fit(f"{region.glyphs.signs['error']} {line.error}", inside.columns, region.glyphs.ellipsis)
        inside.put(1, 0, text, severity_style("error"))
