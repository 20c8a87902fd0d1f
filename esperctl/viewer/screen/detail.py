"""Everything about one incident."""

from esperctl.viewer.cells import fit
from esperctl.viewer.dialogs import detail_columns, detail_lines
from esperctl.viewer.layout import FRAME_ROWS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.scrolled import draw_scrolled
from esperctl.viewer.screen.theme import severity_style
from esperctl.viewer.view import DetailView


def draw_detail(region: Region, detail: DetailView) -> None:
    """Draws the state at the top, if there is one, and the sections below it, scrolled."""
    columns = detail_columns(region.columns)
    inside = draw_box(region, columns, region.rows - FRAME_ROWS, detail.title, detail.keys)
    above = 0
    if detail.state:
        state = f"{region.glyphs.signs[detail.severity]} {detail.state}"
        inside.put(0, 0, fit(state, inside.columns, region.glyphs.ellipsis), severity_style(detail.severity))
        above = 1
    lines = inside.part(0, above, inside.columns, inside.rows - above)
    draw_scrolled(lines, detail_lines(detail, columns), detail.scroll)
