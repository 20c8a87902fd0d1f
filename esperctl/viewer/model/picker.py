"""The board picker: every board of every daemon with its live state."""

from collections.abc import Callable
from typing import Final

from esper_protocol.records import BoardRecord, DaemonRecord
from esperctl.safe_text import safe_text
from esperctl.viewer.effects import Effect, ListBoards, SwitchBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.model.choice import moved
from esperctl.viewer.view import ListItem, PickerView, Severity

# How often the states are asked for while the picker is open.
REFRESH_S: Final = 2.0
_MOST_EARLY_KEYS: Final = 32
_ARROWS: Final = {"k": "up", "j": "down"}


class Picker:
    """The list.

    Args:
        current: Socket and name of the board that is followed; None: none yet.
        given_up: What Esc does.
    """

    def __init__(self, current: tuple[str, str] | None, given_up: Callable[[], list[Effect]]) -> None:
        self.is_closed = False
        self._current = current
        self._given_up = given_up
        self._boards: tuple[tuple[DaemonRecord, BoardRecord], ...] = ()
        self._selected: tuple[str, str] | None = current
        self._note = "looking for boards…"
        # What was pressed before the list came.
        self._early: list[Key] | None = []
        self.refresh_at: float | None = None

    def listed(self, boards: tuple[tuple[DaemonRecord, BoardRecord], ...], now: float) -> list[Effect]:
        """The boards as they are now; the selection stays on its board. What was pressed before is done now."""
        self._boards = boards
        self.refresh_at = now + REFRESH_S
        self._note = "Enter follows the board" if boards else "no board: start one with `esperd PORT`"
        early, self._early = self._early or [], None
        return [effect for key in early for effect in self.press(key)]

    def failed(self, error: str, now: float) -> None:
        """They can't be listed, or the board can't be followed."""
        self._note = safe_text(error)
        self.refresh_at = now + REFRESH_S

    def left(self) -> None:
        """No board is followed any more, so that each can be chosen."""
        self._current = None

    def tick(self, now: float) -> list[Effect]:
        """Time has passed: the next question goes out when the last one was answered."""
        if self.refresh_at is None or now < self.refresh_at:
            return []
        self.refresh_at = None
        return [ListBoards()]

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        places = self._places()
        selected = self._index()
        key = Key(_ARROWS.get(key.name, key.name), key.data)
        if key.name in ("escape", "q", "ctrl-c"):
            self.is_closed = True
            return self._given_up()
        if self._early is not None:
            self._early = [*self._early, key][:_MOST_EARLY_KEYS]
            return []
        if (index := moved(selected, len(places), key)) is not None:
            self._selected = places[index]
        elif key.name == "enter" and selected is not None:
            return self._choose(places[selected])
        return []

    def view(self) -> PickerView:
        """What is to be seen."""
        return PickerView(tuple(self._item(*entry) for entry in self._boards), self._index(), self._note)

    def _choose(self, place: tuple[str, str]) -> list[Effect]:
        if place == self._current:
            self.is_closed = True
            return []
        self._note = f"going to {safe_text(place[1])}…"
        # The board before is left by that, so to choose it is to go back to it.
        self._current = None
        # It stays open until the board is there: if that fails, another one can be chosen.
        return [SwitchBoard(*place)]

    def _places(self) -> list[tuple[str, str]]:
        return [(daemon.socket, board.board) for daemon, board in self._boards]

    def _index(self) -> int | None:
        places = self._places()
        if not places:
            return None
        return places.index(self._selected) if self._selected in places else 0

    def _item(self, daemon: DaemonRecord, board: BoardRecord) -> ListItem:
        is_current = (daemon.socket, board.board) == self._current
        parts = [board.port, state_text(board.state, board.state_detail)]
        parts += [part for part in (board.chip, board.project) if part]
        parts.append(f"{board.writer} types" if board.writer else "")
        parts.append("a core dump arrives" if board.capture else "")
        parts.append(f"last crash: {board.last_crash.reason}" if board.last_crash else "")
        detail = ", ".join(safe_text(part) for part in parts if part)
        severity: Severity = "info" if board.state == "connected" else "warning"
        return ListItem(safe_text(board.board) + (" (this one)" if is_current else ""), detail, severity=severity)


def state_text(state: str, detail: str | None) -> str:
    """A board's state for people."""
    word = "lent" if state == "released" else state
    return f"{word}: {detail}" if detail and state != "connected" else word
