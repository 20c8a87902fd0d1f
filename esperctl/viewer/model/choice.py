"""Which entry of a list is selected, as keys move it. Pure."""

from typing import Final

from esperctl.viewer.keys import Key

PAGE_ENTRIES: Final = 10
_MOVES: Final = {
    "up": -1,
    "down": 1,
    "ctrl-p": -1,
    "ctrl-n": 1,
    "pageup": -PAGE_ENTRIES,
    "pagedown": PAGE_ENTRIES,
}


def moved(selected: int | None, count: int, key: Key) -> int | None:
    """The selected entry of *count* after a key, or None where the key moves nothing or there is nothing."""
    if key.name not in _MOVES or count == 0:
        return None
    return min(max((selected or 0) + _MOVES[key.name], 0), count - 1)
