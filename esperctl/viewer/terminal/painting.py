"""Pictures into prompt_toolkit's screen, which writes to the terminal what differs from the one before.

Only rows that changed are handed over: comparing all cells of a large screen would take longer than all the rest.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout import Window
from prompt_toolkit.layout.screen import Char, Screen

from esperctl.viewer.screen import Cell, Picture
from esperctl.viewer.style import Style
from esperctl.viewer.terminal.overriding import override

if TYPE_CHECKING:
    from prompt_toolkit.layout.mouse_handlers import MouseHandlers
    from prompt_toolkit.layout.screen import WritePosition

_Line: TypeAlias = defaultdict[int, Char]

_COLOURS: Final = (
    *("ansiblack", "ansired", "ansigreen", "ansiyellow", "ansiblue", "ansimagenta", "ansicyan", "ansigray"),
    *("ansibrightblack", "ansibrightred", "ansibrightgreen", "ansibrightyellow"),
    *("ansibrightblue", "ansibrightmagenta", "ansibrightcyan", "ansiwhite"),
)
# All but Latin script and line drawing.
_DOUBTFUL: Final = re.compile("[^\x00-\u02ff\u2500-\u257f]")
_MOST_CHARS: Final = 24_000
_BLANK: Final = Char(" ", "")
# A blank that prompt_toolkit writes as it is, instead of erasing to the end of the line.
_WRITTEN_BLANK: Final = Char(" ", "fg:ansidefault")


def style_string(style: Style) -> str:
    """A style as prompt_toolkit writes it."""
    parts = [name for name in ("bold", "dim", "italic", "underline", "reverse") if getattr(style, name)]
    if style.foreground is not None:
        parts.append(f"fg:{_COLOURS[style.foreground]}")
    if style.background is not None:
        parts.append(f"bg:{_COLOURS[style.background]}")
    return " ".join(parts)


class _Chars(dict[Cell, Char]):
    """Cells as prompt_toolkit has them; the same cell gives the same object."""

    def __init__(self) -> None:
        super().__init__()
        self._strings: dict[Style, str] = {}

    def __missing__(self, cell: Cell) -> Char:
        if len(self) >= _MOST_CHARS:
            self.clear()
            self._strings.clear()
        string = self._strings.get(cell.style)
        if string is None:
            string = self._strings[cell.style] = style_string(cell.style)
        char = self[cell] = Char(cell.text, string)
        return char


class PictureWindow(Window):
    """A window that shows the picture it was given last, cut or filled up with blanks to the terminal's size.

    ``last_screen`` tells what prompt_toolkit believes the terminal shows; None when it will repaint all of it.
    """

    def __init__(self, last_screen: Callable[[], Screen | None]) -> None:
        super().__init__()
        self._last_screen = last_screen
        self._chars = _Chars()
        self._shown: list[tuple[Cell, ...]] = []
        self._lines: list[_Line] = []
        self.picture = Picture(0, 0, (), None)
        # Where the cursor must be put, because terminals may disagree about where it is after such text.
        self.doubtful_cursor: tuple[int, int] | None = None

    @override
    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: "MouseHandlers",
        write_position: "WritePosition",
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        del mouse_handlers, parent_style, erase_bg, z_index
        columns, rows = write_position.width, write_position.height
        last = self._last_screen()
        if last is None or len(self._lines) != rows:
            last = None
            self._shown = [()] * rows
            self._lines = [_line([]) for _ in range(rows)]
        is_doubtful = False
        for row in range(rows):
            cells = self.picture.cells[row] if row < self.picture.rows else ()
            if last is not None and cells == self._shown[row]:
                last.data_buffer.pop(row, None)
                continue
            is_doubtful |= self._write_row(screen, last, row, cells, columns)
        screen.width, screen.height = columns, rows
        self._place_cursor(screen, columns, rows, is_doubtful=is_doubtful)

    def _write_row(self, screen: Screen, last: Screen | None, row: int, cells: tuple[Cell, ...], columns: int) -> bool:
        """Hands over a row and what it takes the place of; returns whether its widths are doubtful."""
        old, line = self._lines[row], _line(map(self._chars.__getitem__, cells[:columns]))
        is_doubtful = _is_doubtful(cells)
        if is_doubtful:
            _make_certain(screen, row, old, line, columns)
        if last is not None:
            last.data_buffer[row] = old
        screen.data_buffer[row] = line
        self._shown[row], self._lines[row] = cells, line
        return is_doubtful

    def _place_cursor(self, screen: Screen, columns: int, rows: int, *, is_doubtful: bool) -> None:
        row, column = self.picture.cursor or (0, 0)
        row, column = min(row, rows - 1), min(column, columns - 1)
        screen.show_cursor = self.picture.cursor is not None
        screen.set_cursor_position(self, Point(x=column, y=row))
        self.doubtful_cursor = (row, column) if is_doubtful else None


def _line(chars: Iterable[Char]) -> _Line:
    return defaultdict(_blank, enumerate(chars))


def _blank() -> Char:
    return _BLANK


def _is_doubtful(cells: Iterable[Cell]) -> bool:
    """Whether a terminal may take some text for wider or narrower."""
    return _DOUBTFUL.search("".join([cell.text for cell in cells])) is not None


def _make_certain(screen: Screen, row: int, old: _Line, line: _Line, columns: int) -> None:
    """Has the cursor put in its column before each run of changed characters, and after each doubtful one.

    Everything is written then, nothing erased to the line's end, for where that would start is doubtful, too.
    """
    if line[columns - 1].char == " " and not line[columns - 1].style:
        line[columns - 1] = _WRITTEN_BLANK
    escapes = screen.zero_width_escapes[row]
    was_written = False
    for column in range(columns):
        char, before = line[column], old[column]
        if char.width == 0:
            continue
        is_written = char.char != before.char or char.style != before.style
        if is_written and column and (not was_written or not line[column - 1].char.isascii() or _is_half(line, column)):
            # CHA (ECMA-48 8.3.9), columns from 1.
            escapes[column] = f"\x1b[{column + 1}G"
        was_written = is_written


def _is_half(line: Sequence[Char] | _Line, column: int) -> bool:
    return not line[column - 1].char
