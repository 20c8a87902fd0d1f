"""The decodes that the window's events tell of, by what they are of: shown in place, below their panic or dump."""

from esper_protocol.events import CoredumpEnded, Panic
from esperctl.markers import PANIC_TARGET
from esperctl.viewer.log.item import Item, decode_target


class Decodes:
    """The latest event of each target, and the item that a target's decode is shown below."""

    def __init__(self) -> None:
        self._latest: dict[str, Item] = {}
        self._homes: dict[str, Item] = {}

    def clear(self) -> None:
        """Forgets all."""
        self._latest.clear()
        self._homes.clear()

    def take(self, item: Item) -> Item | None:
        """Takes note of an event; returns the item whose rows changed by it."""
        if isinstance(item.body, Panic | CoredumpEnded):
            self._homes[_name(item)] = item
            return None
        target = decode_target(item.body)
        if target is None:
            return None
        latest = self._latest.get(target)
        if latest is None or latest.seq < item.seq:
            self._latest[target] = item
        return self._homes.get(target)

    def home_of(self, item: Item) -> Item | None:
        """The item that a decode event is shown below; None where there is none."""
        target = decode_target(item.body)
        return None if target is None else self._homes.get(target)

    def is_latest(self, item: Item) -> bool:
        """Whether no later event of its decode is known."""
        latest = self._latest.get(decode_target(item.body) or "")
        return latest is None or latest.seq <= item.seq

    def of(self, item: Item) -> Item | None:
        """The latest event of the decode that is shown below this panic or dump."""
        if isinstance(item.body, Panic | CoredumpEnded):
            return self._latest.get(_name(item))
        return None

    def forget_before(self, seq: int) -> None:
        """Forgets what belongs to items before a position."""
        for kept in (self._homes, self._latest):
            for target in [target for target, item in kept.items() if item.seq < seq]:
                del kept[target]


def _name(item: Item) -> str:
    return item.body.id if isinstance(item.body, CoredumpEnded) else f"{PANIC_TARGET}{item.seq}"
