"""The rows that are seen, with their times, and the cursor, as a LogView."""

from esperctl.viewer.log.cutting import CutRow, place_of_cell
from esperctl.viewer.log.item import Item
from esperctl.viewer.log.line_text import cursor_cell
from esperctl.viewer.log.row_maker import RowMaker
from esperctl.viewer.log.scrolling import Scrolling
from esperctl.viewer.log.timestamps import LineTimes, Timestamps, time_width
from esperctl.viewer.log.viewport import Place
from esperctl.viewer.log.window import Window
from esperctl.viewer.view import LogView, Row

_MOST_CELLS_SIDEWAYS = 65_536


class Drawing:
    """Makes views of a window; knows what the last one showed."""

    def __init__(self, window: Window, scrolling: Scrolling, rows: RowMaker, times: LineTimes) -> None:
        self._window = window
        self._scrolling = scrolling
        self._rows = rows
        self._times = times

    def view(self, kind: Timestamps, *, at_end: bool, has_oldest: bool, note: str | None) -> LogView:
        """What is seen now."""
        top = self._scrolling.top(at_end=at_end)
        if top is None:
            return LogView((), time_width(kind), above=not has_oldest, below=not at_end, note=note)
        rows: list[Row] = []
        cursor: tuple[int, int] | None = None
        index, part = top
        while index < len(self._window.shown) and len(rows) < self._scrolling.height:
            item = self._window.shown[index]
            cut_rows = self._scrolling.rows_of(item)
            if item is self._window.open_line and at_end and self._scrolling.is_following:
                cursor = self._cursor(item, cut_rows, len(rows) - part)
            for cut_row in cut_rows[part : part + self._scrolling.height - len(rows)]:
                rows.append(self._row(kind, index, part, cut_row))
                part += 1
            is_cut = part < len(cut_rows)
            index, part = index + (not is_cut), part if is_cut else 0
        return LogView(
            tuple(rows),
            time_width(kind),
            above=not has_oldest or top != Place(0, 0),
            below=not at_end or index < len(self._window.shown),
            cursor=cursor,
            note=note,
        )

    def _row(self, kind: Timestamps, index: int, part: int, cut_row: CutRow) -> Row:
        shown = self._window.shown
        item = shown[index]
        time = ""
        if part == 0 and kind != "off":
            before_ns = shown[index - 1].at if index else None
            time = self._times.text(kind, item.at, item.boot, before_ns)
        is_match = part == 0 and item.seq == self._window.forced
        return Row(cut_row.spans, time, is_match, cut_row.cut_left, cut_row.cut_right)

    def _cursor(self, item: Item, cut_rows: list[CutRow], first_row: int) -> tuple[int, int] | None:
        looks = self._rows.looks
        cell = cursor_cell(item.whole)
        if looks.wrap:
            row, column = place_of_cell(cut_rows, cell, looks.columns)
        else:
            row, column = 0, cell - looks.left
        row += first_row
        if 0 <= row < self._scrolling.height and 0 <= column < looks.columns:
            return row, column
        return None

    def is_visible(self, seq: int) -> bool:
        """Whether the item at this position is on the screen."""
        return any(item.seq == seq for item in self._visible())

    def widest_cells(self) -> int:
        """About how wide the widest visible line is."""
        return min(max((self._rows.text_cells(item) for item in self._visible()), default=0), _MOST_CELLS_SIDEWAYS)

    def range_to_keep(self, *, at_end: bool) -> tuple[int, int]:
        """The positions of the first and last item of the screen, and of one screen above and below it."""
        shown = self._window.shown
        top = self._scrolling.top(at_end=at_end)
        if top is None:
            return self._window.next_position, self._window.first_position
        height = self._scrolling.height
        first = max(top.item_index - height, 0)
        last = min(top.item_index + 2 * height, len(shown) - 1)
        return shown[first].seq, shown[last].seq

    def _visible(self) -> list[Item]:
        top = self._scrolling.top(at_end=True)
        return [] if top is None else self._window.shown[top.item_index : top.item_index + self._scrolling.height]
