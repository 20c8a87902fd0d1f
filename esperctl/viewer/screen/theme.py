"""What the terminal can show: line drawing or ASCII, colours or not. Pure.

Only the 16 base colours are used, and only on the terminal's own background or in reverse, so that light and dark
terminals are served alike. A colour never says anything alone: a sign or a word says it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from esperctl.viewer.style import PLAIN, Style
from esperctl.viewer.view import Mode, Severity

RED: Final = 1
GREEN: Final = 2
YELLOW: Final = 3
MAGENTA: Final = 5
CYAN: Final = 6

BOLD: Final = Style(bold=True)
DIM: Final = Style(dim=True)
REVERSE: Final = Style(reverse=True)
UNDERLINE: Final = Style(underline=True)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs of one cell each."""

    horizontal: str
    vertical: str
    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    up: str
    down: str
    cut_left: str
    cut_right: str
    ellipsis: str
    pointer: str
    bar_full: str
    bar_empty: str
    dash: str
    separator: str
    signs: Mapping[Severity, str]


_UNICODE: Final = Glyphs(
    horizontal="─",
    vertical="│",
    top_left="┌",
    top_right="┐",
    bottom_left="└",
    bottom_right="┘",
    up="▲",
    down="▼",
    cut_left="◂",
    cut_right="▸",
    ellipsis="…",
    pointer="▸",
    bar_full="█",
    bar_empty="░",
    dash="—",
    separator="·",
    signs={"info": "•", "success": "✓", "warning": "!", "error": "✗"},
)
_ASCII: Final = Glyphs(
    horizontal="-",
    vertical="|",
    top_left="+",
    top_right="+",
    bottom_left="+",
    bottom_right="+",
    up="^",
    down="v",
    cut_left="<",
    cut_right=">",
    ellipsis="~",
    pointer=">",
    bar_full="#",
    bar_empty=".",
    dash="-",
    separator="|",
    signs={"info": "-", "success": "+", "warning": "!", "error": "x"},
)
# Typography in texts that the viewer's own sentences use, each one cell wide like what stands for it.
_PLAIN_TYPOGRAPHY: Final = str.maketrans("…—·•→←↑↓✓✗␛│─▲▼▸", "~-.*><^v+xE|-^v>")

_SEVERITY_STYLES: Final[Mapping[Severity, Style]] = {
    "info": PLAIN,
    "success": Style(foreground=GREEN),
    "warning": Style(foreground=YELLOW, bold=True),
    "error": Style(foreground=RED, bold=True),
}
_MODE_COLOURS: Final[Mapping[Mode, int]] = {
    "DEVICE": GREEN,
    "HOST": CYAN,
    "CAPTURE": MAGENTA,
    "NO-PORT": RED,
    "READ-ONLY": YELLOW,
}


@dataclass(frozen=True, slots=True)
class Theme:
    """What the terminal can show."""

    unicode: bool = True
    colour: bool = True

    @classmethod
    def of(cls, environment: Mapping[str, str], encoding: str) -> "Theme":
        """The theme for a terminal.

        Args:
            environment: ``NO_COLOR`` (no-color.org: set and not empty) and ``TERM`` count.
            encoding: Of what is written to it, as Python names it.
        """
        term = environment.get("TERM", "")
        # The font of the kernel's console has 256 or 512 signs; arrows and check marks are often missing.
        speaks_unicode = encoding.lower().replace("-", "") == "utf8" and term not in {"linux", "dumb"}
        return cls(unicode=speaks_unicode, colour=not environment.get("NO_COLOR") and term != "dumb")

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""
        return _UNICODE if self.unicode else _ASCII

    def style(self, style: Style) -> Style:
        """How *style* is shown: without colours a background becomes reverse, so that what is marked stays marked."""
        if self.colour:
            return style
        return Style(
            bold=style.bold,
            underline=style.underline,
            reverse=style.reverse != (style.background is not None),
        )

    def text(self, text: str) -> str:
        """*text* as the terminal can show it; each character keeps its width."""
        return text if self.unicode or text.isascii() else text.translate(_PLAIN_TYPOGRAPHY)


def severity_style(severity: Severity) -> Style:
    """The style of a sign or a word that says how bad something is."""
    return _SEVERITY_STYLES[severity]


def mode_style(mode: Mode) -> Style:
    """The style of the mode's word."""
    return Style(foreground=_MODE_COLOURS[mode], bold=True, reverse=True)
