"""One line that is asked for, such as a note. Enter takes it, Esc gives up."""

from collections.abc import Callable

from esperctl.viewer.effects import Effect
from esperctl.viewer.keys import Key
from esperctl.viewer.model.line_input import LineInput
from esperctl.viewer.view import TextInput


class Prompt:
    """The line; ``entered`` is called with what was typed, unless that is nothing."""

    def __init__(self, label: str, entered: Callable[[str], list[Effect]]) -> None:
        self.is_closed = False
        self._label = label
        self._entered = entered
        self._line = LineInput()

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        if key.name == "enter":
            self.is_closed = True
            text = self._line.text.strip()
            return self._entered(text) if text else []
        if key.name in ("escape", "ctrl-c"):
            self.is_closed = True
        else:
            self._line.press(key)
        return []

    def view(self) -> TextInput:
        """What is to be seen."""
        return self._line.view(self._label)
