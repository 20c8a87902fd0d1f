"""What the window holds: lines as they came, and events that a person is told of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import (
    Backtrace,
    Body,
    CoredumpProgress,
    DecodeFinished,
    Event,
    Line,
    LineEnd,
    Telemetry,
    Tx,
    ViewerAttached,
    ViewerDetached,
)
from esperctl.markers import DECODE_BODIES, marker
from esperctl.safe_text import safe_text
from esperctl.subscription import AnyEvent
from esperctl.viewer.log.decode_text import finished_lines

# An Event of these says nothing to a person: the lines, or another event, say it already.
_SILENT: Final = (Backtrace, Telemetry, ViewerAttached, ViewerDetached)


@dataclass(slots=True, eq=False)
class Fold:
    """A core dump whose base64 may be folded into one row, which stands in the place of ``home``."""

    id: str
    progress: CoredumpProgress | None = None
    home: "Item | None" = None
    lines: int = 0
    has_ended: bool = False


class Item:
    """One line, or one event, at one position of the journal.

    ``data`` is the line's, or what was typed. ``body`` is what an event is made of (None: a line). ``sentence`` is what
    is said of an event, ``notes`` are more lines of it. The rest is found out by ``linking``: ``head`` is the item that
    this one is the continuation of, ``parts`` are the continuations of this one, ``capture`` is the dump that was
    arriving, ``is_folded`` that the line is its base64. ``passes``: the filter lets it through.
    """

    __slots__ = (
        "at",
        "body",
        "boot",
        "capture",
        "data",
        "end",
        "follows_hole",
        "head",
        "is_folded",
        "notes",
        "parts",
        "passes",
        "sentence",
        "seq",
    )

    def __init__(self, seq: int, at: int, boot: int, data: bytes, end: LineEnd, body: Body | None = None) -> None:
        self.seq = seq
        self.at = at
        self.boot = boot
        self.data = data
        self.end: LineEnd = end
        self.body = body
        self.sentence: str | None = None
        self.notes: tuple[str, ...] = ()
        self.head: Item | None = None
        self.parts: list[Item] | None = None
        self.capture: Fold | None = None
        self.is_folded = False
        self.passes = True
        self.follows_hole = False

    @property
    def whole(self) -> bytes:
        """The data with that of its continuations."""
        if self.parts is None:
            return self.data
        return b"".join([self.data, *(part.data for part in self.parts)])


def items_of(event: AnyEvent, first: int, end: int) -> Iterator[Item]:
    """The items of an event at positions from *first* up to *end* (not included)."""
    body = event.body
    if not isinstance(event, Event) or isinstance(body, _SILENT):
        return
    if isinstance(body, Line):
        yield from _lines(event, body, first, end)
    elif first <= event.seq < end:
        yield _event_item(event, event.body)


def _lines(event: Event, line: Line, first: int, end: int) -> Iterator[Item]:
    at, boot, seq = event.at, event.boot, event.seq
    pieces = line.data.split(b"\n")
    last = pieces.pop()
    for piece in pieces:
        if first <= seq < end:
            yield Item(seq, at, boot, piece + b"\n", "newline")
        seq += 1
    if last and first <= seq < end:
        yield Item(seq, at, boot, last, line.end)


def _event_item(event: Event, body: Body) -> Item:
    if isinstance(body, Tx):
        return Item(event.seq, event.at, event.boot, body.data, "newline", body)
    notes: tuple[str, ...] = ()
    if isinstance(body, DecodeFinished):
        # The report may be long; of it only this is shown, and thus kept.
        notes = finished_lines(body)
        body = DecodeFinished(body.target, body.backend, body.seconds, body.report_path, None, body.job)
    item = Item(event.seq, event.at, event.boot, b"", "newline", body)
    if (sentence := marker(body)) is not None:
        item.sentence = safe_text(sentence)
    item.notes = notes
    return item


def decode_target(body: Body | None) -> str | None:
    """What a decode event is about, or None where it is no decode event."""
    return body.target if isinstance(body, DECODE_BODIES) else None
