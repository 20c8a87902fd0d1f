"""Who gets how much of the terminal; the model asks it how large the log is, the screen where to draw. Pure."""

from dataclasses import dataclass
from typing import Final

# From this width on the inspector is a panel beside the log.
PANEL_FROM_COLUMNS: Final = 100
SMALLEST_COLUMNS: Final = 30
SMALLEST_ROWS: Final = 6
# Cells and rows of a box that are not its inside: the frame, and a blank beside it.
FRAME_COLUMNS: Final = 4
FRAME_ROWS: Final = 2
_TITLE_FROM_ROWS: Final = 16
_PANEL_LEAST: Final = 32
_PANEL_MOST: Final = 54


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle, in cells."""

    left: int
    top: int
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Title at the top, then log and panel side by side, then the bars, status and hint at the bottom.

    ``panel`` is None where there is none or where it takes the place of the log; ``bars`` are the rows between log and
    status, from top to bottom: capture progress, search, line input.
    """

    title: Area
    log: Area
    panel: Area | None
    bars: tuple[Area, ...]
    status: Area
    hint: Area


def is_too_small(columns: int, rows: int) -> bool:
    """Whether nothing useful fits."""
    return columns < SMALLEST_COLUMNS or rows < SMALLEST_ROWS


def lay_out(columns: int, rows: int, *, with_panel: bool, bars: int) -> Layout:
    """The areas of a terminal of this size.

    Args:
        columns: Of the terminal, at least ``SMALLEST_COLUMNS``.
        rows: Of the terminal, at least ``SMALLEST_ROWS``.
        with_panel: Whether the inspector is open.
        bars: How many bars are open; there is room for ``rows - 4`` at most.
    """
    bars = min(bars, rows - 4)
    log_rows = rows - 3 - bars
    panel_columns = 0
    if with_panel and columns >= PANEL_FROM_COLUMNS:
        panel_columns = max(_PANEL_LEAST, min(_PANEL_MOST, columns // 3))
    log_columns = columns - panel_columns
    return Layout(
        title=Area(0, 0, columns, 1),
        log=Area(0, 1, log_columns, log_rows),
        panel=Area(log_columns, 1, panel_columns, log_rows) if panel_columns else None,
        bars=tuple(Area(0, 1 + log_rows + index, columns, 1) for index in range(bars)),
        status=Area(0, rows - 2, columns, 1),
        hint=Area(0, rows - 1, columns, 1),
    )


def overlay_area(columns: int, rows: int) -> Area:
    """Where boxes are drawn: not over the status line, which says the mode, nor, where there is room, the title."""
    top = 1 if rows >= _TITLE_FROM_ROWS else 0
    return Area(0, top, columns, rows - 2 - top)
