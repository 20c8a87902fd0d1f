"""Everything about one incident, above the log: scrolled, copied, saved, decoded again; as it is now."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esperctl.safe_text import safe_text
from esperctl.viewer.effects import (
    CancelDecode,
    CopyText,
    DecodeCoredump,
    Effect,
    FetchCoredump,
    PinCoredump,
    SaveCoredump,
    SaveText,
)
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import CoredumpFetched
from esperctl.viewer.model.detail_sections import plain_text, sections
from esperctl.viewer.model.incident import DECODE_SEVERITIES, Incident
from esperctl.viewer.model.incidents import Incidents
from esperctl.viewer.view import DetailSection, DetailView

if TYPE_CHECKING:
    from esper_protocol.messages import CoredumpFile

_RUNNING: Final = ("pending", "decoding")
_HINTS: Final = {
    "copy": "copies the report",
    "save": "saves it",
    "raw": "saves the raw dump",
    "to log": "jumps to the line",
    "decode": "decodes again",
    "cancel": "cancels the decode",
    "pin": "pins",
    "unpin": "unpins",
}


@dataclass(frozen=True, slots=True)
class DetailCallbacks:
    """What the view leads to and needs.

    ``jump`` goes to a position in the log; ``neighbour`` is the incident before or after the one of a key;
    ``last_scroll`` says how far a view can be scrolled now.
    """

    jump: Callable[[int], list[Effect]]
    neighbour: Callable[[str, int], Incident | None]
    last_scroll: Callable[[DetailView], int]


class Detail:
    """The view of one incident, which may be another one after Tab.

    Args:
        incident: Which one.
        incidents: All of them, where its state is looked up each time.
        page_lines: How far a page is.
        callbacks: What it leads to.
    """

    def __init__(self, incident: Incident, incidents: Incidents, page_lines: int, callbacks: DetailCallbacks) -> None:
        self.is_closed = False
        self._key = incident.key
        self._first = incident
        self._incidents = incidents
        self._page_lines = page_lines
        self._callbacks = callbacks
        self._report: str | None = None
        self._files: tuple[CoredumpFile, ...] = ()
        self._scroll = 0
        self._made: tuple[object, tuple[DetailSection, ...]] | None = None

    @property
    def incident(self) -> Incident:
        """What is shown, as it is now."""
        return self._incidents.get(self._key) or self._first

    def opened(self) -> list[Effect]:
        """What to ask for, to show everything."""
        return [FetchCoredump(self._key)] if self.incident.kind == "dump" else []

    def fetched(self, message: CoredumpFetched) -> None:
        """Takes what was asked for; what is about another dump is ignored."""
        if message.record.id == self._key:
            self._report, self._files = message.report, message.files

    def press(self, key: Key) -> list[Effect]:
        """Takes a key."""
        page, last = self._page_lines, self._callbacks.last_scroll(self.view())
        moves = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, " ": page, "home": -last, "end": last}
        if key.name in moves:
            self._scroll = min(max(self._scroll + moves[key.name], 0), last)
        elif key.name in ("escape", "q", "enter", "ctrl-c"):
            self.is_closed = True
        elif key.name in ("tab", "shift-tab"):
            return self._turn(1 if key.name == "tab" else -1)
        elif key.name in self._actions():
            return self._act(key.name)
        return []

    def view(self) -> DetailView:
        """What is to be seen."""
        incident = self.incident
        severity = DECODE_SEVERITIES[incident.decode.state] if incident.decode.state != "none" else incident.severity
        keys = (*((key, title) for key, title in self._actions().items()), ("Tab", "next"), ("Esc", "close"))
        state = incident.state_text or ("not decoded" if incident.kind in ("panic", "dump") else "")
        return DetailView(safe_text(incident.title), state, severity, self._sections(), self._scroll, keys)

    @property
    def hint(self) -> str:
        """What the keys do, in more words than there is room for below the view."""
        return "  ".join(f"{key} {_HINTS[what]}" for key, what in self._actions().items()) + "  Tab next  Esc closes"

    def _actions(self) -> dict[str, str]:
        """The keys that have an effect now, and what they do."""
        incident = self.incident
        actions = {"c": "copy", "s": "save", "j": "to log"}
        if incident.kind != "dump":
            return actions
        actions["r"] = "raw"
        if incident.record is None or incident.record.capture != "capturing":
            actions["d"] = "cancel" if incident.decode.state in _RUNNING else "decode"
        if incident.record is not None:
            actions["P"] = "unpin" if incident.record.pinned else "pin"
        return actions

    def _act(self, name: str) -> list[Effect]:
        incident = self.incident
        match name:
            case "c":
                return [CopyText(self._text(), self._file_name())]
            case "s":
                return [SaveText(self._text(), self._file_name())]
            case "r":
                return [SaveCoredump(incident.key)]
            case "d":
                is_running = incident.decode.state in _RUNNING
                return [CancelDecode(incident.key) if is_running else DecodeCoredump(incident.key)]
            case "P" if incident.record is not None:
                return [PinCoredump(incident.key, not incident.record.pinned)]
            case _:
                self.is_closed = True
                return self._callbacks.jump(incident.seq)

    def _turn(self, step: int) -> list[Effect]:
        found = self._callbacks.neighbour(self._key, step)
        if found is None:
            return []
        self._key, self._first = found.key, found
        self._report, self._files, self._scroll, self._made = None, (), 0, None
        return self.opened()

    def _sections(self) -> tuple[DetailSection, ...]:
        incident = self.incident
        report = self._report or incident.decode.report
        dump = self._incidents.dump_of(incident) if incident.kind == "panic" else None
        # A report is large, and the view is drawn again for every line of the log.
        basis = (incident, report, self._files, dump)
        if self._made is None or self._made[0] != basis:
            self._made = (basis, sections(incident, report, self._files, dump))
        return self._made[1]

    def _text(self) -> str:
        incident = self.incident
        return plain_text(safe_text(incident.title), self._sections())

    def _file_name(self) -> str:
        # The key is a daemon's word; in a file name it is letters, digits and dashes.
        name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in self._key)
        return f"{name.lstrip('.')}-report.txt"
