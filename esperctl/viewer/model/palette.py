"""The palette: every action by name, with the keys that it has now. Every letter is text."""

from collections.abc import Callable

from esperctl.viewer.effects import Effect
from esperctl.viewer.keys import Key
from esperctl.viewer.model.actions import ACTIONS, BACK, SEND_PREFIX, Action
from esperctl.viewer.model.choice import moved
from esperctl.viewer.model.keymap import KeyMap
from esperctl.viewer.model.line_input import LineInput
from esperctl.viewer.view import ListItem, PaletteView


class Palette:
    """The list.

    Args:
        keymap: Says the keys.
        lacks: What an action lacks to have an effect now, as a few words, or None.
        chosen: Does an action.
    """

    def __init__(
        self,
        keymap: KeyMap,
        lacks: Callable[[Action], str | None],
        chosen: Callable[[Action], list[Effect]],
    ) -> None:
        self.is_closed = False
        self._keymap = keymap
        self._lacks = lacks
        self._chosen = chosen
        self._query = LineInput()
        self._selected = 0

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        found = self._found()
        if key.name in ("escape", "ctrl-c"):
            self.is_closed = True
        elif (selected := moved(self._selected, len(found), key)) is not None:
            self._selected = selected
        elif key.name == "enter" and found:
            self.is_closed = True
            return self._chosen(found[min(self._selected, len(found) - 1)])
        elif self._query.press(key):
            self._selected = 0
        return []

    def view(self) -> PaletteView:
        """What is to be seen."""
        found = self._found()
        items = tuple(self._item(action) for action in found)
        error = None if found else "no action has this name"
        return PaletteView(self._query.view("Action", error=error), items, self._selected if items else None)

    def _item(self, action: Action) -> ListItem:
        lack = self._lacks(action)
        keys = self._keymap.keys_text(action.id)
        return ListItem(action.title, keys if lack is None else f"{keys} ({lack})".strip())

    def _found(self) -> list[Action]:
        words = self._query.text.casefold().split()
        # Back is what closing the palette does; the prefix is sent by the prefix only, never by a choice in a list.
        return [
            action
            for action in ACTIONS
            if action.id not in ("palette", BACK, SEND_PREFIX)
            and all(word in f"{action.title} {action.id} {action.group}".casefold() for word in words)
        ]
