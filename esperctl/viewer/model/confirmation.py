"""A question before something disruptive. Enter takes the selected answer, which is No at first; y and n answer too."""

from collections.abc import Callable
from typing import Final

from esperctl.viewer.effects import Effect
from esperctl.viewer.keys import Key
from esperctl.viewer.view import ConfirmView

_NO_KEYS: Final = frozenset({"n", "N", "escape", "ctrl-c", "q"})
_TURN_KEYS: Final = frozenset({"left", "right", "up", "down", "tab", "shift-tab"})


class Confirmation:
    """The question; ``confirmed`` is called at most once."""

    def __init__(self, question: str, detail: str, confirmed: Callable[[], list[Effect]]) -> None:
        self.is_closed = False
        self._question = question
        self._detail = detail
        self._confirmed = confirmed
        self._is_yes_selected = False

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        if key.name in _TURN_KEYS:
            self._is_yes_selected = not self._is_yes_selected
        elif key.name in _NO_KEYS:
            self.is_closed = True
        elif key.name in ("y", "Y") or (key.name == "enter" and self._is_yes_selected):
            self.is_closed = True
            return self._confirmed()
        elif key.name == "enter":
            self.is_closed = True
        return []

    def view(self) -> ConfirmView:
        """What is to be seen."""
        return ConfirmView(self._question, self._detail, self._is_yes_selected)
