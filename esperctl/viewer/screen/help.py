"""Help: the keys and what they do."""

from typing import Final

from esperctl.viewer.layout import PANEL_FROM_COLUMNS
from esperctl.viewer.screen.box import FRAME_COLUMNS, FRAME_ROWS, draw_box, overlay_area
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.cells import fit, width_of, wrap
from esperctl.viewer.screen.scrolled import MARGIN, Line, draw_scrolled
from esperctl.viewer.screen.theme import BOLD
from esperctl.viewer.style import Span
from esperctl.viewer.view import HelpView

_KEYS: Final = (("Esc", "closes"), ("Up Down PgUp PgDn", "scroll"))
_COLUMN_MOST: Final = 74
_BETWEEN: Final = 3
_KEYS_MOST: Final = 24


def draw_help(region: Region, view: HelpView) -> None:
    """Draws the groups, in two columns on a wide terminal."""
    columns = _inside_columns(region.columns)
    lines = _lines(view, columns, region.glyphs.ellipsis)
    inside = draw_box(region, columns, min(len(lines), region.rows - FRAME_ROWS), "Help", _KEYS)
    draw_scrolled(inside, lines, view.scroll)


def last_scroll(view: HelpView, columns: int, rows: int) -> int:
    """The largest ``scroll`` that makes a difference on a terminal of this size."""
    return max(0, len(_lines(view, _inside_columns(columns), "~")) - (overlay_area(columns, rows).rows - FRAME_ROWS))


def _inside_columns(columns: int) -> int:
    most = 2 * _COLUMN_MOST + _BETWEEN if columns >= PANEL_FROM_COLUMNS else _COLUMN_MOST
    return min(columns - FRAME_COLUMNS, most + MARGIN)


def _lines(view: HelpView, columns: int, ellipsis: str) -> list[Line]:
    columns -= MARGIN
    if columns < PANEL_FROM_COLUMNS - FRAME_COLUMNS - MARGIN:
        return [line for group in _groups(view, columns, ellipsis) for line in group]
    width = (columns - _BETWEEN) // 2
    left, right = _halves(_groups(view, width, ellipsis))
    gap = " " * (width + _BETWEEN)
    rows = max(len(left), len(right))
    left += [()] * (rows - len(left))
    right += [()] * (rows - len(right))
    return [(*a, Span(gap[sum(width_of(span.text) for span in a) :]), *b) for a, b in zip(left, right, strict=True)]


def _halves(groups: list[list[Line]]) -> tuple[list[Line], list[Line]]:
    """The groups in two columns of about the same length, none of them divided."""
    total = sum(map(len, groups))
    left: list[Line] = []
    right: list[Line] = []
    for group in groups:
        is_left = not right and (not left or len(left) + len(group) // 2 <= total / 2)
        (left if is_left else right).extend(group)
    return left, right


def _groups(view: HelpView, columns: int, ellipsis: str) -> list[list[Line]]:
    widths = [width_of(keys) for _, entries in view.groups for keys, _ in entries]
    width = min(max(widths, default=0), _KEYS_MOST, max(columns // 2, 1))
    return [_group(name, entries, width, columns, ellipsis) for name, entries in view.groups]


def _group(name: str, entries: tuple[tuple[str, str], ...], width: int, columns: int, ellipsis: str) -> list[Line]:
    lines: list[Line] = [(Span(fit(name, columns, ellipsis), BOLD),)]
    for keys, what in entries:
        shown = fit(keys, width, ellipsis)
        first, *more = wrap(what, columns - width - 4)
        lines.append((Span(f"  {shown}{' ' * (width - width_of(shown) + 2)}"), Span(first)))
        lines += [(Span(" " * (width + 4)), Span(line)) for line in more]
    return [*lines, ()]
