"""Reads a board's journal backwards, page by page, and tells what it finds: ``python -m …scan_process``.

A process of its own, because a regular expression may take for ever, and a gigabyte takes its time: the viewer kills it
when the answer is not wanted any more, and it dies with the viewer. It takes a ``ScanRequest`` as a line of JSON from
standard input, which must stay open, and writes for each page one frame (``esper_protocol.framing``) with a
``ScanReport``.
"""

import contextlib
import os
import resource
import sys
from typing import Final

import msgspec

from esper_protocol.events import Event, Line
from esper_protocol.framing import encode_frame
from esper_protocol.messages import Subscribe, Subscribed
from esperctl.client import Client
from esperctl.daemons import connect
from esperctl.errors import EsperctlError
from esperctl.subscription import Subscription
from esperctl.viewer.connection.line_search import LineSearch
from esperctl.viewer.connection.stdin_watch import die_with_stdin
from esperctl.viewer.effects import ShownEvents
from esperctl.viewer.log.event_search import EventSearch
from esperctl.viewer.log.patterns import compile_pattern

# A page is a megabyte or two: large enough to be worth its request, small enough that the count moves.
_PAGE_LINES: Final = 20_000
_NICENESS: Final = 10
# Ten gigabytes of journal take less; a regular expression that takes more will not end in this life.
_MOST_CPU_S: Final = 600
# So that a report fits into a frame.
_EVENTS_BYTES: Final = 256 * 1024


class ScanRequest(msgspec.Struct, frozen=True):
    """What to look for; see ``StartScan``."""

    socket: str
    board: str
    before: int
    pattern: str | None
    is_regex: bool
    ignore_case: bool
    shown: ShownEvents
    wants_events: bool
    limit_bytes: int | None


class ScanReport(msgspec.Struct, frozen=True):
    """What was found since the last one; the last of all is finished or has an error.

    ``matches`` and ``events`` ascend; ``share`` is how much of the journal was read, 0 to 1.
    """

    matches: list[int] = []
    events: list[Event] = []
    share: float = 0.0
    is_finished: bool = False
    error: str | None = None


class _Page:
    """What one page of the journal holds."""

    def __init__(self, request: ScanRequest) -> None:
        self._search = self._event_search = None
        if request.pattern is not None:
            pattern = compile_pattern(request.pattern, is_regex=request.is_regex, ignore_case=request.ignore_case)
            self._search = LineSearch(request.pattern, is_regex=request.is_regex, ignore_case=request.ignore_case)
            self._event_search = EventSearch(request.shown, lambda text: pattern.search(text) is not None)
        self._wants_events = request.wants_events
        self.matches: list[int] = []
        self.events: list[Event] = []
        self.lines = 0
        self.data_bytes = 0

    def read(self, client: Client, request: ScanRequest, before: int) -> int:
        """Reads the page that ends before a position; the position it begins at."""
        asked = Subscribe(request.board, last_lines=_PAGE_LINES, follow=False, until=before)
        subscribed = client.request(asked, Subscribed)
        subscription = Subscription(request.board, subscribed, before)
        while not subscription.ended:
            for event in subscription.absorb(client.receive()):
                if isinstance(event, Event):
                    self._take(event)
        if self._search is not None and self._event_search is not None:
            self.matches += [*self._search.end(), *self._event_search.positions()]
            self.matches.sort()
        return subscribed.next_seq

    def _take(self, event: Event) -> None:
        if self._event_search is not None:
            self._event_search.take(event)
        if isinstance(event.body, Line):
            self.lines += event.body.count
            self.data_bytes += len(event.body.data)
            if self._search is not None:
                self.matches += self._search.positions(event.seq, event.body)
        elif self._wants_events:
            self.events.append(event)


def main() -> int:
    """Runs the process."""
    os.nice(_NICENESS)
    _limit_cpu()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=ScanRequest)
    die_with_stdin()
    # A pipe that is closed: the question is gone.
    with contextlib.suppress(BrokenPipeError):
        try:
            _scan(request)
        except EsperctlError as error:
            _tell(ScanReport(error=error.message))
        except ValueError as error:
            _tell(ScanReport(error=str(error)))
    return 0


def _limit_cpu() -> None:
    """Has SIGXCPU end the process one day, whatever it does then."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or hard > _MOST_CPU_S:
        resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, hard))


def _scan(request: ScanRequest) -> None:
    before, data_bytes = request.before, 0
    with connect(request.socket) as client:
        while True:
            page = _Page(request)
            first = page.read(client, request, before)
            data_bytes += page.data_bytes
            is_last = (
                page.lines < _PAGE_LINES
                or first >= before
                or (request.limit_bytes is not None and data_bytes >= request.limit_bytes)
            )
            for events in _portions(page.events):
                _tell(ScanReport(events=events))
            # Positions are counted from the oldest that a journal ever had; what retention removed counts as read.
            share = 1.0 if is_last else 1 - first / max(request.before, 1)
            _tell(ScanReport(matches=page.matches, share=share, is_finished=is_last))
            if is_last:
                return
            before = first


def _portions(events: list[Event]) -> list[list[Event]]:
    """Cut so that each can be told in one frame."""
    portions: list[list[Event]] = []
    room = 0
    for event in events:
        size = len(msgspec.msgpack.encode(event))
        if size > room:
            portions.append([])
            room = _EVENTS_BYTES
        portions[-1].append(event)
        room -= size
    return portions


def _tell(report: ScanReport) -> None:
    sys.stdout.buffer.write(encode_frame(msgspec.msgpack.encode(report)))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
