"""A board's journal in memory, and a Log that is fed from it as the viewer feeds it."""

from collections.abc import Callable

import pytest

from esper_protocol.events import Body, Event, Line, LineEnd, seq_count
from esperctl.subscription import AnyEvent, cut, cut_end
from esperctl.viewer.effects import FetchPage
from esperctl.viewer.log.log import Log
from esperctl.viewer.messages import PageArrived
from esperctl.viewer.style import Span

_NS_IN_S = 1_000_000_000


class Watched:
    """A journal and its Log; ``page_lines``: how many lines a page holds, whatever was asked for."""

    def __init__(self, columns: int, rows: int, page_lines: int | None) -> None:
        self.log = Log()
        self.log.resize(columns, rows)
        self.journal: list[Event] = []
        self.next_seq = 1
        self.boot = 1
        self.at = 1_700_000_000 * _NS_IN_S
        self.requests: list[FetchPage] = []
        self._page_lines = page_lines

    def record(self, body: Body) -> Event:
        """An event that is only in the journal."""
        self.at += _NS_IN_S
        event = Event(self.next_seq, self.at, "bench1", 1, self.boot, body)
        self.next_seq += seq_count(body)
        self.journal.append(event)
        return event

    def happen(self, *bodies: Body) -> int:
        """Events of the live stream; returns the position of the last one."""
        events = [self.record(body) for body in bodies]
        self.log.append(events)
        return events[-1].seq

    def say(self, text: str | bytes, end: LineEnd = "newline") -> int:
        """The board says lines, live; ``end`` is the last one's."""
        return self.happen(line(text, end))

    def attach(self, capture: str | None = None) -> None:
        """The Log begins here, and reads what it wants of the journal."""
        self.log.start(self.next_seq, capture=capture)
        self.read()

    def read(self) -> None:
        """Answers what the Log wants, until it wants nothing more."""
        for _ in range(10_000):
            requests = self.log.wanted()
            if not requests:
                return
            for request in requests:
                self.answer(request)
        raise AssertionError("the log asks for pages without end")

    def answer(self, request: FetchPage) -> None:
        """Answers one request."""
        self.requests.append(request)
        lines = self._page_lines or request.lines
        older = request.direction == "older"
        wanted = [
            event
            for whole in self.journal
            if (event := cut_end(whole, request.position) if older else cut(whole, request.position)) is not None
        ]
        page: list[AnyEvent] = []
        count = 0
        while wanted and count < lines:
            event = wanted.pop(-1 if older else 0)
            page.insert(0 if older else len(page), event)
            count += event.body.count if isinstance(event.body, Line) else 0
        self.log.page_arrived(PageArrived(request, tuple(page), not wanted))

    @property
    def screen(self) -> list[str]:
        """The rows, as text."""
        return [text_of(row.spans) for row in self.log.view().rows]

    @property
    def times(self) -> list[str]:
        """What stands before the rows."""
        return [row.time for row in self.log.view().rows]

    @property
    def marked(self) -> list[str]:
        """The rows that are marked."""
        return [text_of(row.spans) for row in self.log.view().rows if row.is_match]


def line(text: str | bytes, end: LineEnd = "newline") -> Line:
    data = text if isinstance(text, bytes) else text.encode()
    count = data.count(b"\n") + (0 if data.endswith(b"\n") else 1)
    return Line(data, count, end if not data.endswith(b"\n") else "newline")


def text_of(spans: tuple[Span, ...]) -> str:
    return "".join(span.text for span in spans)


WatchBoard = Callable[..., Watched]


@pytest.fixture
def watch() -> WatchBoard:
    """Makes a board with an empty journal and a Log of so many columns and rows."""

    def make(columns: int = 40, rows: int = 5, page_lines: int | None = None) -> Watched:
        return Watched(columns, rows, page_lines)

    return make
