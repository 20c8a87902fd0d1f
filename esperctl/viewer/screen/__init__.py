"""Views into pictures of exactly the terminal's size. Pure."""

from esperctl.viewer.screen.drawing import draw
from esperctl.viewer.screen.picture import Cell, Picture
from esperctl.viewer.screen.theme import Theme

__all__ = ["Cell", "Picture", "Theme", "draw"]
