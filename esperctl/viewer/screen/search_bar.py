"""The search bar: what is looked for, and what was found so far."""

from esperctl.viewer.cells import fit, width_of
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.text_field import draw_field
from esperctl.viewer.screen.theme import BOLD, DIM, severity_style
from esperctl.viewer.style import PLAIN
from esperctl.viewer.view import SearchView

_FIELD_LEAST = 10


def draw_search(region: Region, search: SearchView) -> None:
    """Draws label and text at the left; whether it is a regex and the count, or the error, at the right."""
    label = f" {search.input.label} " if search.input.label else " "
    column = region.put(0, 0, fit(label, max(region.columns - _FIELD_LEAST, 0), region.glyphs.ellipsis), BOLD)
    column = min(column, region.columns - 1)
    kind = "regex" if search.is_regex else "literal"
    note, style = f"{kind}  {search.count}".rstrip(), PLAIN
    if search.input.error:
        note, style = f"{region.glyphs.signs['error']} {search.input.error}", severity_style("error")
    note = fit(note, region.columns - column - _FIELD_LEAST - 3, region.glyphs.ellipsis)
    end = region.columns - (width_of(note) + 3 if note else 0)
    draw_field(region, 0, column, end, search.input)
    if note:
        region.put(0, end, f" {region.glyphs.vertical} ", DIM)
        region.put_right(0, note, style)
