import pytest

from esperctl.viewer.layout import Area
from esperctl.viewer.screen.canvas import Canvas
from esperctl.viewer.screen.theme import Theme
from esperctl.viewer.style import Style


def _canvas(columns: int = 8, rows: int = 2) -> Canvas:
    return Canvas(columns, rows, Theme())


def test_text_is_cut_at_the_edge_without_splitting_a_wide_character() -> None:
    canvas = _canvas(4)
    assert canvas.whole().put(0, 0, "a日本語") == 3
    assert canvas.picture().lines() == ["a日", ""]


@pytest.mark.parametrize(
    ("column", "line"), [(0, "x 本語"), (1, " x本語"), (2, "日x 語"), (3, "日 x語"), (4, "日本x"), (5, "日本 x")]
)
def test_a_wide_character_that_is_half_covered_becomes_blank(column: int, line: str) -> None:
    canvas = _canvas()
    canvas.whole().put(0, 0, "日本語")
    canvas.whole().put(0, column, "x")
    assert canvas.picture().lines()[0] == line


def test_a_region_draws_in_its_own_coordinates_and_nowhere_else() -> None:
    canvas = _canvas()
    region = canvas.region(Area(2, 1, 3, 5))
    region.put(0, 0, "abcdef")
    region.put(1, 0, "below")
    region.put(-1, 0, "above")
    region.put(0, -1, "left")
    assert canvas.picture().lines() == ["", "  abc"]


def test_the_cursor_outside_of_a_region_is_hidden() -> None:
    canvas = _canvas()
    canvas.region(Area(2, 1, 3, 1)).set_cursor(0, 1)
    assert canvas.picture().cursor == (1, 3)
    canvas.region(Area(2, 1, 3, 1)).set_cursor(0, 3)
    assert canvas.picture().cursor is None


def test_styles_go_through_the_theme() -> None:
    canvas = Canvas(4, 1, Theme(colour=False))
    canvas.whole().put(0, 0, "ab", Style(foreground=1, bold=True))
    assert canvas.picture().cells[0][0].style == Style(bold=True)


def test_the_same_content_is_the_same_cell() -> None:
    first, second = _canvas(), _canvas()
    first.whole().put(0, 0, "a日", Style(foreground=1))
    second.whole().put(0, 0, "a日", Style(foreground=1))
    assert first.picture().cells == second.picture().cells
