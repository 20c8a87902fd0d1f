"""The lines of one board as a person looks at them: events and pages in, a LogView out. Pure.

``Log`` is the only thing that the model uses of this package, with the values ``LineFilter`` (line_filter.py),
``HighlightRule`` and ``SearchPattern`` (highlighting.py) and ``Timestamps`` (timestamps.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from esper_protocol.events import Boot, seq_count
from esperctl.subscription import AnyEvent
from esperctl.viewer.effects import FetchPage, ShownEvents
from esperctl.viewer.log.contents import Contents
from esperctl.viewer.log.cutting import LEAST_COLUMNS
from esperctl.viewer.log.drawing import Drawing
from esperctl.viewer.log.event_rows import own_texts
from esperctl.viewer.log.highlighting import HighlightRule, SearchPattern
from esperctl.viewer.log.item import items_of
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.log.line_text import plain_text
from esperctl.viewer.log.row_maker import Looks, RowMaker
from esperctl.viewer.log.scrolling import Scrolling
from esperctl.viewer.log.timestamps import LineTimes, Timestamps, time_width
from esperctl.viewer.log.window import Window
from esperctl.viewer.messages import PageArrived
from esperctl.viewer.view import LogView


class Log:
    """The lines of one board in a bounded window, and the place in them that is looked at.

    Follows the end at first. ``is_following``: the end is shown, and stays shown; ``new_lines``: lines that came since
    it stopped following; ``is_paused``: the screen stands still, whatever comes.
    """

    def __init__(self) -> None:
        self.is_paused = False
        self.new_lines = 0
        self._window = Window()
        self._rows = RowMaker(self._window.decodes)
        self._scrolling = Scrolling(self._window, self._rows)
        self._times = LineTimes()
        self._drawing = Drawing(self._window, self._scrolling, self._rows, self._times)
        self._contents = Contents(self._window, self._rows, self._scrolling, self._drawing)
        self._timestamps: Timestamps = "off"
        self._columns = 80
        # The row that is marked, and the position that it was gone to for: a decode stands at its panic's.
        self._mark: int | None = None
        self._goal: int | None = None
        self._follows_after_pause = False
        self._frozen: LogView | None = None

    @property
    def is_following(self) -> bool:
        """Whether the end is shown, and stays shown."""
        return self._scrolling.is_following

    def start(self, next_seq: int, *, capture: str | None = None) -> None:
        """Forgets all lines; looks (filter, wrap, …) stay.

        Args:
            next_seq: The position of the first event that will come.
            capture: The id of a dump that is arriving already.
        """
        self._times.forget()
        self.is_paused = False
        self._frozen = None
        self._contents.start(next_seq, capture)
        self._follow()

    def set_own_name(self, name: str | None) -> None:
        """Who this viewer is to the daemon: what it typed is not shown, because the board echoes it."""
        if name != self._window.own_name:
            self._window.own_name = name
            self._window.show_again()

    def append(self, events: Sequence[AnyEvent]) -> None:
        """Takes live events, in order."""
        self.learn(events)
        lines = self._contents.append(events)
        if not self.is_following:
            self.new_lines += lines

    def page_arrived(self, page: PageArrived) -> None:
        """Takes the answer to a FetchPage; one of an old token is ignored."""
        if not self._contents.page_arrived(page):
            return
        self.learn(page.events)
        self._frozen = None
        if self._mark is not None:
            self._show_mark(self._mark)
        self._scrolling.move_on(at_end=self._contents.is_live, has_oldest=self._contents.pages.has_oldest)
        self._contents.trim_after(page)

    def page_failed(self, request: FetchPage) -> None:
        """A FetchPage failed: it is asked for again after the next move of the user, or after ``start``."""
        if self._contents.pages.arrived(request):
            self._contents.pages.block(request.direction)

    def learn(self, events: Sequence[AnyEvent]) -> None:
        """Takes events of other parts of the journal (a scan's): when boots began, for times since boot."""
        for event in events:
            if isinstance(event.body, Boot):
                self._times.boot_began(event.boot, event.at)

    def wanted(self) -> list[FetchPage]:
        """The pages to ask for now; each is told once."""
        return self._contents.wanted()

    def resize(self, columns: int, rows: int) -> None:
        """The log's area has this size now, in cells, times included."""
        self._columns = columns
        self._scrolling.height = max(rows, 1)
        self._set_looks(self._rows.looks)

    def view(self) -> LogView:
        """What is to be seen now."""
        if self._frozen is not None:
            return self._frozen
        at_end = self._contents.is_live
        note = self._contents.note()
        view = self._drawing.view(
            self._timestamps, at_end=at_end, has_oldest=self._contents.pages.has_oldest, note=note
        )
        if self.is_paused:
            self._frozen = view
        return view

    # Moving: all of it takes effect at once; rows that are not in the window are shown as a note until they arrive.

    def scroll(self, rows: int) -> None:
        """Moves by rows: negative towards older lines, positive towards newer ones; at the end it follows again."""
        self._moves()
        was_following = self.is_following
        self._scrolling.move(rows, at_end=self._contents.is_live, has_oldest=self._contents.pages.has_oldest)
        if self.is_following and not was_following:
            if self.is_paused:
                self._scrolling.hold(at_end=True)
            else:
                self.new_lines = 0

    def scroll_pages(self, pages: int) -> None:
        """Moves by screens, less one row that stays."""
        self.scroll(pages * max(self._scrolling.height - 1, 1))

    def scroll_columns(self, columns: int) -> None:
        """Moves sideways; does nothing while lines are wrapped."""
        looks = self._rows.looks
        if not looks.wrap:
            self._moves()
            left = max(0, min(looks.left + columns, self._drawing.widest_cells() - 1))
            self._rows.set_looks(replace(looks, left=left))

    def go_to(self, seq: int) -> None:
        """Shows and marks the line (or event) at this position, also where a filter or a fold hides it."""
        self._moves()
        if self.is_following:
            self.new_lines = 0
        seq = min(seq, self._contents.live_next - 1)
        if not self._holds(seq):
            self._restart(seq + 1)
        self._mark = self._goal = seq
        self._scrolling.hold_position(seq, self._scrolling.height // 3)
        self._show_mark(seq)

    def go_to_oldest(self) -> None:
        """Shows the oldest line that the daemon keeps."""
        self._moves()
        if not self._contents.pages.has_oldest:
            self._restart(1)
            self._contents.pages.has_oldest = True
        self._scrolling.hold_position(0)

    def follow(self) -> None:
        """Goes to the end and stays there; the mark goes, and so does a pause."""
        self._moves()
        self.is_paused = False
        self._follow()

    def stop_following(self) -> None:
        """Stays where it is."""
        if self.is_following:
            self.new_lines = 0
            self._scrolling.hold(at_end=self._contents.is_live)

    def pause(self) -> None:
        """The screen stands still; lines go on to be collected."""
        if not self.is_paused:
            self._follows_after_pause = self.is_following
            self.stop_following()
            self.is_paused = True
            self._frozen = self.view()

    def resume(self) -> None:
        """Ends the pause; follows again if it did before."""
        if self.is_paused:
            self.is_paused = False
            self._frozen = None
            if self._follows_after_pause:
                self._follow()

    # Looks.

    def set_filter(self, line_filter: LineFilter | None) -> None:
        """Shows only lines that pass; what is not a line is shown always."""
        self._window.passes = None if line_filter is None or line_filter.is_empty else line_filter.passes
        self._change_what_is_shown(self._window.judge_again)

    def set_highlights(self, rules: tuple[HighlightRule, ...]) -> None:
        """Styles text that matches, later rules over earlier ones."""
        self._set_looks(replace(self._rows.looks, rules=rules))

    def set_wrap(self, wrap: bool) -> None:
        """Whether long lines go on in the next row, or are cut and scrolled sideways."""
        self._set_looks(replace(self._rows.looks, wrap=wrap, left=0))

    def set_timestamps(self, kind: Timestamps) -> None:
        """What stands before each line."""
        self._timestamps = kind
        self._set_looks(self._rows.looks)

    def set_dumps_folded(self, folded: bool) -> None:
        """Whether the base64 of core dumps is one row."""
        self._window.is_folded = folded
        self._set_looks(replace(self._rows.looks, folds=folded))
        self._change_what_is_shown(self._window.show_again)

    def set_show_decode(self, show: bool) -> None:
        """Whether decodes are told, in place below their panic or dump."""
        self._window.shows_decode = show
        self._set_looks(replace(self._rows.looks, shows_decode=show))
        self._change_what_is_shown(self._window.show_again)

    # Search.

    def set_search(self, pattern: SearchPattern | None) -> None:
        """Styles matches in what is visible."""
        self._set_looks(replace(self._rows.looks, search=pattern))

    @property
    def position(self) -> int | None:
        """Where a search goes on from: the position gone to while its row is seen, else the first visible one's."""
        top = self._scrolling.top(at_end=self._contents.is_live)
        if self._mark is not None and (top is None or self._drawing.is_visible(self._mark)):
            return self._goal
        return None if top is None else self._window.shown[top.item_index].seq

    @property
    def shown_events(self) -> ShownEvents:
        """Which events are shown, and can be found."""
        window = self._window
        return ShownEvents(window.own_name, decodes=window.shows_decode, folds_dumps=window.is_folded)

    def matching(self, events: Sequence[AnyEvent]) -> list[int]:
        """The positions of what live events brought that matches the search pattern, ascending; lines as a whole."""
        search = self._rows.looks.search
        if search is None:
            return []
        found: set[int] = set()
        shown, decodes = self.shown_events, self._window.decodes
        for event in events:
            for part in items_of(event, event.seq, event.seq + seq_count(event.body)):
                # It goes on with what came before, if that is in memory.
                item = self._window.item_at(part.seq) or part
                if item.body is None:
                    matches = search.is_in(plain_text(item.whole))
                else:
                    matches = any(search.is_in(row.text) for row in own_texts(item, decodes, shown))
                if matches:
                    found.add(item.seq)
        return sorted(found)

    def text_of(self, first_seq: int, last_seq: int) -> str:
        """Plain text of the lines in the window between two positions, both included, one a line (for copying)."""
        return "".join(
            f"{plain_text(item.whole)}\n"
            for item in self._window.items
            if first_seq <= item.seq <= last_seq and item.body is None and item.head is None
        )

    # ---------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        self.new_lines = 0
        self._mark = None
        self._window.force(None)
        self._rows.forget_all()
        if not self._contents.is_live:
            self._restart(self._contents.live_next)
        self._scrolling.follow()

    def _moves(self) -> None:
        """The user did something: the screen changes, and what was in vain is tried again."""
        self._frozen = None
        self._contents.pages.unblock("older", "newer")

    def _restart(self, position: int) -> None:
        self._contents.restart(position)
        self._mark = None
        self._frozen = None

    def _holds(self, seq: int) -> bool:
        window = self._window
        if not window.first_position <= seq < window.next_position:
            return False
        return not window.is_sparse or window.item_at(seq) is not None

    def _show_mark(self, seq: int) -> None:
        """Marks what shows a position, once it is in the window."""
        if not self._holds(seq):
            return
        shown = self._window.shown_for(seq)
        if shown is None:
            return
        if self._window.forced != shown:
            self._window.force(shown)
            self._rows.forget_all()
        if shown != seq and self._scrolling.position == seq:
            self._scrolling.hold_position(shown, self._scrolling.height // 3)
        self._mark = shown

    def _change_what_is_shown(self, apply: Callable[[], None]) -> None:
        """Shows other items; where they were dropped, they are read again."""
        self._frozen = None
        if self._window.is_sparse:
            mark = self._mark
            self._restart(self._contents.live_next if self.is_following else self._scrolling.position + 1)
            self._mark = mark
        else:
            self._rows.forget_all()
            apply()

    def _set_looks(self, looks: Looks) -> None:
        width = time_width(self._timestamps)
        columns = max(self._columns - (width + 1 if width else 0), LEAST_COLUMNS)
        if columns != looks.columns:
            self._scrolling.scale_parts(looks.columns, columns)
            looks = replace(looks, columns=columns)
        self._frozen = None
        self._rows.set_looks(looks)
