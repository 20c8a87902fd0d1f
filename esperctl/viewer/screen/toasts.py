"""Short messages at the top right, above everything."""

from typing import Final

from esperctl.viewer.cells import fit_words, width_of, wrap
from esperctl.viewer.layout import FRAME_COLUMNS, FRAME_ROWS
from esperctl.viewer.screen.box import draw_frame
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import severity_style
from esperctl.viewer.style import Style
from esperctl.viewer.view import Toast

_MOST_COLUMNS: Final = 56
_MOST_LINES: Final = 3


def draw_toasts(region: Region, toasts: tuple[Toast, ...]) -> None:
    """Draws the newest at the top; older ones below it as far as there is room."""
    top = 0
    for toast in reversed(toasts):
        top += _draw_toast(region.part(0, top, region.columns, region.rows - top), toast)


def draw_newest_toast(region: Region, toasts: tuple[Toast, ...]) -> None:
    """Draws the newest into a single row, at its right end: where a dialog must not be covered."""
    if not toasts:
        return
    toast = toasts[-1]
    text = fit_words(f" {region.glyphs.signs[toast.severity]} {toast.text} ", region.columns, region.glyphs.ellipsis)
    style = Style(foreground=severity_style(toast.severity).foreground, bold=True, reverse=True)
    region.put(0, region.columns - width_of(text), text, style)


def _draw_toast(region: Region, toast: Toast) -> int:
    """Draws one in the upper right corner; returns how many rows it took."""
    most = min(_MOST_COLUMNS, region.columns - FRAME_COLUMNS)
    if most <= 0 or region.rows <= FRAME_ROWS:
        return 0
    text = f"{region.glyphs.signs[toast.severity]} {toast.text}"
    lines = wrap(text, most)
    room = min(_MOST_LINES, region.rows - FRAME_ROWS)
    if len(lines) > room:
        lines = [*lines[: room - 1], fit_words(" ".join(lines[room - 1 :]), most, region.glyphs.ellipsis)]
    columns = max(map(width_of, lines)) + FRAME_COLUMNS
    rows = len(lines) + FRAME_ROWS
    box = region.part(region.columns - columns, 0, columns, rows)
    style = severity_style(toast.severity)
    draw_frame(box, style)
    for index, line in enumerate(lines):
        box.put(index + 1, 2, line, Style(foreground=style.foreground, bold=True))
    return rows
