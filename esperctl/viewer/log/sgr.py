"""The parameters of an SGR sequence into a style of 16 colours (ECMA-48 8.3.117, and xterm's 256 and true colours).

Pure. What is not known is skipped, as terminals do; 256 and true colours become the nearest of the 16.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from esperctl.viewer.style import PLAIN, Style

# The base colours as xterm shows them, which its palette of 256 is made for.
_BASE_COLOURS: Final = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)
_CUBE_STEPS: Final = (0, 95, 135, 175, 215, 255)
_ON: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}
_OFF: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",)}


@lru_cache(maxsize=1024)
def apply_sgr(style: Style, parameters: str) -> Style:
    """*style* after ``ESC [ parameters m``; parameters are digits, semicolons and colons."""
    codes = iter([int(part[:4] or 0) for part in parameters.replace(":", ";").split(";")])
    for code in codes:
        style = _apply(style, code, codes)
    return style


def _apply(style: Style, code: int, rest: Iterator[int]) -> Style:
    if code == 0:
        return PLAIN
    if code in _ON:
        return replace(style, **{_ON[code]: True})
    if code in _OFF:
        return replace(style, **dict.fromkeys(_OFF[code], False))
    if code in (38, 48):
        colour = _extended(rest)
        return replace(style, foreground=colour) if code == 38 else replace(style, background=colour)
    return _with_base_colour(style, code)


def _with_base_colour(style: Style, code: int) -> Style:
    tens, unit = divmod(code, 10)
    colour = None if unit == 9 else unit
    if unit == 8:
        return style
    match tens:
        case 3:
            return replace(style, foreground=colour)
        case 4:
            return replace(style, background=colour)
        case 9 if unit < 8:
            return replace(style, foreground=8 + unit)
        case 10 if unit < 8:
            return replace(style, background=8 + unit)
        case _:
            return style


def _extended(rest: Iterator[int]) -> int | None:
    """The colour that ``5;n`` or ``2;r;g;b`` names, as one of the 16."""
    kind = next(rest, 0)
    if kind == 5:
        return _of_palette(min(next(rest, 0), 255))
    if kind == 2:
        return _nearest(next(rest, 0), next(rest, 0), next(rest, 0))
    return None


def _of_palette(index: int) -> int:
    if index < 16:
        return index
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return _nearest(grey, grey, grey)
    red_green, blue = divmod(index - 16, 6)
    red, green = divmod(red_green, 6)
    return _nearest(_CUBE_STEPS[red], _CUBE_STEPS[green], _CUBE_STEPS[blue])


def _nearest(red: int, green: int, blue: int) -> int:
    def distance(index: int) -> int:
        base = _BASE_COLOURS[index]
        return (base[0] - red) ** 2 + (base[1] - green) ** 2 + (base[2] - blue) ** 2

    return min(range(len(_BASE_COLOURS)), key=distance)
