"""The title bar: which board, how it is, where it is connected, what runs on it."""

from dataclasses import replace

from esperctl.viewer.cells import fit, width_of
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import GREEN, RED, REVERSE
from esperctl.viewer.style import Span
from esperctl.viewer.view import Title

_BAR_BOLD = replace(REVERSE, bold=True)


def draw_title(region: Region, title: Title | None) -> None:
    """Draws the bar; what does not fit is left out from the right end, of the state at most its end."""
    region.fill(REVERSE)
    if title is None:
        region.put(0, 1, "esperctl", _BAR_BOLD)
        return
    state = f" {region.glyphs.signs['success' if title.is_well else 'error']} {title.state} "
    # To whom a port is lent, and what for, may be long.
    room = max(region.columns - width_of(title.board) - 2, region.columns * 2 // 3)
    state = fit(state, room, f"{region.glyphs.ellipsis} ")
    board = fit(title.board, max(region.columns - width_of(state) - 2, 1), region.glyphs.ellipsis)
    state_style = replace(_BAR_BOLD, foreground=GREEN if title.is_well else RED)
    column = region.put_spans(0, 1, [Span(board, _BAR_BOLD), Span(" ", REVERSE), Span(state, state_style)])
    separator = f" {region.glyphs.separator} "
    rest = _what_fits(_facts(title), region.columns - column - 3, separator)
    region.put_right(0, f"{rest} ", REVERSE)


def _facts(title: Title) -> list[str]:
    port = f"{title.port} @ {title.baud}" if title.port and title.baud else title.port
    return [fact for fact in (port, title.firmware, title.elf) if fact]


def _what_fits(facts: list[str], columns: int, separator: str) -> str:
    while facts and width_of(separator.join(facts)) > columns:
        facts = facts[:-1]
    return separator.join(facts)
