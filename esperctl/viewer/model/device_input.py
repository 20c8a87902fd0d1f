"""Keys into bytes for the board: one by one, or as lines with history; and the one query that is answered. Pure.

In line mode the lines of a pasted text are sent as they are, byte for byte, but for their ends; the last, unfinished
one stays to be edited. Nothing of it is changed: what is no text is kept as Python does in file names (PEP 383).
"""

import re
from typing import Final

from esper_protocol.events import Line
from esperctl.viewer.keys import Key
from esperctl.viewer.model.line_input import MAX_CHARACTERS, History, LineInput
from esperctl.viewer.view import TextInput

# ECMA-48, DSR 5: "report your status", and the answer "ready". esp_console's linenoise asks it to learn whether it
# may edit lines (esp-idf components/console/linenoise/linenoise.c, linenoiseProbe).
STATUS_QUERY: Final = b"\x1b[5n"
STATUS_ANSWER: Final = b"\x1b[0n"
# A board that asks without end is not answered without end.
ANSWER_PAUSE_S: Final = 1.0
# So much of a line is kept until the rest of its paste has come.
_MOST_HELD_BYTES: Final = 1024 * 1024
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_INTERRUPTS: Final = {"ctrl-c": b"\x03", "ctrl-z": b"\x1a"}


class DeviceInput:
    """What is typed to the board; ``is_line`` says whether as whole lines, each with ``line_end`` behind it."""

    def __init__(self, *, is_line: bool, line_end: bytes) -> None:
        self.is_line = is_line
        self._line_end = line_end
        self._line = LineInput()
        self._history = History()
        self._refusal: str | None = None
        # Of a paste that goes on: a line that has no room to be edited, whether the rest of it is not taken, and
        # whether the last byte was a return.
        self._held = b""
        self._skips_line = False
        self._follows_return = False

    def press(self, key: Key) -> bytes:
        """Takes a key; the bytes that go to the board for it now."""
        if not self.is_line:
            return key.data
        if key.name != "paste":
            self.forget_paste()
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

    def forget_paste(self) -> None:
        """The rest of a paste comes no more, or goes elsewhere."""
        self._held = b""
        self._skips_line = self._follows_return = False

    def take_refusal(self) -> str | None:
        """Why something was not taken, once."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def _send(self, text: str) -> bytes:
        self._history.add(text)
        self._line.set("")
        return _bytes(text) + self._line_end

    def _paste(self, key: Key) -> bytes:
        data = self._held + key.data
        if self._follows_return:
            data = data.removeprefix(b"\n")
        self._held = b""
        self._follows_return = key.goes_on and (key.data.endswith(b"\r") or (self._follows_return and not key.data))
        *whole, rest = _LINE_END.split(data)
        if self._skips_line and whole:
            del whole[0]
            self._skips_line = False
        sent = b""
        for line in whole:
            before, after = self._around(line)
            sent += self._send(before + after)
        self._keep(b"" if self._skips_line else rest, goes_on=key.goes_on)
        return sent

    def _keep(self, rest: bytes, *, goes_on: bool) -> None:
        """Takes the unfinished line at the end of what is pasted, if there is room for it."""
        before, after = self._around(rest)
        if len(before) + len(after) <= MAX_CHARACTERS:
            self._line.text, self._line.cursor = before + after, len(before)
        elif goes_on and len(rest) <= _MOST_HELD_BYTES:
            self._held = rest
        else:
            self._refusal = f"a pasted line is not taken: it is longer than {MAX_CHARACTERS} characters"
            self._skips_line = goes_on

    def _around(self, pasted: bytes) -> tuple[str, str]:
        """The line up to the end of what is pasted at the cursor, and what follows it."""
        text, cursor = self._line.text, self._line.cursor
        # As bytes, because a character may be pasted in two parts.
        return _text(_bytes(text[:cursor]) + pasted), text[cursor:]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


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
