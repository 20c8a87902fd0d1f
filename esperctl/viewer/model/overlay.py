"""What stands above the log and takes the keys first: dialogs, lists, forms. Events and effects flow on below it."""

from typing import Protocol

from esperctl.viewer import view
from esperctl.viewer.effects import Effect
from esperctl.viewer.keys import Key


class Overlay(Protocol):
    """One of them. What it leads to is done by callbacks that it was made with; it knows nothing of the rest."""

    is_closed: bool

    def press(self, key: Key) -> list[Effect]:
        """Takes a key; every key is its own, whether it means anything to it or not."""
        ...

    def view(self) -> view.Overlay:
        """What is to be seen."""
        ...
