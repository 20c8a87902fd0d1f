"""Moving about: scrolling, matches of the search, boots, panics and dumps, the inspector, details."""

from collections.abc import Callable
from typing import Final

from esperctl.viewer.dialogs import last_detail_scroll
from esperctl.viewer.effects import Effect
from esperctl.viewer.model.detail import Detail, DetailCallbacks
from esperctl.viewer.model.incident import Incident, Kind
from esperctl.viewer.model.search import Direction
from esperctl.viewer.model.state import State
from esperctl.viewer.view import DetailView

_COLUMNS: Final = 8
_NAMES: Final[dict[Kind, str]] = {"boot": "boot", "panic": "panic", "dump": "core dump"}


class Moves:
    """The actions."""

    def __init__(self, state: State) -> None:
        self._state = state
        log = state.log
        self.doings: Final[dict[str, Callable[[], list[Effect]]]] = {
            "follow": _then(log.follow),
            "oldest": _then(log.go_to_oldest),
            "page_up": _then(log.scroll_pages, -1),
            "page_down": _then(log.scroll_pages, 1),
            "up": _then(log.scroll, -1),
            "down": _then(log.scroll, 1),
            "left": lambda: self._sideways(-_COLUMNS),
            "right": lambda: self._sideways(_COLUMNS),
            "search": self._search,
            "next_match": lambda: self._match("newer"),
            "previous_match": lambda: self._match("older"),
            "previous_boot": lambda: self._before("boot"),
            "next_boot": lambda: self._after("boot"),
            "previous_panic": lambda: self._before("panic"),
            "next_panic": lambda: self._after("panic"),
            "previous_dump": lambda: self._before("dump"),
            "next_dump": lambda: self._after("dump"),
            "inspector": self._inspector,
            "panel": self._panel,
            "latest": self._latest,
        }

    @property
    def position(self) -> int | None:
        """Where the user is; None: at the end."""
        return None if self._state.log.is_following else self._state.log.position

    def jump(self, seq: int) -> list[Effect]:
        """Shows the line at a position."""
        state = self._state
        state.log.go_to(seq)
        state.modes = state.modes.with_navigation()
        # Where the list stands in place of the log, the line would not be seen.
        state.inspector.has_focus = state.inspector.has_focus and state.has_panel_room
        return []

    def open(self, incident: Incident) -> list[Effect]:
        """Shows everything about an incident."""
        state = self._state

        def neighbour(key: str, step: int) -> Incident | None:
            found = state.inspector.neighbour(key, step)
            if found is not None:
                state.inspector.select(found.key)
            return found

        def last_scroll(view: DetailView) -> int:
            return last_detail_scroll(view, state.columns, state.rows)

        callbacks = DetailCallbacks(self.jump, neighbour, last_scroll)
        detail = Detail(incident, state.incidents, state.page_lines, callbacks)
        state.inspector.select(incident.key)
        state.overlays.append(detail)
        return detail.opened()

    def _sideways(self, columns: int) -> list[Effect]:
        if self._state.wraps:
            self._state.say(f"lines are wrapped; {self._state.how_to('wrap')} cuts them instead", topic="lack")
        else:
            self._state.log.scroll_columns(columns)
        return []

    def _search(self) -> list[Effect]:
        self._state.search.open()
        self._state.log.set_search(self._state.search.typed)
        return []

    def _match(self, direction: Direction) -> list[Effect]:
        state = self._state
        position = self.position
        found = state.search.go(direction, position)
        if found is None:
            state.say(f"searching: {state.search.count_text}", topic="search")
            return []
        if position is not None and (found >= position if direction == "older" else found <= position):
            state.say(f"search goes on from the {'newest' if direction == 'older' else 'oldest'} match", topic="search")
        return self.jump(found)

    def _before(self, kind: Kind) -> list[Effect]:
        found = self._state.incidents.before(kind, self.position)
        return self._go_to(found, f"no older {_NAMES[kind]} is known")

    def _after(self, kind: Kind) -> list[Effect]:
        position = self.position
        found = None if position is None else self._state.incidents.after(kind, position)
        return self._go_to(found, f"no newer {_NAMES[kind]}")

    def _go_to(self, incident: Incident | None, otherwise: str) -> list[Effect]:
        if incident is None:
            self._state.say(otherwise, topic="lack")
            return []
        self._state.inspector.select(incident.key)
        return self.jump(incident.seq)

    def _inspector(self) -> list[Effect]:
        inspector = self._state.inspector
        inspector.has_focus = not inspector.has_focus
        return []

    def _panel(self) -> list[Effect]:
        state = self._state
        if state.has_panel_room:
            state.shows_panel = not state.shows_panel
        else:
            state.say(f"there is no room beside the log; {state.how_to('inspector')} shows the list", topic="lack")
        return []

    def _latest(self) -> list[Effect]:
        incident = self._state.incidents.latest_crash()
        if incident is not None:
            return self.open(incident)
        self._state.say("no crash is known", topic="lack")
        return []


def _then(move: Callable[..., None], *arguments: int) -> Callable[[], list[Effect]]:
    """A move of the log as an action: it asks for nothing itself."""

    def doing() -> list[Effect]:
        move(*arguments)
        return []

    return doing
