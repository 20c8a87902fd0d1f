"""Finding positions in a journal: by time, and by counting lines back from a position. All block."""

import bisect
from collections.abc import Iterator
from contextlib import suppress

from esper_protocol.codec import decode_event
from esper_protocol.errors import RemoteProtocolError
from esper_protocol.events import Line
from esperd.storage.journal import Journal
from esperd.storage.segments import Found, Segment, scan_segment


def seq_at_time(journal: Journal, at_ns: int) -> int | None:
    """The position of the first event at or after *at_ns*; None when there is none on disk.

    Raises:
        OSError: a segment can't be read.
    """
    segments = journal.segments
    index = max(bisect.bisect_right(segments, at_ns, key=lambda segment: segment.first_at) - 1, 0)
    for segment in segments[index:]:
        for found in _events_in(segment):
            if found.head.at >= at_ns:
                return found.head.seq
    return None


def seq_of_last_lines(journal: Journal, before_seq: int, lines: int) -> int | None:
    """The position where the last *lines* lines before *before_seq* begin; the oldest event if there are fewer.

    Raises:
        OSError: a segment can't be read.
    """
    oldest: int | None = None
    for part in _parts_backwards(journal, before_seq):
        for seq, count in reversed(part):
            available = min(count, before_seq - seq)
            if available >= lines:
                return seq + available - lines
            lines -= available
        oldest = part[0][0] if part else oldest
    return oldest


def _parts_backwards(journal: Journal, before_seq: int) -> Iterator[list[tuple[int, int]]]:
    """The events before *before_seq*, a part of a segment at a time, the newest part first: position, lines."""
    for segment in reversed(journal.segments):
        if segment.first_seq >= before_seq:
            continue
        # A part that retention has removed meanwhile is passed over.
        with suppress(FileNotFoundError):
            end = segment.size_bytes
            for mark in reversed(journal.marks.up_to(segment, before_seq)):
                yield _line_counts(segment, mark.offset, end, before_seq)
                end = mark.offset


def _line_counts(segment: Segment, start: int, end: int, before_seq: int) -> list[tuple[int, int]]:
    """The position of each event between two offsets, and how many lines it holds."""
    counts: list[tuple[int, int]] = []
    for found in scan_segment(segment, start):
        if found.start >= end or found.head.seq >= before_seq:
            break
        counts.append((found.head.seq, _lines_in(found.payload)))
    return counts


def _lines_in(payload: bytes) -> int:
    try:
        body = decode_event(payload).body
    except RemoteProtocolError:
        return 0
    return body.count if isinstance(body, Line) else 0


def _events_in(segment: Segment) -> Iterator[Found]:
    """All of them; none when retention has removed the segment meanwhile."""
    try:
        yield from scan_segment(segment)
    except FileNotFoundError:
        return
