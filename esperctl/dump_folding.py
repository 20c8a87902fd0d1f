"""Hides the base64 of a core dump from a view, and only from a view. Pure.

What is hidden is a whole line of base64 between the start and the end of a capture, or a part of one where the
line came in parts. A log line of the other core in the middle of a dump stays visible.
"""

import re
from typing import Final

from esper_protocol.events import (
    Body,
    CoredumpEnded,
    CoredumpProgress,
    CoredumpStarted,
    DaemonStarted,
    Line,
    SessionOpened,
    split_lines,
)

# What says that a dump is arriving, and what that none is any more: its end, or that of the stream it came in.
CAPTURE_GOES_ON: Final = (CoredumpStarted, CoredumpProgress)
CAPTURE_IS_OVER: Final = (CoredumpEnded, SessionOpened, DaemonStarted)
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}\r?\n?")


class DumpFolding:
    """Knows whether a dump is arriving, and which lines belong to it."""

    def __init__(self, *, capturing: bool = False) -> None:
        self._capturing = capturing
        self._hides_open_line: bool | None = None

    def follow(self, body: Body) -> None:
        """Takes note of an event that is not a line."""
        if isinstance(body, CAPTURE_GOES_ON):
            self._capturing = True
        elif isinstance(body, CAPTURE_IS_OVER):
            self._capturing = False
            self._hides_open_line = None

    def visible(self, line: Line) -> Line | None:
        """What of the lines stays, or None."""
        if not self._capturing:
            return line
        parts = split_lines(line)
        last = len(parts) - 1
        kept = [
            part for index, part in enumerate(parts) if not self._hides(part, index < last or line.end == "newline")
        ]
        if len(kept) == len(parts):
            return line
        if not kept:
            return None
        end = line.end if kept[-1] is parts[-1] else "newline"
        return Line(b"".join(kept), len(kept), end)

    def _hides(self, part: bytes, is_finished: bool) -> bool:
        line_so_far, self._hides_open_line = self._hides_open_line, None
        if not _BASE64.fullmatch(part):
            hides = False
        elif line_so_far is not None:
            hides = line_so_far
        else:
            # Four characters carry three bytes; only the beginning of a line may be of another length.
            length = len(part.rstrip(b"\r\n"))
            hides = length > 0 and (not is_finished or length % 4 == 0)
        if not is_finished:
            self._hides_open_line = hides
        return hides
