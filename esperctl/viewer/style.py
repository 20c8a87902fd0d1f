"""Styles and styled text: the vocabulary between the log, the views and the screen. Pure values.

Colours are the 16 base colours, which every terminal lets its user choose: 0 to 7 are black, red, green, yellow,
blue, magenta, cyan and white, 8 to 15 their bright variants (ECMA-48, SGR 30-37; aixterm, SGR 90-97).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of text looks; a colour of None is the terminal's own."""

    foreground: int | None = None
    background: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


PLAIN: Final = Style()


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style. The text is printable: no control characters, no escape sequences."""

    text: str
    style: Style = PLAIN
