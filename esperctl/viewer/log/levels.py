"""The level and tag of a line of ESP-IDF's log. Pure.

Forms: ``I (1234) tag: text``; with the other time formats of version 2, ``I (12:30:01.123) tag: text``; without times,
``I tag: text``; each of them behind colour sequences or not.

Source: esp-idf components/log/include/esp_log_format.h and components/log/src/log_format_text.c.
"""

import re
from typing import Final, Literal, NamedTuple

from esperctl.viewer.style import PLAIN, Style

Level = Literal["E", "W", "I", "D", "V"]

_LINE: Final = re.compile(
    rb"(?:\x1b\[[0-9;]{0,16}m)*([EWIDV]) (?:\([^)\n]{1,40}\) ([^:\n]{1,64})|([^\s:()]{1,64})):(?:[ \r\n]|\Z)"
)
_LEVELS: Final[dict[bytes, Level]] = {b"E": "E", b"W": "W", b"I": "I", b"D": "D", b"V": "V"}
_STYLES: Final[dict[Level, Style]] = {
    "E": Style(foreground=1),
    "W": Style(foreground=3),
    "I": Style(foreground=2),
    "D": Style(dim=True),
    "V": Style(dim=True),
}


class Logged(NamedTuple):
    """What a line says of itself."""

    level: Level
    tag: str


def logged(data: bytes) -> Logged | None:
    """The level and tag of a line, or None where it is not one of the log."""
    match = _LINE.match(data)
    if match is None:
        return None
    return Logged(_LEVELS[match[1]], (match[2] or match[3]).decode("utf-8", "replace"))


def style_of_level(data: bytes) -> Style:
    """How a line that came without colour looks."""
    match = _LINE.match(data)
    return PLAIN if match is None else _STYLES[_LEVELS[match[1]]]
