"""What pictures are drawn on: a grid of cells, and rectangles of it. Pure."""

from collections.abc import Sequence

from esperctl.viewer.cells import graphemes
from esperctl.viewer.layout import Area
from esperctl.viewer.screen.picture import Cell, Picture, cells_of, forget_cells_if_many
from esperctl.viewer.screen.theme import Theme
from esperctl.viewer.style import PLAIN, Span, Style


class Canvas:
    """A grid of blank cells to draw on."""

    def __init__(self, columns: int, rows: int, theme: Theme) -> None:
        forget_cells_if_many()
        self.theme = theme
        self._columns = columns
        self._rows = rows
        self._blank = cells_of(PLAIN)[" "]
        self._grid: list[list[Cell]] = [[self._blank] * columns for _ in range(rows)]
        self.cursor: tuple[int, int] | None = None

    def picture(self) -> Picture:
        """What was drawn."""
        return Picture(self._columns, self._rows, tuple(map(tuple, self._grid)), self.cursor)

    def whole(self) -> "Region":
        """All of it."""
        return self.region(Area(0, 0, self._columns, self._rows))

    def region(self, area: Area) -> "Region":
        """The part of *area* that is on the canvas."""
        left, top = max(area.left, 0), max(area.top, 0)
        right = max(min(area.left + area.columns, self._columns), left)
        bottom = max(min(area.top + area.rows, self._rows), top)
        return Region(self, Area(left, top, right - left, bottom - top))

    def put(self, row: int, column: int, end: int, text: str, style: Style) -> int:
        """Draws *text* from *column* on, not beyond *end*; all must be on the canvas. Returns the column after it."""
        text = self.theme.text(text)
        made = cells_of(self.theme.style(style))
        drawn: list[Cell]
        if text.isascii() and text.isprintable():
            drawn = [made[character] for character in text[: end - column]]
        else:
            drawn = []
            for grapheme, width in graphemes(text):
                if len(drawn) + width > end - column:
                    break
                drawn += [made[grapheme]] if width == 1 else [made.wide(grapheme), made[""]]
        after = column + len(drawn)
        if drawn:
            self._free(self._grid[row], column, after)
            self._grid[row][column:after] = drawn
        return after

    def restyle(self, row: int, column: int, end: int, change: "StyleChange") -> None:
        """Changes how the cells from *column* to *end* look."""
        cells = self._grid[row]
        for index in range(column, end):
            cell = cells[index]
            made = cells_of(self.theme.style(change(cell.style)))
            cells[index] = made.wide(cell.text) if cell.width == 2 else made[cell.text]

    def _free(self, cells: list[Cell], column: int, end: int) -> None:
        """Blanks the other half of the wide characters that are half covered by what comes to [column, end)."""
        if cells[column].width == 0:
            cells[column - 1] = self._blank
        if end < self._columns and cells[end].width == 0:
            cells[end] = self._blank


class StyleChange:
    """How a style is changed: set underline, or the opposite of reverse."""

    def __init__(self, *, reverse: bool = False, underline: bool = False) -> None:
        self._reverse = reverse
        self._underline = underline

    def __call__(self, style: Style) -> Style:
        return Style(
            style.foreground,
            style.background,
            bold=style.bold,
            dim=style.dim,
            italic=style.italic,
            underline=style.underline or self._underline,
            reverse=style.reverse != self._reverse,
        )


class Region:
    """A rectangle of a canvas, with rows and columns of its own; what does not fit is cut at its edges."""

    def __init__(self, canvas: Canvas, area: Area) -> None:
        self._canvas = canvas
        self._area = area
        self.columns = area.columns
        self.rows = area.rows
        self.theme = canvas.theme
        self.glyphs = canvas.theme.glyphs

    def part(self, left: int, top: int, columns: int, rows: int) -> "Region":
        """A rectangle of this one, cut at its edges."""
        left, top = max(min(left, self.columns), 0), max(min(top, self.rows), 0)
        columns, rows = max(min(columns, self.columns - left), 0), max(min(rows, self.rows - top), 0)
        return Region(self._canvas, Area(self._area.left + left, self._area.top + top, columns, rows))

    def put(self, row: int, column: int, text: str, style: Style = PLAIN, *, end: int | None = None) -> int:
        """Draws *text* from *column* on, not beyond *end*; returns the column after what was drawn."""
        end = self.columns if end is None else min(end, self.columns)
        if not 0 <= row < self.rows or not 0 <= column < end:
            return column
        left = self._area.left
        return self._canvas.put(self._area.top + row, left + column, left + end, text, style) - left

    def put_spans(self, row: int, column: int, spans: Sequence[Span], *, end: int | None = None) -> int:
        """Draws styled text one after another; returns the column after it."""
        for span in spans:
            column = self.put(row, column, span.text, span.style, end=end)
        return column

    def put_right(self, row: int, text: str, style: Style = PLAIN) -> None:
        """Draws *text*, which must fit, at the right edge."""
        width = sum(width for _, width in graphemes(text))
        self.put(row, max(self.columns - width, 0), text, style)

    def fill(self, style: Style = PLAIN) -> None:
        """Blanks all of it in *style*."""
        for row in range(self.rows):
            self.put(row, 0, " " * self.columns, style)

    def change(self, row: int, column: int, end: int, change: StyleChange) -> None:
        """Changes how the cells from *column* to *end* of a row look."""
        if 0 <= row < self.rows:
            left = self._area.left
            start, stop = max(column, 0), min(end, self.columns)
            self._canvas.restyle(self._area.top + row, left + start, left + stop, change)

    def set_cursor(self, row: int, column: int) -> None:
        """Shows the cursor there, when that is within; else hides it."""
        is_within = 0 <= row < self.rows and 0 <= column < self.columns
        self._canvas.cursor = (self._area.top + row, self._area.left + column) if is_within else None
