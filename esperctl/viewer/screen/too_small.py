"""What a terminal shows that is too small for anything else."""

from esperctl.viewer.cells import width_of, wrap
from esperctl.viewer.layout import SMALLEST_COLUMNS, SMALLEST_ROWS
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import BOLD, mode_style
from esperctl.viewer.view import Status


def draw_too_small(region: Region, status: Status | None) -> None:
    """Says what is missing, and the mode: keys go to the board even then."""
    is_mode_shown = status is not None and (region.rows > 1 or region.columns > SMALLEST_COLUMNS)
    first = 1 if is_mode_shown else 0
    if status is not None and is_mode_shown:
        region.put(0, 0, status.mode, mode_style(status.mode))
        if region.rows == 1:
            first = 0
            region = region.part(width_of(status.mode) + 1, 0, region.columns, 1)
    size = f"{SMALLEST_COLUMNS}x{SMALLEST_ROWS}"
    for index, line in enumerate(wrap(f"Too small: {size} needed", region.columns)):
        region.put(first + index, 0, line, BOLD)
