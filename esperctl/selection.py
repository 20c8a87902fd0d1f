"""Which events of a stream are wanted: a pattern, an end in time, the last so many lines. Pure."""

import re
from collections import deque
from collections.abc import Iterator

from esper_protocol.events import Event, Line
from esperctl.errors import UsageError
from esperctl.subscription import AnyEvent, lines_of, without_first_lines
from esperctl.terminal_text import without_sequences


def line_text(data: bytes) -> str:
    r"""A line as text without its end; invalid UTF-8 as ``\xff``."""
    return data.rstrip(b"\r\n").decode("utf-8", "backslashreplace")


def compile_pattern(text: str) -> re.Pattern[str]:
    """The regular expression *text*.

    Raises:
        UsageError: it is none.
    """
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"'{text}' is not a regular expression: {error}", "put a backslash before what is literal"
        ) from (error)


class Matching:
    """Passes only lines that a pattern is found in, each as an event of its own; without a pattern, everything."""

    def __init__(self, pattern: re.Pattern[str] | None) -> None:
        self._pattern = pattern
        self.matched = 0

    def select(self, event: AnyEvent) -> list[AnyEvent]:
        """What of *event* is wanted."""
        pattern = self._pattern
        if pattern is None:
            return [event]
        if not isinstance(event, Event) or not isinstance(event.body, Line):
            return []
        found: list[AnyEvent] = [
            line
            for line in lines_of(event, event.body)
            if isinstance(line.body, Line) and pattern.search(without_sequences(line_text(line.body.data)))
        ]
        self.matched += len(found)
        return found


class LastLines:
    """Keeps the events from the last *count* lines on, and forgets the others as they go by."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: deque[AnyEvent] = deque()
        self._lines = 0

    def add(self, event: AnyEvent) -> None:
        """Takes the next event."""
        if self._count == 0:
            return
        self._kept.append(event)
        self._lines += event.body.count if isinstance(event.body, Line) else 0
        while self._lines > self._count:
            first = self._kept.popleft()
            if not isinstance(first.body, Line):
                continue
            excess = min(self._lines - self._count, first.body.count)
            self._lines -= excess
            if excess < first.body.count:
                self._kept.appendleft(without_first_lines(first, first.body, excess))

    def __iter__(self) -> Iterator[AnyEvent]:
        """The kept events, oldest first."""
        return iter(self._kept)
