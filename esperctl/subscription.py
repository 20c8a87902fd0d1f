"""A subscription's place in a board's journal: messages in, events out, each position once. Pure."""

from typing import TypeAlias

from esper_protocol.codec import ReceivedByClient
from esper_protocol.events import Event, Line, seq_count, split_lines
from esper_protocol.messages import HistoryEnd, Subscribed, UnknownEvent
from esperctl.errors import NotServedError

AnyEvent: TypeAlias = Event | UnknownEvent


def lines_of(event: Event, line: Line) -> list[Event]:
    """The lines of a line event, each as an event of its own."""
    parts = split_lines(line)
    last = len(parts) - 1
    return [
        Event(
            event.seq + index,
            event.at,
            event.board,
            event.generation,
            event.boot,
            Line(part, 1, line.end if index == last else "newline"),
        )
        for index, part in enumerate(parts)
    ]


def cut(event: AnyEvent, after: int) -> AnyEvent | None:
    """What of *event* lies after position *after*; a line event may lose its first lines, or all (None)."""
    if event.seq > after:
        return event
    if event.seq + seq_count(event.body) - 1 <= after or not isinstance(event.body, Line):
        return None
    return without_first_lines(event, event.body, after + 1 - event.seq)


def without_first_lines(event: AnyEvent, line: Line, count: int) -> Event:
    """*event*, whose body is *line*, without its first *count* lines, of which it has more."""
    body = Line(b"".join(split_lines(line)[count:]), line.count - count, line.end)
    return Event(event.seq + count, event.at, event.board, event.generation, event.boot, body)


def cut_end(event: AnyEvent, until: int) -> AnyEvent | None:
    """What of *event* lies before position *until*; a line event may lose its last lines, or all (None)."""
    if event.seq >= until:
        return None
    if event.seq + seq_count(event.body) <= until or not isinstance(event.body, Line):
        return event
    lines = split_lines(event.body)[: until - event.seq]
    body = Line(b"".join(lines), len(lines))
    return Event(event.seq, event.at, event.board, event.generation, event.boot, body)


class Subscription:
    """Follows the events of one ``board``; ``cursor`` is the last position that was handed out.

    Args:
        board: Its name.
        subscribed: The answer to the request.
        until: As in the request.
    """

    def __init__(self, board: str, subscribed: Subscribed, until: int | None = None) -> None:
        self.board = board
        self._until = until
        self.cursor = subscribed.next_seq - 1
        self.ended = False
        self._reason: str | None = None

    def absorb(self, messages: list[ReceivedByClient]) -> list[AnyEvent]:
        """The new events among *messages*; notes in ``ended`` when the history is over."""
        events: list[AnyEvent] = []
        for message in messages:
            if isinstance(message, Event | UnknownEvent):
                if message.board == self.board and (event := self._wanted(message)) is not None:
                    self.cursor = event.seq + seq_count(event.body) - 1
                    events.append(event)
            elif isinstance(message, HistoryEnd) and message.board == self.board:
                self.ended, self._reason = True, message.reason
                self.cursor = max(self.cursor, message.next_seq - 1)
        return events

    def check_served(self) -> None:
        """Call it when the events were handled.

        Raises:
            NotServedError: the daemon ended the subscription, although there might have been more.
        """
        if self._reason is not None:
            raise NotServedError(self.board, self._reason)

    def _wanted(self, event: AnyEvent) -> AnyEvent | None:
        new = cut(event, self.cursor)
        return new if new is None or self._until is None else cut_end(new, self._until)
