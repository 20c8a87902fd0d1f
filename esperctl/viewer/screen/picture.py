"""A picture: exactly rows times columns cells. Values; ``canvas`` makes them."""

from dataclasses import dataclass
from typing import Final

from esperctl.viewer.style import Style

# Twice what a screen of 200 columns and 60 rows holds, were every cell different.
_MOST_CELLS: Final = 24_000


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """What one cell shows; a cell of width 2 is followed by one of width 0 without text.

    Cells with the same content are the same object (see ``cells_of``), so that rows are compared and looked up by
    identity. A cell that is not the same may still look the same.
    """

    text: str
    width: int
    style: Style


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be seen on the terminal; ``cursor`` is (row, column), or None: hidden."""

    columns: int
    rows: int
    cells: tuple[tuple[Cell, ...], ...]
    cursor: tuple[int, int] | None

    def lines(self) -> list[str]:
        """The text of each row, with blanks at its end removed."""
        return ["".join(cell.text for cell in row).rstrip() for row in self.cells]


class CellsOfStyle(dict[str, Cell]):
    """The cells of one style by their text, made when they are asked for first; wide ones only by ``wide``."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self._style = style
        self._wide: dict[str, Cell] = {}

    def __missing__(self, text: str) -> Cell:
        cell = Cell(text, 1 if text else 0, self._style)
        self[text] = cell
        return cell

    def wide(self, text: str) -> Cell:
        """The cell of a text that is two cells wide."""
        cell = self._wide.get(text)
        if cell is None:
            cell = self._wide[text] = Cell(text, 2, self._style)
        return cell

    def count(self) -> int:
        """How many cells are kept."""
        return len(self) + len(self._wide)


_kept: Final[dict[Style, CellsOfStyle]] = {}


def cells_of(style: Style) -> CellsOfStyle:
    """The cells of a style."""
    found = _kept.get(style)
    if found is None:
        found = _kept[style] = CellsOfStyle(style)
    return found


def forget_cells_if_many() -> None:
    """Bounds the memory of what is kept; to be called once for each picture."""
    if sum(cells.count() for cells in _kept.values()) > _MOST_CELLS:
        _kept.clear()
