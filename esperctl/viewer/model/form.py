"""A form of text fields: Tab and the arrows move between them, Enter applies, Esc gives up. Every letter is text.

What is wrong in a field is said beside it at once. Applying is refused until it is mended; Esc always leads out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from esperctl.viewer.effects import Effect
from esperctl.viewer.keys import Key
from esperctl.viewer.model.line_input import LineInput
from esperctl.viewer.view import FormView, TextInput


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its label, its text at first, and what checks it by raising ValueError with a sentence."""

    label: str
    text: str
    check: Callable[[str], object]


class Form:
    """The fields; ``applied`` gets their texts."""

    def __init__(
        self, title: str, fields: Sequence[Field], hint: str, applied: Callable[[list[str]], list[Effect]]
    ) -> None:
        self.is_closed = False
        self._title = title
        self._fields = fields
        self._hint = hint
        self._applied = applied
        self._lines = [LineInput(field.text) for field in fields]
        self._focus = 0

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        if key.name in ("escape", "ctrl-c"):
            self.is_closed = True
        elif key.name in ("tab", "down"):
            self._focus = (self._focus + 1) % len(self._fields)
        elif key.name in ("shift-tab", "up"):
            self._focus = (self._focus - 1) % len(self._fields)
        elif key.name == "enter":
            return self._apply()
        else:
            self._lines[self._focus].press(key)
        return []

    def view(self) -> FormView:
        """What is to be seen."""
        fields = tuple(self._field(index) for index in range(len(self._fields)))
        return FormView(self._title, fields, self._hint)

    def _apply(self) -> list[Effect]:
        wrong = next((index for index in range(len(self._fields)) if self._error(index) is not None), None)
        if wrong is not None:
            self._focus = wrong
            return []
        self.is_closed = True
        return self._applied([line.text.strip() for line in self._lines])

    def _field(self, index: int) -> TextInput:
        is_focused = index == self._focus
        return self._lines[index].view(self._fields[index].label, is_focused=is_focused, error=self._error(index))

    def _error(self, index: int) -> str | None:
        text = self._lines[index].text.strip()
        try:
            if text:
                self._fields[index].check(text)
        except ValueError as error:
            return str(error)
        return None
