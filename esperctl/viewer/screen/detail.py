"""Everything about one incident."""

from typing import Final

from esperctl.viewer.screen.box import FRAME_COLUMNS, FRAME_ROWS, draw_box, overlay_area
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.cells import fit, wrap_spans
from esperctl.viewer.screen.scrolled import MARGIN, Line, draw_scrolled
from esperctl.viewer.screen.theme import BOLD, severity_style
from esperctl.viewer.style import Span
from esperctl.viewer.view import DetailView

_MOST_COLUMNS: Final = 160
_INDENT: Final = 4


def draw_detail(region: Region, detail: DetailView) -> None:
    """Draws the state at the top and the sections below it, scrolled; long lines are wrapped."""
    columns = _inside_columns(region.columns)
    inside = draw_box(region, columns, region.rows - FRAME_ROWS, detail.title, detail.keys)
    state = f"{region.glyphs.signs[detail.severity]} {detail.state}"
    inside.put(0, 0, fit(state, inside.columns, region.glyphs.ellipsis), severity_style(detail.severity))
    draw_scrolled(inside.part(0, 1, inside.columns, inside.rows - 1), _lines(detail, columns), detail.scroll)


def last_scroll(detail: DetailView, columns: int, rows: int) -> int:
    """The largest ``scroll`` that makes a difference on a terminal of this size."""
    return max(0, len(_lines(detail, _inside_columns(columns))) - (overlay_area(columns, rows).rows - FRAME_ROWS - 1))


def _inside_columns(columns: int) -> int:
    return min(columns - FRAME_COLUMNS, _MOST_COLUMNS)


def _lines(detail: DetailView, columns: int) -> list[Line]:
    columns -= MARGIN
    lines: list[Line] = []
    for section in detail.sections:
        lines += [(), *wrap_spans([Span(section.title, BOLD)], columns, indent=_INDENT)]
        for line in section.lines:
            lines += wrap_spans([Span("  "), *line], columns, indent=_INDENT)
    return lines
