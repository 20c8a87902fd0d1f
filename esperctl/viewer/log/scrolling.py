"""Which row is at the top of the screen: at the end as it grows, or held at a position of the journal. Pure."""

from typing import NamedTuple

from esperctl.viewer.log.cutting import CutRow
from esperctl.viewer.log.item import Item
from esperctl.viewer.log.row_maker import RowMaker
from esperctl.viewer.log.viewport import Place, Viewport
from esperctl.viewer.log.window import Window


class _Anchor(NamedTuple):
    """The row ``part`` of the item at position ``seq`` stands ``offset`` rows below the top."""

    seq: int
    part: int = 0
    offset: int = 0


class Scrolling:
    """``height`` are the rows of the screen; ``missing_rows`` were asked for and are missing yet (negative: above)."""

    def __init__(self, window: Window, rows: RowMaker) -> None:
        self.is_following = True
        self.height = 24
        self.missing_rows = 0
        self._window = window
        self._rows = rows
        self._anchor = _Anchor(0)

    def rows_of(self, item: Item) -> list[CutRow]:
        """The rows of a shown item."""
        return self._rows.rows(item, is_forced=item.seq == self._window.forced)

    def follow(self) -> None:
        """Holds on to the end."""
        self.is_following = True
        self.missing_rows = 0

    def hold(self, *, at_end: bool) -> None:
        """Holds on to what is at the top."""
        top = self.top(at_end=at_end)
        self.is_following = False
        if top is None:
            self._anchor = _Anchor(self._window.next_position)
        else:
            self._hold_at(top)

    def hold_position(self, seq: int, offset: int = 0) -> None:
        """Holds on to a position, *offset* rows below the top."""
        self.is_following = False
        self.missing_rows = 0
        self._anchor = _Anchor(seq, 0, offset)

    @property
    def position(self) -> int:
        """The position that is held, whether it is in memory or not."""
        return self._anchor.seq

    def scale_parts(self, columns_before: int, columns: int) -> None:
        """The rows of a wrapped line have another width now."""
        seq, part, offset = self._anchor
        self._anchor = _Anchor(seq, part * columns_before // max(columns, 1), offset)

    def top(self, *, at_end: bool) -> Place | None:
        """The row at the top; None when nothing is shown. *at_end*: nothing comes behind the window's last row."""
        shown = self._window.shown
        if not shown:
            return None
        if self.is_following:
            return self._lowest_top()
        index = self._window.index_of(self._anchor.seq)
        if index == len(shown):
            return self._lowest_top()
        viewport = self._viewport()
        part = self._anchor.part if shown[index].seq == self._anchor.seq else 0
        part = min(part, len(self.rows_of(shown[index])) - 1)
        place, _ = viewport.up(Place(index, part), self._anchor.offset)
        if at_end and viewport.down(place, self.height - 1)[1]:
            return self._lowest_top()
        return place

    def move(self, rows: int, *, at_end: bool, has_oldest: bool) -> None:
        """Moves up (negative) or down; at the very end it follows."""
        top = self.top(at_end=at_end)
        if top is None:
            return
        self.missing_rows = 0
        if rows < 0:
            place, missing = self._viewport().up(top, -rows)
            self.missing_rows = 0 if has_oldest else -missing
            if place != top or self.missing_rows:
                self._hold_at(place)
        elif rows > 0 and not self.is_following:
            place, missing = self._viewport().down(top, rows)
            lowest = self._lowest_top()
            if place < lowest:
                self._hold_at(place)
            elif at_end:
                self.follow()
            else:
                self._hold_at(lowest)
                self.missing_rows = rows - self._distance(top, lowest)

    def move_on(self, *, at_end: bool, has_oldest: bool) -> None:
        """More rows are in memory: moves by those that were missing."""
        if self.missing_rows and not self.is_following:
            self.move(self.missing_rows, at_end=at_end, has_oldest=has_oldest)

    def _distance(self, above: Place, below: Place) -> int:
        rows = 0
        while below > above:
            below, missing = self._viewport().up(below, 1)
            rows += 1 - missing
        return rows

    def _hold_at(self, place: Place) -> None:
        self.is_following = False
        self._anchor = _Anchor(self._window.shown[place.item_index].seq, place.part)

    def _lowest_top(self) -> Place:
        viewport = self._viewport()
        return viewport.up(viewport.last, self.height - 1)[0]

    def _viewport(self) -> Viewport:
        return Viewport(self._window.shown, lambda item: len(self.rows_of(item)))
