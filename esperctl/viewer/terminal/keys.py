r"""Bytes of a terminal into keys: every byte is in exactly one key, in order, but the brackets of a paste.

A sequence that nobody knows is one key, too: were it taken for an Escape and some letters, the letters would be taken
for commands. Only the names of sequences are prompt_toolkit's. Pure.

Sources: ECMA-48 5.4 (control sequences), xterm's ctlseqs ("Bracketed Paste Mode", "PC-Style Function Keys"), the Linux
console's ``ESC [ [ A`` to ``E`` for F1 to F5 (console_codes(4)).
"""

import re
from typing import Final

from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.keys import Keys

from esperctl.viewer.keys import Key

_PASTE_START: Final = b"\x1b[200~"
_PASTE_END: Final = b"\x1b[201~"
# A longer paste is handed over in parts, so that a paste without an end is not kept forever.
_PASTE_PART_BYTES: Final = 64 * 1024

_NAMES: Final[dict[Keys, str]] = {
    Keys.Up: "up",
    Keys.Down: "down",
    Keys.Left: "left",
    Keys.Right: "right",
    Keys.Home: "home",
    Keys.End: "end",
    Keys.PageUp: "pageup",
    Keys.PageDown: "pagedown",
    Keys.Insert: "insert",
    Keys.Delete: "delete",
    Keys.BackTab: "shift-tab",
    Keys.ControlM: "enter",
} | {Keys(f"f{number}"): f"f{number}" for number in range(1, 13)}

_SEQUENCES: Final[dict[bytes, str]] = {
    sequence.encode(): _NAMES[key]
    for sequence, key in ANSI_SEQUENCES.items()
    if isinstance(key, Keys) and key in _NAMES and len(sequence) > 1
}
_CONTROLS: Final[dict[int, str]] = {
    **{code: f"ctrl-{chr(code + 0x60)}" for code in range(1, 27)},
    0x09: "tab",
    0x0D: "enter",
    0x1C: "ctrl-\\",
    0x1D: "ctrl-]",
    0x7F: "backspace",
}
_ESCAPE: Final = 0x1B
# A control sequence, a function key of the Linux console, a key of the application keypad.
_SEQUENCE: Final = re.compile(rb"\x1b(?:\[\[[A-E]|\[(?!\[)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|O[\x20-\x7e])")
_UNFINISHED: Final = re.compile(rb"\x1b(?:\[\[?|\[[\x30-\x3f]*[\x20-\x2f]*|O)?\Z")
# What Alt makes of Enter and Backspace; with other controls Escape is a key of its own, such as before Ctrl-T.
_ALT_CONTROLS: Final = frozenset(b"\r\n\x08\x7f")


class KeyReader:
    """Keys of a stream of bytes, in whatever parts they come."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._in_paste = False
        # Whether a part of the paste was handed over; then its last one is, too, if it is empty.
        self._is_cut = False

    def feed(self, data: bytes) -> list[Key]:
        """The keys that are complete with *data*."""
        self._held += data
        keys: list[Key] = []
        while self._held:
            key = self._next_of_paste() if self._in_paste else self._next()
            if key is None:
                break
            if key.data == _PASTE_START and not self._in_paste:
                self._in_paste = True
            elif key.data or self._is_cut:
                keys.append(key)
                self._is_cut = key.goes_on
        return keys

    def flush(self) -> list[Key]:
        """What is held back, as it is, because nothing followed for a while; an Escape most of all."""
        held = bytes(self._held)
        if self._in_paste:
            kept = _overlap(held, _PASTE_END)
            self._held = bytearray(held[len(held) - kept :])
            held = held[: len(held) - kept]
            self._is_cut = self._is_cut or bool(held)
            return [Key("paste", held, goes_on=True)] if held else []
        self._held.clear()
        if not held:
            return []
        return [Key("escape" if held == b"\x1b" else "unknown", held)]

    def _take(self, count: int, name: str, *, goes_on: bool = False) -> Key:
        data = bytes(self._held[:count])
        del self._held[:count]
        return Key(name, data, goes_on)

    def _next_of_paste(self) -> Key | None:
        end = self._held.find(_PASTE_END)
        if end >= 0:
            key = self._take(end, "paste")
            del self._held[: len(_PASTE_END)]
            self._in_paste = False
            return key
        if len(self._held) > _PASTE_PART_BYTES:
            return self._take(len(self._held) - _overlap(bytes(self._held[-8:]), _PASTE_END), "paste", goes_on=True)
        return None

    def _next(self) -> Key | None:
        first = self._held[0]
        if first == _ESCAPE:
            return self._next_sequence()
        if first < 0x20 or first == 0x7F:
            return self._take(1, _CONTROLS.get(first, "unknown"))
        return self._next_character(0)

    def _next_sequence(self) -> Key | None:
        if found := _SEQUENCE.match(self._held):
            return self._take(found.end(), _SEQUENCES.get(found[0], "unknown"))
        if _UNFINISHED.match(self._held):
            return None
        second = self._held[1]
        if self._held.startswith(b"\x1b\t"):
            return self._take(2, "shift-tab")
        if second in _ALT_CONTROLS:
            return self._take(2, "unknown")
        if second < 0x20 or self._held.startswith((b"\x1b[", b"\x1bO")):
            return self._take(1, "escape")
        return self._next_character(1)

    def _next_character(self, offset: int) -> Key | None:
        """One character of UTF-8, behind *offset* bytes that belong to it (Alt)."""
        size = _utf8_size(self._held[offset])
        data = bytes(self._held[offset : offset + size])
        try:
            character = data.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and len(self._held) < offset + size:
                return None
            return self._take(offset + 1, "unknown")
        is_plain = offset == 0 and character.isprintable()
        return self._take(offset + size, character if is_plain else "unknown")


def _utf8_size(first: int) -> int:
    """How many bytes a character takes that starts with this one; 1 for what starts none (RFC 3629)."""
    if 0xC2 <= first < 0xE0:
        return 2
    if 0xE0 <= first < 0xF0:
        return 3
    return 4 if 0xF0 <= first < 0xF5 else 1


def _overlap(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of *data* may be the start of *mark*."""
    return next((size for size in range(len(mark) - 1, 0, -1) if data.endswith(mark[:size])), 0)
