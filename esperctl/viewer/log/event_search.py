"""Which events of a stretch of journal are shown by a row that matches. Pure.

Events are looked at as the log shows them: what is typed as one text, a decode below its panic or dump, of several
states of a decode the last one.
"""

from collections.abc import Callable

from esper_protocol.events import CoredumpEnded, CoredumpStarted, Event, Line, Tx
from esperctl.viewer.effects import ShownEvents
from esperctl.viewer.log.decodes import Decodes
from esperctl.viewer.log.event_rows import own_texts
from esperctl.viewer.log.item import Fold, Item, items_of
from esperctl.viewer.log.typed_runs import TypedRuns


class EventSearch:
    """Takes the events of a stretch in order.

    Args:
        shown: Which events are shown.
        is_in: Whether the text of a row matches.
    """

    def __init__(self, shown: ShownEvents, is_in: Callable[[str], bool]) -> None:
        self._shown = shown
        self._is_in = is_in
        self._items: list[Item] = []
        self._decodes = Decodes()
        self._typed = TypedRuns()
        self._dumps: dict[str, Item] = {}

    def take(self, event: Event) -> None:
        """Takes an event; of lines only that they end what was typed."""
        if isinstance(event.body, Line):
            if event.body.end == "newline":
                self._typed.end()
            return
        for item in items_of(event, event.seq, event.seq + 1):
            self._take(item)

    def positions(self) -> list[int]:
        """The positions of the events that match, ascending; the stretch is over."""
        return [item.seq for item in self._items if self._matches(item)]

    def _take(self, item: Item) -> None:
        body = item.body
        if isinstance(body, Tx):
            self._typed.take(item, body)
        elif item.sentence is not None:
            self._typed.end()
        self._decodes.take(item)
        if isinstance(body, CoredumpStarted):
            self._dumps[body.id] = item
        elif isinstance(body, CoredumpEnded) and (home := self._dumps.pop(body.id, None)) is not None:
            home.capture = Fold(body.id, lines=body.raw_lines, has_ended=True)
        if item.head is None:
            self._items.append(item)

    def _matches(self, item: Item) -> bool:
        return any(self._is_in(row.text) for row in own_texts(item, self._decodes, self._shown))
