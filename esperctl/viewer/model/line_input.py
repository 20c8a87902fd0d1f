"""A line of text that is typed: cursor, deletion, paste and history. Pure.

Keys are those of readline where both can have them; what is pasted is one line, its newlines become spaces (but in
what is typed to a board, where ``device_input`` keeps every byte).
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from esperctl.safe_text import UNSAFE_CLASS, safe_text
from esperctl.viewer.keys import Key
from esperctl.viewer.view import TextInput

# More is not typed, and a paste by mistake must not make every redraw slow.
MAX_CHARACTERS: Final = 4096
HISTORY_LINES: Final = 100


class LineInput:
    """The text and the cursor, an index into it from 0 to its length."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.cursor = len(text)

    def press(self, key: Key) -> bool:
        """Takes a key; whether it was one for text (else nothing changed)."""
        edit = _EDITS.get(key.name)
        if edit is not None:
            self.text, self.cursor = edit(self.text, self.cursor)
        elif key.name == "paste":
            self.insert(pasted_text(key))
        elif len(key.name) == 1 and key.name.isprintable():
            self.insert(key.name)
        else:
            return False
        return True

    def insert(self, text: str) -> None:
        """Puts printable text at the cursor, as far as there is room."""
        text = text[: MAX_CHARACTERS - len(self.text)]
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)

    def set(self, text: str) -> None:
        """Replaces everything."""
        self.text, self.cursor = text, len(text)

    def view(self, label: str, *, is_focused: bool = True, error: str | None = None) -> TextInput:
        """What is to be seen."""
        return TextInput(label, _shown(self.text), self.cursor, is_focused, error)


def is_edit(key: Key) -> bool:
    """Whether a key changes a text, or moves in it, without being a character of it."""
    return key.name in _EDITS


class History:
    """The lines that were sent, newest last; up and down go through them and come back to what was being typed."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=HISTORY_LINES)
        self._index: int | None = None
        self._draft = ""

    def add(self, line: str) -> None:
        """A line was sent."""
        self._index = None
        if line and len(line) <= MAX_CHARACTERS and (not self._lines or self._lines[-1] != line):
            self._lines.append(line)

    def older(self, text: str) -> str:
        """The line before; *text* is what stands there now."""
        if not self._lines:
            return text
        if self._index is None:
            self._draft = text
            self._index = len(self._lines)
        self._index = max(self._index - 1, 0)
        return self._lines[self._index]

    def newer(self, text: str) -> str:
        """The line after, at last what was being typed."""
        if self._index is None:
            return text
        self._index += 1
        if self._index >= len(self._lines):
            self._index = None
            return self._draft
        return self._lines[self._index]


def _shown(text: str) -> str:
    """The text with a sign in the place of each character that is none, so that the cursor stays where it is."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(rf"[\t\r\n\u2028\u2029\ud800-\udfff{UNSAFE_CLASS}]", lambda match: _sign(match[0]), text)


def _sign(character: str) -> str:
    if character == "\t":
        return " "
    if character == "\x7f":
        return "\u2421"
    # Unicode's pictures of the controls of ASCII.
    return chr(0x2400 + ord(character)) if character < " " else "\ufffd"


def pasted_text(key: Key) -> str:
    """What was pasted, as one printable line."""
    lines = key.data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    return safe_text(" ".join(line.replace("\t", " ") for line in lines))


_Edit = Callable[[str, int], tuple[str, int]]


def _backspace(text: str, cursor: int) -> tuple[str, int]:
    start = max(cursor - 1, 0)
    return text[:start] + text[cursor:], start


def _delete_word(text: str, cursor: int) -> tuple[str, int]:
    kept = text[:cursor].rstrip(" ")
    kept = kept[: kept.rfind(" ") + 1]
    return kept + text[cursor:], len(kept)


_EDITS: Final[dict[str, _Edit]] = {
    "backspace": _backspace,
    "ctrl-h": _backspace,
    "delete": lambda text, cursor: (text[:cursor] + text[cursor + 1 :], cursor),
    "ctrl-d": lambda text, cursor: (text[:cursor] + text[cursor + 1 :], cursor),
    "left": lambda text, cursor: (text, max(cursor - 1, 0)),
    "ctrl-b": lambda text, cursor: (text, max(cursor - 1, 0)),
    "right": lambda text, cursor: (text, min(cursor + 1, len(text))),
    "ctrl-f": lambda text, cursor: (text, min(cursor + 1, len(text))),
    "home": lambda text, _: (text, 0),
    "ctrl-a": lambda text, _: (text, 0),
    "end": lambda text, _: (text, len(text)),
    "ctrl-e": lambda text, _: (text, len(text)),
    "ctrl-u": lambda text, cursor: (text[cursor:], 0),
    "ctrl-k": lambda text, cursor: (text[:cursor], cursor),
    "ctrl-w": _delete_word,
}
