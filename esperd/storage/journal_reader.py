"""Reading a journal from any position on, for a viewer that is behind what is in memory."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from esper_protocol.codec import decode_event, decode_event_head
from esper_protocol.errors import RemoteProtocolError
from esper_protocol.events import Line, seq_count
from esper_protocol.framing import HEADER, HEADER_BYTES, MAX_PAYLOAD_BYTES, scan_frames
from esperd.storage.journal import Journal, Segment

# One read for a viewer: large enough that the thread it runs in is cheap, small beside the limit on a frame.
_READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole frames, and the position after them. ``lost`` is (first, last) of what is missing before them, and why."""

    frames: bytes
    next_seq: int
    lost: tuple[int, int] | None = None
    lost_reason: str = ""


class JournalReader:
    """One viewer's place in the journal. The methods block; they are called from one worker thread at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._segment: Segment | None = None
        self._offset = 0
        self._seq = -1

    def read(self, seq: int) -> Stretch | None:
        """The frames from the one that holds *seq* on; None when the journal ends before it.

        Raises:
            OSError: a segment can't be read.
        """
        for _ in range(3):  # retention may remove the segment between the look and the open
            try:
                return self._read(seq)
            except FileNotFoundError:
                self._segment = None
        return None

    def _read(self, seq: int) -> Stretch | None:
        segments = self._journal.segments
        if not segments:
            return None
        if seq < segments[0].first_seq:
            oldest = self._read(segments[0].first_seq)
            if oldest is None:
                return None
            return Stretch(oldest.frames, oldest.next_seq, (seq, segments[0].first_seq - 1), "retention")
        index = bisect.bisect_right(segments, seq, key=lambda segment: segment.first_seq) - 1
        if self._segment is None or self._seq != seq or self._segment.path != segments[index].path:
            self._segment, self._offset = segments[index], _offset_of(segments[index], seq)
            self._seq = seq
        stretch = self._read_segment(segments[index])
        if stretch is not None:
            return stretch
        if index + 1 == len(segments):
            return None
        # The end of this segment; positions may jump here, where a run was killed.
        following = segments[index + 1]
        end = _end_of(segments[index])
        next_stretch = self._read(following.first_seq)
        if next_stretch is None or end is not None:
            return next_stretch
        return Stretch(next_stretch.frames, next_stretch.next_seq, (seq, following.first_seq - 1), "journal_damaged")

    def _read_segment(self, segment: Segment) -> Stretch | None:
        with segment.path.open("rb") as file:
            data = _read_block(file, self._offset, segment.size_bytes)
        end, last = 0, None
        for _, frame_end, payload in scan_frames(data):
            end, last = frame_end, payload
        if last is None:
            return None
        event = decode_event(last)
        self._offset += end
        self._seq = event.seq + seq_count(event.body)
        return Stretch(data[:end], self._seq)


def _read_block(file: BinaryIO, offset: int, size_bytes: int) -> bytes:
    """What stands at *offset*, with one whole frame at least; *size_bytes* is where the file ends for us."""
    limit = size_bytes - offset
    if limit <= 0:
        return b""
    file.seek(offset)
    data = file.read(min(_READ_BYTES, limit))
    if len(data) >= HEADER_BYTES:
        length, _ = HEADER.unpack_from(data)
        missing = HEADER_BYTES + length - len(data)
        if missing > 0 and length <= MAX_PAYLOAD_BYTES:
            data += file.read(min(missing, limit - len(data)))
    return data


def _scan_segment(segment: Segment) -> Iterator[tuple[int, int, bytes]]:
    """As ``scan_frames``; in parts, because many viewers may be looking for their place at once."""
    offset = 0
    with segment.path.open("rb") as file:
        while data := _read_block(file, offset, segment.size_bytes):
            block_end = 0
            for start, end, payload in scan_frames(data):
                yield offset + start, offset + end, payload
                block_end = end
            if block_end == 0:
                return
            offset += block_end


def _offset_of(segment: Segment, seq: int) -> int:
    """Where the frame that holds *seq* begins, or the first one after it."""
    before: tuple[int, bytes] | None = None
    end = 0
    for start, frame_end, payload in _scan_segment(segment):
        head_seq = decode_event_head(payload).seq
        if head_seq == seq:
            return start
        if head_seq > seq:
            return start if before is None or not _holds(before[1], seq) else before[0]
        before, end = (start, payload), frame_end
    return end if before is None or not _holds(before[1], seq) else before[0]


def _holds(payload: bytes, seq: int) -> bool:
    event = decode_event(payload)
    return event.seq <= seq < event.seq + seq_count(event.body)


def _end_of(segment: Segment) -> int | None:
    """The size of the segment when it is whole, None when it is damaged before its end."""
    end = 0
    for _, frame_end, _ in _scan_segment(segment):
        end = frame_end
    return end if end == segment.size_bytes else None


def seq_at_time(journal: Journal, at_ns: int) -> int | None:
    """The position of the first event at or after *at_ns*; None when there is none on disk.

    Raises:
        OSError: a segment can't be read.
    """
    segments = journal.segments
    index = max(bisect.bisect_right(segments, at_ns, key=lambda segment: segment.first_at) - 1, 0)
    for segment in segments[index:]:
        for _, _, payload in _scan_segment(segment):
            head = decode_event_head(payload)
            if head.at >= at_ns:
                return head.seq
    return None


def seq_of_last_lines(journal: Journal, before_seq: int, lines: int) -> int | None:
    """The position where the last *lines* lines before *before_seq* begin; the oldest line if there are fewer.

    Raises:
        OSError: a segment can't be read.
    """
    oldest: int | None = None
    for segment in reversed(journal.segments):
        if segment.first_seq >= before_seq:
            continue
        found: list[tuple[int, int]] = []
        for _, _, payload in _scan_segment(segment):
            try:
                event = decode_event(payload)
            except RemoteProtocolError:
                break
            if event.seq >= before_seq:
                break
            oldest = event.seq if oldest is None or event.seq < oldest else oldest
            if isinstance(event.body, Line):
                found.append((event.seq, event.body.count))
        for seq, count in reversed(found):
            available = min(count, before_seq - seq)
            if available >= lines:
                return seq + available - lines
            lines -= available
    return oldest
