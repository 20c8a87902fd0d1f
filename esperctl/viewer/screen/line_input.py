"""The line that is typed in line mode."""

from esperctl.viewer.cells import fit, width_of
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.text_field import draw_field
from esperctl.viewer.screen.theme import BOLD, severity_style
from esperctl.viewer.view import TextInput

_FIELD_LEAST = 10


def draw_line_input(region: Region, line: TextInput) -> None:
    """Draws label and text, and what is wrong with it at the right end."""
    label = fit(f"{line.label} " if line.label else "", max(region.columns - _FIELD_LEAST, 0), region.glyphs.ellipsis)
    column = region.put(0, 0, label, BOLD)
    end = region.columns
    if line.error:
        room = region.columns - column - _FIELD_LEAST
        error = fit(f"{region.glyphs.signs['error']} {line.error}", room, region.glyphs.ellipsis)
        end -= width_of(error) + 1
        region.put_right(0, error, severity_style("error"))
    draw_field(region, 0, min(column, region.columns - 1), end, line)
