"""Which events of a stream are wanted: a pattern, an end in time, the last so many lines. Pure."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from esper_protocol.events import Body, Event, Line
from esperctl.dump_folding import DumpFolding
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
    """Passes only what a pattern is found in, each line as an event of its own; without a pattern, everything.

    Args:
        pattern: What is looked for.
        texts: What is printed of an event that is no line; None: nothing, so none of them passes.
        folding: Hides the base64 of dumps; None: it is not hidden.
    """

    def __init__(
        self,
        pattern: re.Pattern[str] | None,
        texts: Callable[[Body], Sequence[str]] | None = None,
        folding: DumpFolding | None = None,
    ) -> None:
        self._pattern = pattern
        self._texts = texts
        self._folding = folding
        self.matched = 0

    def select(self, event: AnyEvent) -> list[AnyEvent]:
        """What of *event* is wanted."""
        pattern = self._pattern
        if pattern is None:
            return [event]
        if not isinstance(event, Event):
            return []
        found: list[AnyEvent] = []
        if isinstance(event.body, Line):
            found += [line for line in lines_of(event, event.body) if self._is_in_line(pattern, line.body)]
        elif self._is_in_event(pattern, event.body):
            found.append(event)
        self.matched += len(found)
        return found

    def _is_in_line(self, pattern: re.Pattern[str], body: Body) -> bool:
        if not isinstance(body, Line) or (self._folding is not None and self._folding.visible(body) is None):
            return False
        return pattern.search(without_sequences(line_text(body.data))) is not None

    def _is_in_event(self, pattern: re.Pattern[str], body: Body) -> bool:
        if self._folding is not None:
            self._folding.follow(body)
        return self._texts is not None and any(pattern.search(text) for text in self._texts(body))


class LastLines:
    """Keeps the events from the last *count* lines on, and forgets the others as they go by.

    With *counts_events* any other event counts as a line.
    """

    def __init__(self, count: int, *, counts_events: bool = False) -> None:
        self._count = count
        self._event_lines = int(counts_events)
        self._kept: deque[AnyEvent] = deque()
        self._lines = 0

    def add(self, event: AnyEvent) -> None:
        """Takes the next event."""
        if self._count == 0:
            return
        self._kept.append(event)
        self._lines += event.body.count if isinstance(event.body, Line) else self._event_lines
        while self._lines > self._count:
            first = self._kept.popleft()
            if not isinstance(first.body, Line):
                self._lines -= self._event_lines
                continue
            excess = min(self._lines - self._count, first.body.count)
            self._lines -= excess
            if excess < first.body.count:
                self._kept.appendleft(without_first_lines(first, first.body, excess))

    def __iter__(self) -> Iterator[AnyEvent]:
        """The kept events, oldest first."""
        return iter(self._kept)
