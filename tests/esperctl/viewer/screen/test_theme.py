from dataclasses import fields

import pytest

from esperctl.viewer.cells import width_of
from esperctl.viewer.screen.theme import Glyphs, Theme
from esperctl.viewer.style import Style


@pytest.mark.parametrize(
    ("environment", "encoding", "theme"),
    [
        ({"TERM": "xterm-256color"}, "utf-8", Theme(unicode=True, colour=True)),
        ({"TERM": "xterm"}, "UTF-8", Theme(unicode=True, colour=True)),
        ({"TERM": "xterm"}, "ascii", Theme(unicode=False, colour=True)),
        ({"TERM": "linux"}, "utf-8", Theme(unicode=False, colour=True)),
        ({"TERM": "dumb"}, "utf-8", Theme(unicode=False, colour=False)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "utf-8", Theme(unicode=True, colour=False)),
        ({"TERM": "xterm", "NO_COLOR": ""}, "utf-8", Theme(unicode=True, colour=True)),
    ],
)
def test_the_environment_chooses_the_theme(environment: dict[str, str], encoding: str, theme: Theme) -> None:
    assert Theme.of(environment, encoding) == theme


@pytest.mark.parametrize("unicode", [True, False])
def test_every_sign_is_one_cell_wide(unicode: bool) -> None:
    glyphs = Theme(unicode=unicode).glyphs
    signs = [getattr(glyphs, field.name) for field in fields(Glyphs) if field.name != "signs"]
    for sign in [*signs, *glyphs.signs.values()]:
        assert width_of(sign) == 1
        assert unicode or sign.isascii()


def test_without_colours_only_bold_reverse_and_underline_are_left() -> None:
    styled = Style(3, 4, bold=True, dim=True, italic=True, underline=True)
    assert Theme(colour=False).style(styled) == Style(bold=True, underline=True, reverse=True)
    assert Theme(colour=False).style(Style(3)) == Style()


def test_typography_keeps_its_width_in_ascii() -> None:
    assert Theme(unicode=False).text("a — b… → ü") == "a - b~ > ü"
