"""Help: what each key does, from the table of actions; and what the modes mean."""

from collections.abc import Callable

from esperctl.viewer.effects import Effect
from esperctl.viewer.keys import Key
from esperctl.viewer.model.actions import ACTIONS, DETACH, GROUPS, SEND_PREFIX
from esperctl.viewer.model.keymap import KeyMap, key_text
from esperctl.viewer.view import HelpView

HelpGroups = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


class Help:
    """The pages, scrolled by lines.

    Args:
        keymap: Says the keys.
        page_lines: How far a page is.
        last_scroll: How far it can be scrolled now.
    """

    def __init__(self, keymap: KeyMap, page_lines: int, last_scroll: Callable[[HelpView], int]) -> None:
        self.is_closed = False
        self._groups = help_groups(keymap)
        self._scroll = 0
        self._page_lines = page_lines
        self._last_scroll = last_scroll

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        page, last = self._page_lines, self._last_scroll(self.view())
        moves = {"up": -1, "down": 1, "k": -1, "j": 1, "pageup": -page, "pagedown": page, " ": page}
        if key.name in moves:
            self._scroll = min(max(self._scroll + moves[key.name], 0), last)
        elif key.name in ("home", "end"):
            self._scroll = 0 if key.name == "home" else last
        elif key.name in ("escape", "enter", "q", "?", "h", "ctrl-c", "f1"):
            self.is_closed = True
        return []

    def view(self) -> HelpView:
        """What is to be seen."""
        return HelpView(self._groups, self._scroll)


def help_groups(keymap: KeyMap) -> HelpGroups:
    """The groups of (keys, what they do)."""
    prefix, detach = key_text(keymap.prefix), key_text(keymap.detach)
    modes = (
        ("DEVICE", f"keys go to the board as they are, but {prefix} and {detach}"),
        ("HOST", f"after {prefix}: keys are commands and never reach the board"),
        ("CAPTURE", "a core dump arrives: input is off, Ctrl-C asks whether to abort it"),
        ("NO-PORT", "the board is not connected, or its port is lent: keys go nowhere"),
        ("READ-ONLY", "somebody else types, or nobody: keys are commands"),
        (detach, "leaves, in every mode; board and daemon go on"),
        (f"{prefix} {prefix}", f"sends {prefix} to the board"),
    )
    groups: list[tuple[str, tuple[tuple[str, str], ...]]] = [("Modes", modes)]
    for group in GROUPS:
        rows = tuple(
            (keymap.keys_text(action.id) or "palette", action.title)
            for action in ACTIONS
            if action.group == group and action.id not in (SEND_PREFIX, DETACH)
        )
        groups.append((f"{group}, after {prefix}", rows))
    return tuple(groups)
