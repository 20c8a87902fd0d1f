"""What a terminal would show in one line: carriage returns, backspaces, erasing and moves within the line. Pure.

Just enough for the line editing of esp_console, which is linenoise: it goes to the start of the line, writes prompt
and text, erases the rest and moves the cursor back (``ESC [ 0 K``, ``ESC [ n C``). What reaches beyond the line, and
all other sequences, become visible.

Source: ECMA-48 8.3.7 CHA, 8.3.19 CUB, 8.3.20 CUF, 8.3.41 EL, 8.3.35 DSR; esp-idf components/console/linenoise.
"""

import re
from typing import Final, NamedTuple

from esperctl.viewer.log.cells import printable, width_of
from esperctl.viewer.log.sgr import apply_sgr
from esperctl.viewer.log.styled_text import StyledText, joined
from esperctl.viewer.style import PLAIN, Style

# A cursor that is sent further is held here; linenoise does so to learn how wide the terminal is.
_MOST_CELLS: Final = 16_384
_SEQUENCE: Final = re.compile(r"\x1b\[(?P<parameters>[0-9;:]{0,64})(?P<final>[mKJCDGHn])|(?P<control>[\r\b\t])")
NEEDS_TERMINAL: Final = re.compile(rb"[\r\b]|\x1b\[[0-9;]{0,64}[KJCDGHn]")
# Questions to the terminal, which show nothing on any terminal: status and cursor position.
_QUERIES: Final = frozenset({"5", "6"})


class TerminalLine(NamedTuple):
    """What is shown, and the cell that the cursor is in."""

    shown: StyledText
    cursor: int


def terminal_line(text: str) -> TerminalLine:
    """What is in the line after *text*, which holds no newline."""
    line = _Line()
    end = 0
    for match in _SEQUENCE.finditer(text):
        line.write(text[end : match.start()])
        end = match.end()
        if control := match["control"]:
            line.control(control)
        elif not line.obey(match["final"], match["parameters"]):
            line.write(match[0])
    line.write(text[end:])
    return line.result()


class _Line:
    """Cells; the right half of a wide character is an empty one."""

    def __init__(self) -> None:
        self._cells: list[tuple[str, Style]] = []
        self._column = 0
        self._style = PLAIN

    def write(self, text: str) -> None:
        for character in printable(text, self._column):
            width = width_of(character)
            if width == 0:
                self._add_mark(character)
            elif self._column + width <= _MOST_CELLS:
                self._put(character, width)

    def _put(self, character: str, width: int) -> None:
        cells, column = self._cells, self._column
        if column > len(cells):
            cells += [(" ", PLAIN)] * (column - len(cells))
        if column < len(cells):
            self._free(column)
            self._free(column + width)
        cells[column : column + width] = [(character, self._style), ("", self._style)][:width]
        self._column += width

    def _free(self, column: int) -> None:
        """Blanks the wide character that *column* is the right half of."""
        cells = self._cells
        if 0 < column < len(cells) and not cells[column][0]:
            cells[column - 1 : column + 1] = [(" ", PLAIN), (" ", PLAIN)]

    def _add_mark(self, mark: str) -> None:
        column = self._column - 1
        while 0 <= column < len(self._cells):
            text, style = self._cells[column]
            if text:
                self._cells[column] = (text + mark, style)
                return
            column -= 1

    def control(self, control: str) -> None:
        if control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(self._column - 1, 0)
        else:
            self._column = min((self._column // 8 + 1) * 8, _MOST_CELLS)

    def obey(self, final: str, parameters: str) -> bool:
        """Carries a sequence out; False where it is not one of a line's."""
        if final == "m":
            self._style = apply_sgr(self._style, parameters)
            return True
        if final == "n":
            return parameters in _QUERIES
        number = int(parameters) if parameters.isdecimal() and len(parameters) < 6 else 0
        match final:
            case "K":
                self._erase(number)
            case "J":
                self._erase(2 if number else 0)
            case "C":
                self._column = min(self._column + max(number, 1), _MOST_CELLS)
            case "D":
                self._column = max(self._column - max(number, 1), 0)
            case "G":
                self._column = min(max(number - 1, 0), _MOST_CELLS)
            case _:
                self._column = 0
        return True

    def _erase(self, what: int) -> None:
        """Erases from the cursor on (0), up to it (1), or all (2)."""
        self._free(self._column)
        if what == 0:
            del self._cells[self._column :]
        elif what == 1:
            count = min(self._column + 1, len(self._cells))
            self._free(count)
            self._cells[:count] = [(" ", PLAIN)] * count
        else:
            self._cells.clear()

    def result(self) -> TerminalLine:
        return TerminalLine(joined(self._cells), self._column)
