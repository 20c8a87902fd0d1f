"""A question with two answers."""

from typing import Final

from esperctl.viewer.cells import width_of, wrap
from esperctl.viewer.layout import FRAME_COLUMNS, FRAME_ROWS
from esperctl.viewer.screen.box import draw_box
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import BOLD
from esperctl.viewer.style import PLAIN, Style
from esperctl.viewer.view import ConfirmView

_KEYS: Final = (("y", "yes"), ("n Esc", "no"), ("Enter", "as marked"))
_MOST_COLUMNS: Final = 64
_LEAST_COLUMNS: Final = 36


def draw_confirm(region: Region, confirm: ConfirmView) -> None:
    """Draws question, detail and answers; the answers are visible however long the rest is."""
    longest = max(width_of(confirm.question), width_of(confirm.detail), _LEAST_COLUMNS)
    columns = min(longest, _MOST_COLUMNS, region.columns - FRAME_COLUMNS)
    lines: list[tuple[str, Style]] = [(line, BOLD) for line in wrap(confirm.question, columns)]
    if confirm.detail:
        lines += [("", PLAIN), *((line, PLAIN) for line in wrap(confirm.detail, columns))]
    lines.append(("", PLAIN))
    # All but the answers' row.
    room = region.rows - FRAME_ROWS - 1
    if len(lines) > room:
        lines = [line for line in lines if line[0]][: max(room, 0)]
    inside = draw_box(region, columns, len(lines) + 1, "Confirm", _KEYS)
    for row, (line, style) in enumerate(lines):
        inside.put(row, 0, line, style)
    _draw_answers(inside, confirm)


def _draw_answers(inside: Region, confirm: ConfirmView) -> None:
    row = inside.rows - 1
    pointer = inside.glyphs.pointer
    column = 0
    for answer, is_chosen in (("Yes", confirm.is_yes_selected), ("No", not confirm.is_yes_selected)):
        text = f"{pointer} {answer} " if is_chosen else f"  {answer} "
        column = inside.put(row, column, text, Style(bold=True, reverse=True) if is_chosen else PLAIN) + 2
