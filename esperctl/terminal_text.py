r"""Device output into text that is safe on a terminal: an incremental filter without I/O.

Rule: of everything that a terminal would obey, only colour and style (SGR, ``ESC [ … m``), a carriage return
before further text of the same line and a backspace pass. All else becomes visible: ESC as ``␛`` (what follows it is
then ordinary text, however long, so that no sequence has to be remembered), other controls and invalid UTF-8 as
``\x07``, bidirectional controls as ``\u202e``. The same bytes give the same text in any chunking.

A style ends at the end of its line: a board that crashed in red must not colour the lines after.
"""

import codecs
import re
from typing import Final

from esperctl.safe_text import UNSAFE_CLASS, visible

RESET: Final = "\x1b[0m"

# Real styles are far shorter; what is longer is not a style but an attempt to make this filter hold data back.
_MAX_SGR_PARAMETERS: Final = 64

_SGR_BODY: Final = rf"\[[0-9;:]{{0,{_MAX_SGR_PARAMETERS}}}"
_SPECIAL: Final = re.compile(rf"\x1b{_SGR_BODY}m|\r+\n?|\n|[{UNSAFE_CLASS}]")
_NEEDS_CARE: Final = re.compile(rf"[\r{UNSAFE_CLASS}]")
_UNFINISHED: Final = re.compile(rf"(?:\x1b(?:{_SGR_BODY})?|\r+)\Z")
_SGR: Final = re.compile(rf"\x1b{_SGR_BODY}m")
_RESETS: Final = frozenset({"\x1b[m", RESET})


class TerminalText:
    """The filter for one board's stream; holds less than 100 characters between calls."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""
        self._styled = False

    def feed(self, data: bytes) -> str:
        """The safe text of *data*; each newline in it gives exactly one in the text, and nothing else does."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        if not self._styled and not _NEEDS_CARE.search(text):
            return text
        if match := _UNFINISHED.search(text):
            # Several carriage returns do what one does; so what is held stays short.
            self._held = "\r" if text[-1] == "\r" else match[0]
            text = text[: match.start()]
        return _SPECIAL.sub(self._replace, text)

    def flush(self) -> str:
        """What is held back, made visible, and the end of the style; for an end of the stream or a break in it."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        rest = _SPECIAL.sub(self._replace, text.rstrip("\r"))
        return rest + self._end_style()

    def _replace(self, match: re.Match[str]) -> str:
        found = match[0]
        if found[-1] == "\n":
            return self._end_style() + "\n"
        if found[0] == "\r":
            return "\r"
        if found == "\b":
            # The cursor one to the left, not beyond the line's start: how consoles rub out what is typed.
            return found
        if len(found) == 1:
            return visible(found)
        if not self._colour:
            return ""
        self._styled = found not in _RESETS
        return found

    def _end_style(self) -> str:
        styled, self._styled = self._styled, False
        return RESET if styled else ""


def without_sequences(text: str) -> str:
    """*text* without styles, for searching."""
    return _SGR.sub("", text) if "\x1b" in text else text
