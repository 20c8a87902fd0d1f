r"""Any text into printable text whose width in cells is known. Pure.

Every character of the result is as wide as the ``wcwidth`` package says: 0 (a combining mark on the character before
it), 1 or 2 cells. All else becomes visible: controls and what reorders or hides text as ``\x07`` and ``\u202e``.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from wcwidth import wcwidth

from esperctl.safe_text import visible

_TAB_CELLS: Final = 8
# More marks than any script puts on one letter would make a cell of unbounded size.
_MOST_MARKS: Final = 4
# Joiners and variation selectors: terminals disagree about how wide what they join is, and without them all agree.
_DROPPED: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")
# A text may hold every character there is; the tables need not.
_MOST_KNOWN: Final = 20_000


class _Widths(dict[str, int]):
    def __missing__(self, character: str) -> int:
        width = max(wcwidth(character), 0)
        if len(self) < _MOST_KNOWN:
            self[character] = width
        return width


class _Replacements(dict[int, str]):
    def __missing__(self, code: int) -> str:
        replacement = _printable_character(chr(code))
        if len(self) < _MOST_KNOWN:
            self[code] = replacement
        return replacement


def _printable_character(character: str) -> str:
    if character in _DROPPED:
        return ""
    if character == "\t":
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    if character.isprintable() and wcwidth(character) >= 0:
        return character
    return visible(character) if character < "\U00010000" else f"\\U{ord(character):08x}"


_WIDTHS: Final = _Widths()
_REPLACEMENTS: Final = _Replacements()

width_of = _WIDTHS.__getitem__
"""The width of one printable character in cells."""


def text_width(text: str) -> int:
    """The width of printable text in cells."""
    return len(text) if text.isascii() else sum(map(width_of, text))


def leading_marks(text: str) -> int:
    """How many characters at the beginning of any *text* go with the one before it."""
    if text.isascii():
        return 0
    return next((index for index, character in enumerate(text) if not _is_mark(character)), len(text))


def printable(text: str, column: int = 0) -> str:
    """*text* with nothing in it that a terminal would obey; tabs become spaces, counted from *column*."""
    if text.isascii():
        if text.isprintable():
            return text
        text = text.translate(_REPLACEMENTS)
    else:
        text = text.translate(_REPLACEMENTS)
        if 0 in map(width_of, text.replace("\t", " ")):
            text = "".join(_with_few_marks(text))
    return _without_tabs(text, column) if "\t" in text else text


def _is_mark(character: str) -> bool:
    return character in _DROPPED or (character.isprintable() and wcwidth(character) == 0)


def _with_few_marks(text: str) -> Iterator[str]:
    # A mark without a character to stand on, and too many on one, are shown by their number.
    room = 0
    for character in text:
        if character == "\t" or width_of(character):
            room = 0 if character == "\t" else _MOST_MARKS
            yield character
        elif room:
            room -= 1
            yield character
        else:
            yield f"\\u{ord(character):04x}"


def _without_tabs(text: str, column: int) -> str:
    first, *rest = text.split("\t")
    pieces = [first]
    column += text_width(first)
    for piece in rest:
        spaces = _TAB_CELLS - column % _TAB_CELLS
        pieces += (" " * spaces, piece)
        column += spaces + text_width(piece)
    return "".join(pieces)
