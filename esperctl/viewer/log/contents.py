"""Fills the window from the live stream and from pages of the journal, and keeps it within its bounds.

While somebody looks at old lines, the window may end before the live end: then live events are only counted, and newer
pages bring them when they are scrolled to.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from esper_protocol.events import Body, Line, UnknownBody, seq_count
from esperctl.dump_folding import CAPTURE_GOES_ON, CAPTURE_IS_OVER
from esperctl.subscription import AnyEvent
from esperctl.viewer.effects import FetchPage
from esperctl.viewer.log.drawing import Drawing
from esperctl.viewer.log.item import Item, items_of
from esperctl.viewer.log.pages import Direction, Pages
from esperctl.viewer.log.row_maker import RowMaker
from esperctl.viewer.log.scrolling import Scrolling
from esperctl.viewer.log.window import Window
from esperctl.viewer.messages import PageArrived

_NO_END: Final = 1 << 62


class Contents:
    """Owns what is in the window. ``live_next`` is the position behind the last event that came."""

    def __init__(self, window: Window, rows: RowMaker, scrolling: Scrolling, drawing: Drawing) -> None:
        self.live_next = 1
        self._live_capture: str | None = None
        self.pages = Pages()
        self._window = window
        self._rows = rows
        self._scrolling = scrolling
        self._drawing = drawing

    @property
    def is_live(self) -> bool:
        """Whether the window reaches to the last event that came."""
        return self._window.next_position >= self.live_next

    def start(self, next_seq: int, capture: str | None) -> None:
        """Forgets all; the first live event will have this position, and a dump of this id is arriving."""
        self.live_next = next_seq
        self._live_capture = capture
        self.restart(next_seq)

    def restart(self, position: int) -> None:
        """Forgets all lines; what is before and behind this position is to be read."""
        self._window.restart(position, self._live_capture if position == self.live_next else None)
        self._window.force(None)
        self._rows.forget_all()
        self.pages.restart()
        self.pages.has_oldest = position <= 1
        self._scrolling.missing_rows = 0

    # Taking --------------------------------------------------------------------------------------------

    def append(self, events: Sequence[AnyEvent]) -> int:
        """Takes live events; returns how many lines more there are to see."""
        was_live = self.is_live
        for event in events:
            self._note_capture(event.body)
        if events:
            self.live_next = max(self.live_next, _end_of(events[-1]))
        if not was_live:
            self.pages.unblock("newer")
            return sum(event.body.count for event in events if isinstance(event.body, Line))
        items = self._add(events)
        if self._window.needs_trimming:
            self._trim("newer")
        return sum(item.body is None and item.head is None and item.passes and not item.is_folded for item in items)

    def _note_capture(self, body: Body | UnknownBody) -> None:
        if isinstance(body, CAPTURE_GOES_ON):
            self._live_capture = body.id
        elif isinstance(body, CAPTURE_IS_OVER):
            self._live_capture = None

    def page_arrived(self, page: PageArrived) -> bool:
        """Takes a page that was asked for; False where it was not."""
        request = page.request
        if not self.pages.arrived(request):
            return False
        if request.direction == "older":
            self._take_older(page)
        elif request.position == self._window.next_position - 1:
            self._take_newer(page)
        return True

    def trim_after(self, page: PageArrived) -> None:
        """Keeps the bounds after a page, now that it is known what is seen."""
        if self._window.needs_trimming:
            self._trim(page.request.direction)

    def _add(self, events: Sequence[AnyEvent]) -> list[Item]:
        items = list(_items(events, self._window.next_position, _NO_END))
        end = _end_of(events[-1]) if events else 0
        for item in self._window.append(items, end):
            self._rows.forget(item)
        return items

    def _take_older(self, page: PageArrived) -> None:
        end = self._window.first_position
        if page.request.position != end:
            # The window lost lines at its front meanwhile, which the next page brings back.
            return
        first = page.events[0].seq if page.events else end
        self._window.prepend(list(_items(page.events, 0, end)), first)
        self._rows.forget_all()
        if page.is_end or not page.events:
            self.pages.has_oldest = True

    def _take_newer(self, page: PageArrived) -> None:
        self._add(page.events)
        if not page.events:
            # The journal has not got yet what was seen live; the next live event asks again.
            self.pages.block("newer")

    # Bounds --------------------------------------------------------------------------------------------

    def _trim(self, grew: Direction) -> None:
        links = self._window.links
        if not self._window.compact():
            self._cut(grew)
        if self._window.links != links:
            self._rows.forget_all()

    def _cut(self, grew: Direction) -> None:
        window, is_following = self._window, self._scrolling.is_following
        first, last = self._drawing.range_to_keep(at_end=self.is_live)
        if grew == "older" and not is_following:
            window.cut_back(last)
        before = window.first_position
        if window.needs_trimming:
            window.cut_front(first)
        if window.first_position != before:
            self.pages.has_oldest = False
            if grew == "older":
                # It would bring the same lines again.
                self.pages.block("older")
        if window.needs_trimming and not is_following:
            window.cut_back(last)

    # Asking --------------------------------------------------------------------------------------------

    def wanted(self) -> list[FetchPage]:
        """The pages to ask for now."""
        wanted: list[FetchPage | None] = []
        if self._needs_older():
            wanted.append(self.pages.ask("older", self._window.first_position))
        if self._needs_newer():
            wanted.append(self.pages.ask("newer", self._window.next_position - 1))
        return [request for request in wanted if request is not None]

    # A screen more than is seen is asked for, above and below, so that it is there before it is scrolled to; and
    # ``range_to_keep`` is no less than that, or what is dropped would be asked for again.

    def _needs_older(self) -> bool:
        window, scrolling = self._window, self._scrolling
        if self.pages.has_oldest:
            return False
        if scrolling.is_following:
            return len(window.shown) < scrolling.height and not window.needs_trimming
        index = window.index_of(scrolling.position)
        return scrolling.missing_rows < 0 or index < scrolling.height

    def _needs_newer(self) -> bool:
        if self.is_live:
            return False
        index = self._window.index_of(self._scrolling.position)
        return len(self._window.shown) - index < 2 * self._scrolling.height

    def note(self) -> str | None:
        """What stands in place of rows that are not there."""
        if self._scrolling.missing_rows or not self._window.shown:
            if self.pages.is_awaited("older") or self.pages.is_awaited("newer"):
                return "reading the journal…"
            if self.pages.is_blocked("older") or self.pages.is_blocked("newer"):
                return "these lines can't be read now; scroll to try again"
        if self._window.shown:
            return None
        return "the filter hides all lines" if self._window.passes and self._window.items else "no lines yet"


def _end_of(event: AnyEvent) -> int:
    return event.seq + seq_count(event.body)


def _items(events: Sequence[AnyEvent], first: int, end: int) -> Iterator[Item]:
    for event in events:
        yield from items_of(event, first, end)
