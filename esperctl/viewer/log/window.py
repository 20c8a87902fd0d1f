"""A stretch of the journal in memory: items without a hole in order, those of them that are shown, and bounds.

Positions from ``first_position`` up to ``next_position`` (not included) are in it. Where most of it is hidden (by a
filter, as the base64 of a dump), what is hidden may be dropped: then it ``is_sparse``, and must be read again before
something else is shown.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final

from esper_protocol.events import CoredumpProgress, Tx
from esperctl.viewer.log.decodes import Decodes
from esperctl.viewer.log.item import Item, decode_target
from esperctl.viewer.log.linking import Linking, unlink

MOST_ITEMS: Final = 20_000
MOST_BYTES: Final = 8 * 1024 * 1024
# Room that is made at once, so that it is not made for each line.
_ROOM_ITEMS: Final = 1000
_ROOM_BYTES: Final = 512 * 1024
_SEQ: Final = attrgetter("seq")


class Window:
    """The items.

    ``forced`` is the position of a line that is shown whatever hides it; ``links`` counts how often all items were
    linked anew, which may change any of them; ``passes`` is the filter.
    """

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.shown: list[Item] = []
        self.decodes = Decodes()
        self.passes: Callable[[bytes], bool] | None = None
        self.is_folded = True
        self.shows_decode = True
        self.own_name: str | None = None
        self.forced: int | None = None
        self.is_sparse = False
        self.links = 0
        self.first_position = 1
        self.next_position = 1
        self._linking = Linking()
        self._initial_capture: str | None = None
        self._bytes = 0

    def restart(self, position: int, capture: str | None) -> None:
        """Forgets all items; the next one is at this position, or they end before it."""
        self.items, self.shown = [], []
        self.decodes.clear()
        self.is_sparse = False
        self.first_position = self.next_position = position
        self._initial_capture = capture
        self._linking = Linking()
        self._linking.reset(capture)
        self._bytes = 0

    @property
    def open_line(self) -> Item | None:
        """The last line, while it is unfinished."""
        return self._linking.open_line

    def index_of(self, seq: int) -> int:
        """The index in ``shown`` of the first item at or behind a position."""
        return bisect_left(self.shown, seq, key=_SEQ)

    def item_at(self, seq: int) -> Item | None:
        """The item that shows a position: the whole line's; None where nothing at it is ever shown."""
        index = bisect_left(self.items, seq, key=_SEQ)
        if index == len(self.items) or self.items[index].seq != seq:
            return None
        item = self.items[index]
        return item.head or item

    # Growing -------------------------------------------------------------------------------------------

    def append(self, items: list[Item], next_position: int) -> list[Item]:
        """Adds what came at the end; returns items whose rows changed, those that were added not among them."""
        start = len(self.items)
        self.items += items
        self.next_position = max(next_position, self.next_position)
        open_before = self.open_line
        changed = self._linking.link(self.items, start)
        if open_before is not None and open_before is not self.open_line:
            changed.append(open_before)
        for item in items:
            self._bytes += len(item.data)
            self._judge(item)
            if item.body is not None and (home := self.decodes.take(item)) is not None:
                changed.append(home)
        self.shown += filter(self._is_shown, items)
        for item in changed:
            self._judge(item)
            self._show_or_hide(item)
        return changed

    def prepend(self, items: list[Item], first_position: int) -> None:
        """Adds older items."""
        self.items[:0] = items
        self.first_position = min(first_position, self.first_position)
        for item in items:
            self._bytes += len(item.data)
            self._judge(item)
        self._link_again(boundary=len(items))
        if items:
            capture = items[0].capture
            self._initial_capture = None if capture is None else capture.id

    def _link_again(self, boundary: int = 0) -> None:
        """Links all items; the dump that was known to arrive at *boundary* is told from there on."""
        self.links += 1
        known = self._initial_capture
        unlink(self.items)
        self._linking.reset(known if boundary == 0 else None)
        if boundary:
            self._linking.link(self.items[:boundary], 0)
            if known is not None and self._linking.capture is None:
                self._linking.fold_back(self.items, boundary, known, 0)
            self._linking.link(self.items, boundary)
        else:
            self._linking.link(self.items, 0)
        self.decodes.clear()
        for item in self.items:
            if item.body is not None:
                self.decodes.take(item)
            if item.parts is not None:
                self._judge(item)
        self.show_again()

    # What is shown -------------------------------------------------------------------------------------

    def judge_again(self) -> None:
        """Applies the filter anew."""
        for item in self.items:
            self._judge(item)
        self.show_again()

    def show_again(self) -> None:
        """Finds anew which items are shown."""
        self.shown = [item for item in self.items if self._is_shown(item)]

    def force(self, seq: int | None) -> None:
        """Shows the item at this position (None: no item) whatever hides it."""
        before, self.forced = self.forced, seq
        for position in (before, seq):
            item = None if position is None else self.item_at(position)
            if item is not None and item.head is None:
                self._show_or_hide(item)

    def shown_for(self, seq: int) -> int | None:
        """The position of what shows the event at *seq*, hidden or not; None: it is not in memory."""
        item = self.item_at(seq)
        if item is not None and (item.body is None or self._is_shown(item)):
            return item.seq
        if item is not None and (home := self.decodes.home_of(item)) is not None:
            return home.seq
        if item is not None and item.capture is not None and item.capture.home is not None:
            return item.capture.home.seq
        index = self.index_of(seq)
        return self.shown[min(index, len(self.shown) - 1)].seq if self.shown else None

    def _judge(self, item: Item) -> None:
        if item.body is None:
            item.passes = self.passes is None or item.head is not None or self.passes(item.whole)

    def _is_shown(self, item: Item) -> bool:
        if item.head is not None:
            return False
        body = item.body
        if item.seq == self.forced:
            return True
        if body is None:
            if item.is_folded and self.is_folded and item.capture is not None:
                return item.capture.home is item
            return item.passes or item is self.open_line
        if isinstance(body, Tx):
            return body.who != self.own_name
        if item.sentence is None or isinstance(body, CoredumpProgress):
            return False
        if decode_target(body) is not None:
            return self.shows_decode and self.decodes.home_of(item) is None
        return True

    def _show_or_hide(self, item: Item) -> None:
        index = self.index_of(item.seq)
        is_there = index < len(self.shown) and self.shown[index] is item
        if self._is_shown(item):
            if not is_there:
                self.shown.insert(index, item)
        elif is_there:
            del self.shown[index]

    # Bounds --------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether it is at its bounds."""
        return len(self.items) > MOST_ITEMS or self._bytes > MOST_BYTES

    @property
    def needs_trimming(self) -> bool:
        """Whether it is beyond its bounds."""
        return len(self.items) > MOST_ITEMS + _ROOM_ITEMS or self._bytes > MOST_BYTES + _ROOM_BYTES

    def compact(self) -> bool:
        """Drops what is hidden, if that is most of it; what the edges need to be linked on stays."""
        if 2 * len(self.shown) > len(self.items):
            return False
        first, last = self._edges()
        shown = set(map(id, self.shown))
        kept: list[Item] = []
        is_after_hole = False
        for index, item in enumerate(self.items):
            is_kept = index <= first or index >= last or id(item.head or item) in shown
            if is_kept or isinstance(item.body, CoredumpProgress):
                item.follows_hole |= is_after_hole
                kept.append(item)
            is_after_hole = not is_kept
        self.is_sparse = self.is_sparse or len(kept) < len(self.items)
        self.items = kept
        self._bytes = _size(kept)
        return not self.is_full

    def _edges(self) -> tuple[int, int]:
        """The indexes of the first line that ends, and of the last one before what may go on."""
        count = len(self.items)
        first = next((index for index, item in enumerate(self.items) if _ends_line(item)), count)
        last = next((index for index in range(count - 1, -1, -1) if _ends_line(self.items[index])), 0)
        return first, last

    def cut_front(self, before: int) -> None:
        """Drops the oldest items as far as the bounds ask for it, but none at or behind position *before*."""
        count = self._excess(self.items, before, is_front=True)
        if count == 0:
            return
        dropped, self.items = self.items[:count], self.items[count:]
        self._bytes -= _size(dropped)
        self.first_position = self.items[0].seq if self.items else self.next_position
        capture = dropped[-1].capture
        self._initial_capture = None if capture is None else capture.id
        self.decodes.forget_before(self.first_position)
        if any(_reaches(item, self.first_position) for item in dropped) or capture is not None:
            self._link_again()
        else:
            del self.shown[: self.index_of(self.first_position)]

    def cut_back(self, behind: int) -> bool:
        """Drops the newest items as far as the bounds ask for it, but none at or before *behind*; whether it did."""
        count = self._excess(reversed(self.items), behind, is_front=False)
        if count == 0:
            return False
        dropped = self.items[-count:]
        del self.items[-count:]
        self._bytes -= _size(dropped)
        self.next_position = dropped[0].seq
        self._link_again()
        return True

    def _excess(self, items: Iterable[Item], limit: int, *, is_front: bool) -> int:
        """How many of *items* have to go."""
        surplus, surplus_bytes = len(self.items) - MOST_ITEMS, self._bytes - MOST_BYTES
        count = 0
        for item in items:
            is_protected = item.seq >= limit if is_front else item.seq <= limit
            if (count >= surplus and surplus_bytes <= 0) or is_protected:
                break
            surplus_bytes -= len(item.data)
            count += 1
        return count


def _size(items: list[Item]) -> int:
    return sum(len(item.data) for item in items)


def _ends_line(item: Item) -> bool:
    return item.body is None and item.end != "fragment"


def _reaches(item: Item, position: int) -> bool:
    return item.parts is not None and item.parts[-1].seq >= position
