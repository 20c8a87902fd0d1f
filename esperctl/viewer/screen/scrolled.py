"""Lines of styled text of which a part is seen."""

from collections.abc import Sequence

from esperctl.viewer.dialogs import MARGIN, Line
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import BOLD


def draw_scrolled(region: Region, lines: Sequence[Line], scroll: int) -> None:
    """Draws the lines from *scroll* on, or the last ones when that is too far."""
    first = max(0, min(scroll, len(lines) - region.rows))
    for row, line in enumerate(lines[first : first + region.rows]):
        region.put_spans(row, 0, line, end=region.columns - MARGIN)
    if first > 0:
        region.put(0, region.columns - 1, region.glyphs.up, BOLD)
    if first + region.rows < len(lines):
        region.put(region.rows - 1, region.columns - 1, region.glyphs.down, BOLD)
