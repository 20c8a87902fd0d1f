"""The list of what happened, beside the log or in its place: which entry is selected, and whether it has the keys."""

from typing import Final

from esperctl.viewer.keys import Key
from esperctl.viewer.model.choice import moved
from esperctl.viewer.model.incident import Incident
from esperctl.viewer.model.incidents import Incidents
from esperctl.viewer.view import InspectorView

_ARROWS: Final = {"k": "up", "j": "down"}


class Inspector:
    """The selection is an incident, not a place in the list: it stays on it while others come.

    Until something is selected, the newest is; when the list gets the keys it is the newest crash, if there is one,
    because that is what people look for.
    """

    def __init__(self, incidents: Incidents) -> None:
        self.has_focus = False
        self._incidents = incidents
        self._selected: str | None = None
        self._is_at_end = False

    @property
    def selected(self) -> Incident | None:
        """The selected one; None: there is none."""
        index = self._index()
        return None if index is None else self._incidents.sorted()[index]

    def select(self, key: str) -> None:
        """Selects the one of this key."""
        self._selected, self._is_at_end = key, False

    def press(self, key: Key) -> bool:
        """Takes a key that moves; whether it was one."""
        incidents = self._incidents.sorted()
        if key.name in ("home", "end"):
            index = 0 if key.name == "home" else len(incidents) - 1
        else:
            found = moved(self._index(), len(incidents), Key(_ARROWS.get(key.name, key.name), key.data))
            if found is None:
                return False
            index = found
        if incidents:
            # At the end it follows again.
            self._is_at_end = index == len(incidents) - 1
            self._selected = None if self._is_at_end else incidents[index].key
        return True

    def neighbour(self, key: str, step: int) -> Incident | None:
        """The one after (1) or before (-1) the one of this key, round the ends."""
        incidents = self._incidents.sorted()
        index = next((index for index, incident in enumerate(incidents) if incident.key == key), None)
        return incidents[(index + step) % len(incidents)] if index is not None else self.selected

    def view(self, note: str) -> InspectorView:
        """What is to be seen."""
        return InspectorView(self._incidents.items(), self._index(), self.has_focus, note)

    def _index(self) -> int | None:
        incidents = self._incidents.sorted()
        if not incidents:
            return None
        wanted = self._selected
        if wanted is None and self.has_focus and not self._is_at_end:
            crash = self._incidents.latest_crash()
            wanted = None if crash is None else crash.key
        last = len(incidents) - 1
        return next((index for index, incident in enumerate(incidents) if incident.key == wanted), last)
