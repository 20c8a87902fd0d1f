"""The log: the time column, the rows, and signs where there is more than is seen."""

from typing import Final

from esperctl.viewer.cells import fit, width_of
from esperctl.viewer.screen.canvas import Region, StyleChange
from esperctl.viewer.screen.theme import BOLD, DIM, REVERSE
from esperctl.viewer.view import LogView, Row

_MATCH: Final = StyleChange(reverse=True)


def draw_log(region: Region, log: LogView) -> None:
    """Draws the rows from the top; texts start right of the time column, of which one cell is a gap.

    The signs for what was cut and for what is above and below take the place of a text's first and last cell.
    """
    start = log.time_width + 1 if log.time_width else 0
    for index, row in enumerate(log.rows[: region.rows]):
        _draw_row(region, index, row, start, log.time_width)
    if log.note:
        _draw_note(region, len(log.rows), log.note)
    if log.above:
        region.put(0, region.columns - 1, region.glyphs.up, BOLD)
    if log.below:
        region.put(region.rows - 1, region.columns - 1, region.glyphs.down, BOLD)


def draw_log_cursor(region: Region, log: LogView) -> None:
    """Shows the cursor where typed text appears."""
    if log.cursor is not None:
        row, column = log.cursor
        start = log.time_width + 1 if log.time_width else 0
        region.set_cursor(row, min(start + column, region.columns - 1))


def _draw_row(region: Region, index: int, row: Row, start: int, time_width: int) -> None:
    if row.time:
        region.put(index, 0, row.time, DIM, end=time_width)
    region.put_spans(index, start, row.spans)
    if row.is_match:
        region.change(index, 0, region.columns, _MATCH)
    if row.cut_left:
        region.put(index, start, region.glyphs.cut_left, DIM)
    if row.cut_right:
        region.put(index, region.columns - 1, region.glyphs.cut_right, DIM)


def _draw_note(region: Region, rows: int, note: str) -> None:
    note = fit(f" {note} ", region.columns, region.glyphs.ellipsis)
    row = region.rows // 2 if rows == 0 else min(rows, region.rows - 1)
    region.put(row, (region.columns - width_of(note)) // 2, note, REVERSE)
