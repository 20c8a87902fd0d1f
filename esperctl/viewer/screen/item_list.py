"""A list with a selected item, scrolled so that it is visible."""

from dataclasses import dataclass
from typing import Final

from esperctl.viewer.cells import fit, width_of, wrap
from esperctl.viewer.screen.canvas import Region, StyleChange
from esperctl.viewer.screen.theme import BOLD, DIM, severity_style
from esperctl.viewer.style import PLAIN
from esperctl.viewer.view import ListItem

_SELECTED: Final = StyleChange(reverse=True)
_UNFOCUSED: Final = StyleChange(underline=True)


@dataclass(frozen=True, slots=True)
class ListLook:
    """How a list is drawn.

    Attributes:
        has_focus: Whether the selected item is the one that keys are about.
        rows_of_item: 1, or 2 with the detail, or else the rest of the title, below the title.
        detail_right: The detail at the right edge, whole, instead of behind the title.
        with_signs: Whether each item's severity is shown.
    """

    has_focus: bool = True
    rows_of_item: int = 1
    detail_right: bool = False
    with_signs: bool = True


def draw_list(region: Region, items: tuple[ListItem, ...], selected: int | None, look: ListLook) -> None:
    """Draws as many items as fit around the selected one, and signs where there are more."""
    # A last row that is half an item is of no use.
    visible = region.rows // look.rows_of_item
    if not items or visible <= 0 or region.columns <= 0:
        return
    first = _first(len(items), visible, selected)
    times = max(width_of(item.time) for item in items[first : first + visible])
    for place, item in enumerate(items[first : first + visible]):
        row = place * look.rows_of_item
        _draw_item(region, row, item, times, look)
        if first + place == selected:
            for line in range(row, row + look.rows_of_item):
                region.change(line, 0, region.columns - 1, _SELECTED if look.has_focus else _UNFOCUSED)
            region.put(row, 0, region.glyphs.pointer, BOLD)
    if first > 0:
        region.put(0, region.columns - 1, region.glyphs.up, BOLD)
    if first + visible < len(items):
        region.put(region.rows - 1, region.columns - 1, region.glyphs.down, BOLD)


def _first(count: int, visible: int, selected: int | None) -> int:
    """The first item that is shown; the selected one stands in the middle where the ends allow it."""
    wanted = (selected if selected is not None else count - 1) - visible // 2
    return max(0, min(wanted, count - visible))


def _draw_item(region: Region, row: int, item: ListItem, times: int, look: ListLook) -> None:
    ellipsis = region.glyphs.ellipsis
    end = region.columns - 2
    column = 2
    if times:
        region.put(row, column, item.time, DIM, end=end)
        column += times + 1
    if look.with_signs:
        region.put(row, column, region.glyphs.signs[item.severity], severity_style(item.severity), end=end)
        column += 2
    start = column
    style = PLAIN if item.severity in {"info", "success"} else severity_style(item.severity)
    if look.detail_right and item.detail:
        end -= min(width_of(item.detail), max(end - column - 1, 0)) + 2
        region.put(row, max(end + 2, column), item.detail, DIM, end=region.columns - 2)
    title, rest = item.title, ""
    if look.rows_of_item > 1 and not item.detail:
        title, *more = wrap(item.title, end - column)
        rest = " ".join(more)
    column = region.put(row, column, fit(title, end - column, ellipsis), style, end=end)
    if rest:
        region.put(row + 1, start, fit(rest, end - start, ellipsis), style, end=end)
    if look.detail_right or not item.detail:
        return
    if look.rows_of_item > 1:
        region.put(row + 1, start, fit(item.detail, end - start, ellipsis), DIM, end=end)
    else:
        region.put(row, column + 2, fit(item.detail, end - column - 2, ellipsis), DIM, end=end)
