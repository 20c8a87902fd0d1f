"""The lines of text that somebody pasted or saved: what a board printed, without what a tool put around it. Pure."""

import re
from typing import Final

from esperd.core.text import strip_line

# What `esperctl logs` puts before a line, and `idf.py monitor --timestamps`: a time of day, perhaps with its date.
_TIME: Final = re.compile(rb"(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)? ")


def board_lines(text: bytes) -> list[bytes]:
    """The lines of *text*, without colours, white space at either end, and the time that stands before them."""
    lines: list[bytes] = []
    for line in text.splitlines():
        stripped = strip_line(line)
        time = _TIME.match(stripped)
        lines.append(stripped[time.end() :].lstrip() if time else stripped)
    return lines
