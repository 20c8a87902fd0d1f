"""The bytes of one line as text that is safe to show: sanitised, styles understood, moves within the line obeyed. Pure.

The same text is what a search and a filter look at: ``plain_text``.
"""

import re
from typing import Final

from esperctl.viewer.log.cells import leading_marks, printable, text_width
from esperctl.viewer.log.levels import style_of_level
from esperctl.viewer.log.open_line import NEEDS_TERMINAL, terminal_line
from esperctl.viewer.log.sgr import apply_sgr
from esperctl.viewer.log.styled_text import StyledText, joined
from esperctl.viewer.style import PLAIN, Style

# The daemon splits lines at 64 KiB unless it is told otherwise; what a longer one says after that is in the journal.
MOST_BYTES: Final = 65_536
# Longer lines are not anything that somebody edits; there, moves within the line become visible.
MOST_TERMINAL_BYTES: Final = 8192
_LINE_END: Final = b"\r\n"
_SGR: Final = re.compile(r"\x1b\[([0-9;:]{0,64})m")
# Cells beyond those that are asked for: a sequence or character that was cut in two must lie outside of them.
_SPARE_CELLS: Final = 96


def styled_line(data: bytes) -> StyledText:
    """A line as it looks: with its own colours, or else that of its level."""
    data = _body(data)
    text = _decode(data)
    if _moves(data):
        shown = terminal_line(text).shown
        return shown if b"\x1b" in data else StyledText(shown.text, ((0, style_of_level(data)),))
    return _styled(text, data)


def styled_start(data: bytes, cells: int) -> StyledText:
    """At least the first *cells* cells of a line, and not much more: a long line costs no more than what is seen."""
    size = max(4 * (cells + _SPARE_CELLS), 1024)
    if size < len(data) and not _moves(data):
        while size < len(data):
            start = data[:size]
            shown = _styled(_decode(start), start)
            if text_width(shown.text) >= cells + _SPARE_CELLS:
                return shown
            size *= 4
    return styled_line(data)


def plain_text(data: bytes) -> str:
    """The text of a line without its end, as it is shown, for searching and copying."""
    data = _body(data)
    text = _decode(data)
    if text.isascii() and text.isprintable():
        return text
    if _moves(data):
        return terminal_line(text).shown.text
    return printable(_SGR.sub("", text) if "\x1b" in text else text)


def cursor_cell(data: bytes) -> int:
    """The cell of an open line that the cursor is in."""
    if len(data) > MOST_TERMINAL_BYTES:
        return text_width(plain_text(data))
    return terminal_line(_decode(data)).cursor


def _moves(data: bytes) -> bool:
    return len(data) <= MOST_TERMINAL_BYTES and NEEDS_TERMINAL.search(data) is not None


def _body(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        more = f" … {len(data) - MOST_BYTES} more bytes"
        return data[:MOST_BYTES] + more.encode()
    return data.rstrip(_LINE_END)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _styled(text: str, data: bytes) -> StyledText:
    if "\x1b" not in text:
        return StyledText(printable(text), ((0, style_of_level(data)),))
    pieces: list[tuple[str, Style]] = []
    column = 0
    for part, style in _parts(text):
        shown = printable(part, column)
        column += text_width(shown)
        pieces.append((shown, style))
    return joined(pieces)


def _parts(text: str) -> list[tuple[str, Style]]:
    """What is between changes of style; a mark on a letter looks like that letter."""
    parts: list[tuple[str, Style]] = []
    style = PLAIN
    for index, part in enumerate(_SGR.split(text)):
        if index % 2:
            style = apply_sgr(style, part)
            continue
        marks = leading_marks(part) if parts else 0
        if marks:
            before, style_before = parts[-1]
            parts[-1] = before + part[:marks], style_before
        if len(part) > marks:
            parts.append((part[marks:], style))
    return parts
