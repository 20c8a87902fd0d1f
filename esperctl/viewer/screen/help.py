"""Help: the keys and what they do."""

from typing import Final

from esperctl.viewer.dialogs import help_columns, help_lines
from esperctl.viewer.layout import FRAME_ROWS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.scrolled import draw_scrolled
from esperctl.viewer.view import HelpView

_KEYS: Final = (("Esc", "closes"), ("Up Down PgUp PgDn", "scroll"))


def draw_help(region: Region, view: HelpView) -> None:
    """Draws the groups, in two columns on a wide terminal."""
    columns = help_columns(region.columns)
    lines = help_lines(view, columns, region.glyphs.ellipsis)
    inside = draw_box(region, columns, min(len(lines), region.rows - FRAME_ROWS), "Help", _KEYS)
    draw_scrolled(inside, lines, view.scroll)
