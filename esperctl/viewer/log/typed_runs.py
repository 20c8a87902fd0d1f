"""What one person types is one text, until a line ends. Pure."""

from typing import Final

from esper_protocol.events import Tx
from esperctl.viewer.log.item import Item

# To type is not to send a file.
_MOST_BYTES: Final = 1024


class TypedRuns:
    """Joins what was typed to what the same person typed just before."""

    def __init__(self) -> None:
        self._open: Item | None = None

    def end(self) -> None:
        """What is typed next is a text of its own."""
        self._open = None

    def take(self, item: Item, body: Tx) -> None:
        """Takes what was typed next."""
        head = self._open
        if head is not None and isinstance(head.body, Tx) and head.body.who == body.who:
            item.head = head
            head.parts = head.parts or []
            head.parts.append(item)
        else:
            head = item
        ends = b"\r" in body.data or b"\n" in body.data or len(head.whole) > _MOST_BYTES
        self._open = None if ends else head
