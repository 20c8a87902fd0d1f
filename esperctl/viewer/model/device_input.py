"""Keys into bytes for the board: one by one, or as lines with history; and the one query that is answered. Pure.

A pasted text of several lines is sent line by line in line mode; its last, unfinished line stays to be edited.
"""

from typing import Final

from esper_protocol.events import Line
from esperctl.safe_text import safe_text
from esperctl.viewer.keys import Key
from esperctl.viewer.model.line_input import History, LineInput
from esperctl.viewer.view import TextInput

# ECMA-48, DSR 5: "report your status", and the answer "ready". esp_console's linenoise asks it to learn whether it
# may edit lines (esp-idf components/console/linenoise/linenoise.c, linenoiseProbe).
STATUS_QUERY: Final = b"\x1b[5n"
STATUS_ANSWER: Final = b"\x1b[0n"
# A board that asks without end is not answered without end.
ANSWER_PAUSE_S: Final = 1.0
_INTERRUPTS: Final = {"ctrl-c": b"\x03", "ctrl-z": b"\x1a"}


class DeviceInput:
    """What is typed to the board; ``is_line`` says whether as whole lines, each with ``line_end`` behind it."""

    def __init__(self, *, is_line: bool, line_end: bytes) -> None:
        self.is_line = is_line
        self._line_end = line_end
        self._line = LineInput()
        self._history = History()

    def press(self, key: Key) -> bytes:
        """Takes a key; the bytes that go to the board for it now."""
        if not self.is_line:
            return key.data
        match key.name:
            case "enter":
                return self._send(self._line.text)
            case "up":
                self._line.set(self._history.older(self._line.text))
            case "down":
                self._line.set(self._history.newer(self._line.text))
            case "paste":
                return self._paste(key)
            case "ctrl-c" | "ctrl-z":
                return _INTERRUPTS[key.name]
            case _:
                self._line.press(key)
        return b""

    def view(self, *, is_focused: bool) -> TextInput | None:
        """The line that is typed."""
        return self._line.view("Line", is_focused=is_focused) if self.is_line else None

    def _send(self, text: str) -> bytes:
        self._history.add(text)
        self._line.set("")
        return text.encode("utf-8", "replace") + self._line_end

    def _paste(self, key: Key) -> bytes:
        text = key.data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        *whole, rest = text.split("\n")
        sent = b""
        for part in whole:
            self._line.insert(safe_text(part.replace("\t", " ")))
            sent += self._send(self._line.text)
        self._line.insert(safe_text(rest.replace("\t", " ")))
        return sent


class StatusQuery:
    """Finds the terminal status query in what a board says now, and says when it is answered."""

    def __init__(self) -> None:
        self._end = b""
        self._answered_at: float | None = None

    def find(self, line: Line, now: float, *, may_answer: bool) -> bytes:
        """The answer to a query in *line*, or what began before it; empty: none is due."""
        text = self._end + line.data
        self._end = text[-(len(STATUS_QUERY) - 1) :]
        if STATUS_QUERY not in text or not may_answer:
            return b""
        if self._answered_at is not None and now - self._answered_at < ANSWER_PAUSE_S:
            return b""
        self._answered_at = now
        return STATUS_ANSWER
