"""The search: the bar where it is typed, the scan of the journal, and the matches with the place among them. Pure.

Typing only styles what is visible. Enter starts a scan of everything before the present; what comes later is matched as
it comes. Editing what was searched for ends it. The newest matches are listed, so many as there is room for.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import Final, Literal

from esperctl.safe_text import safe_text
from esperctl.viewer.effects import Effect, ShownEvents, StartScan, StopScan
from esperctl.viewer.keys import Key
from esperctl.viewer.log.highlighting import SearchPattern
from esperctl.viewer.messages import ScanProgressed
from esperctl.viewer.model.line_input import History, LineInput
from esperctl.viewer.view import SearchView

# What matches in every line of a week must not fill the memory; the newest are kept.
MAX_MATCHES: Final = 100_000
# So many make room at once: to drop the first of a list moves all others.
_ROOM: Final = MAX_MATCHES // 10
Direction = Literal["older", "newer"]


class Search:
    """The search of one board."""

    def __init__(self) -> None:
        self.is_typing = False
        self.is_open = False
        self.pattern: SearchPattern | None = None
        self._line = LineInput()
        self._history = History()
        self._is_regex = False
        self._typed: SearchPattern | None = None
        self._wrong: str | None = None
        self._scan: int | None = None
        # A scan that finds nothing any more that is kept.
        self._useless_scan: int | None = None
        self._is_reading = False
        self._share = 0.0
        self._error: str | None = None
        self._matches: list[int] = []
        # How many matches were listed before those that are; and whether older ones were left out.
        self._dropped = 0
        self._lacks_older = False
        self._current: int | None = None
        # Where to go when the scan finds something there.
        self._wish: tuple[Direction, int | None] | None = None

    # Typing -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """The bar takes the keys."""
        self.is_open = self.is_typing = True

    def edit(self, key: Key) -> bool:
        """Takes a key in the bar; whether the text changed."""
        before = (self._line.text, self._is_regex)
        if key.name == "ctrl-r":
            self._is_regex = not self._is_regex
        elif key.name in ("up", "ctrl-p"):
            self._line.set(self._history.older(self._line.text))
        elif key.name in ("down", "ctrl-n"):
            self._line.set(self._history.newer(self._line.text))
        else:
            self._line.press(key)
        if before == (self._line.text, self._is_regex):
            return False
        self._parse()
        return True

    @property
    def typed(self) -> SearchPattern | None:
        """What stands in the bar; None: nothing, or no regular expression."""
        return self._typed

    def start(self, scan: int, before: int, position: int | None, shown: ShownEvents) -> list[Effect]:
        """Searches for what stands in the bar; nothing happens while that is no regular expression, or a slow one.

        Args:
            scan: A number that no scan had before.
            before: The position of the first event to come.
            position: Where to search from; None: the end.
            shown: Which events are shown, and can be found.
        """
        pattern = self._typed
        if pattern is None or pattern.live.trouble is not None:
            return []
        effects = self.stop()
        self.is_typing = False
        self.pattern, self._scan, self._is_reading = pattern, scan, True
        self._history.add(pattern.text)
        self._wish = ("older", position)
        scanning = StartScan(scan, "search", before, pattern.text, pattern.is_regex, pattern.ignore_case, shown)
        return [*effects, scanning]

    def stop(self) -> list[Effect]:
        """Forgets what was found, and ends a scan that runs."""
        effects: list[Effect] = [StopScan(self._scan)] if self._scan is not None and self._is_reading else []
        effects += self.enough()
        self.pattern = self._scan = self._error = self._current = self._wish = None
        self._is_reading = False
        self._share = 0.0
        self._matches.clear()
        self._dropped = 0
        self._lacks_older = False
        return effects

    def close(self) -> None:
        """The bar goes; what was searched for stays."""
        self.is_open = self.is_typing = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in the bar."""
        return not self._line.text

    # Matches ------------------------------------------------------------------------------------------

    def progressed(self, message: ScanProgressed) -> int | None:
        """Takes what a scan found; where to go now, if that was waited for. A scan that was ended is ignored."""
        if message.scan != self._scan:
            return None
        self._take_older(message.matches)
        self._share = message.share
        self._is_reading = self._is_reading and not message.is_finished and message.error is None
        self._error = message.error
        return self._grant()

    def came(self, matches: Sequence[int]) -> None:
        """What matches live, ascending; a line that goes on is where it began, and may have matched before."""
        if matches and self._matches and matches[0] <= self._matches[-1]:
            for position in sorted({*matches}.difference(self._matches[bisect_left(self._matches, matches[0]) :])):
                insort(self._matches, position)
        else:
            self._matches += matches
        if (surplus := len(self._matches) - MAX_MATCHES) > 0:
            del self._matches[: surplus + _ROOM]
            self._dropped += surplus + _ROOM
            self._end_list()

    def enough(self) -> list[Effect]:
        """Ends a scan that finds nothing any more that is kept."""
        useless, self._useless_scan = self._useless_scan, None
        return [] if useless is None else [StopScan(useless)]

    def go(self, direction: Direction, position: int | None) -> int | None:
        """The next match in a direction from *position* (None: the end), round the ends once all is read.

        While the scan runs, and has not found it yet, it is gone to as soon as it is found.
        """
        self._wish = (direction, position - 1 if direction == "older" and position is not None else position)
        return self._grant()

    def _grant(self) -> int | None:
        if self._wish is None:
            return None
        direction, position = self._wish
        found = self._find(direction, position)
        if found is None and not self._is_reading and self._matches:
            found = self._matches[-1 if direction == "older" else 0]
        if found is not None or not self._is_reading:
            self._wish = None
        if found is not None:
            self._current = found
        return found

    def _find(self, direction: Direction, position: int | None) -> int | None:
        """The newest match up to *position*, or the oldest one after it."""
        matches = self._matches
        if position is None:
            return matches[-1] if direction == "older" and matches else None
        index = bisect_right(matches, position)
        if direction == "older":
            return matches[index - 1] if index > 0 else None
        return matches[index] if index < len(matches) else None

    def _take_older(self, matches: Sequence[int]) -> None:
        """A scan reads from the newest page to the oldest, each in ascending order; what comes live is newer still."""
        if self._lacks_older or not matches:
            return
        if self._matches and matches[-1] >= self._matches[0]:
            self._matches = sorted({*self._matches, *matches})
        else:
            self._matches[:0] = matches
        if (surplus := len(self._matches) - MAX_MATCHES) > 0:
            del self._matches[:surplus]
            self._end_list()

    def _end_list(self) -> None:
        """Older matches are not listed any more: a scan finds nothing that would be."""
        self._lacks_older = True
        if self._is_reading:
            self._useless_scan, self._scan, self._is_reading = self._scan, None, False

    # Seeing -------------------------------------------------------------------------------------------

    @property
    def count_text(self) -> str:
        """What was found so far, e.g. ``match 3/17``, ``12 so far, 40 % read``."""
        if self.pattern is None:
            return ""
        count = len(self._matches) + self._dropped
        if self._is_reading:
            return f"{count} so far, {int(self._share * 100)} % read"
        ended = ", ended early" if self._error else ""
        if not count:
            return f"no match{ended}"
        place = bisect_left(self._matches, self._current) + self._dropped + 1 if self._current is not None else "-"
        if self._lacks_older:
            ended = ", older ones are not listed"
        return f"match {place}/{count}{ended}"

    def view(self) -> SearchView | None:
        """What is to be seen."""
        if not self.is_open:
            return None
        trouble = self._typed.live.trouble if self._typed is not None else None
        error = self._wrong or trouble or self._error
        shown = None if error is None else safe_text(error)
        text = self._line.view("Search", is_focused=self.is_typing, error=shown)
        return SearchView(text, self._is_regex, self.count_text)

    def _parse(self) -> None:
        text = self._line.text
        self._typed = self._wrong = None
        try:
            # As in many editors: a capital letter means that capitals matter.
            self._typed = SearchPattern(text, self._is_regex, ignore_case=text == text.lower()) if text else None
        except ValueError as error:
            self._wrong = str(error)
