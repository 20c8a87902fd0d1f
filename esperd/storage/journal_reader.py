"""Reading a journal from any position on, for a viewer that is behind what is in memory."""

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esper_protocol.codec import decode_event_head
from esper_protocol.events import GapReason
from esper_protocol.framing import scan_frames
from esperd.storage.journal import Journal
from esperd.storage.segments import Segment, end_seq, find_event, read_block, scan_segment

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Missing:
    """Positions that can't be read, first and last, and why."""

    first_seq: int
    last_seq: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole frames, the position after them, and what is missing before them."""

    frames: bytes
    next_seq: int
    missing: Missing | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole frames at an offset of a segment, and the first and the last payload of them."""

    offset: int
    frames: bytes
    first: bytes
    last: bytes


class JournalReader:
    """One viewer's place in the journal. The methods block; they are called from one worker thread at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # Everything before _offset is before the position that was asked for last; what stands there need not be it.
        self._path: Path | None = None
        self._offset = 0
        self._seq = -1

    def read(self, seq: int, until: int | None = None) -> Stretch | None:
        """The frames from the one that holds *seq* on; None when the journal ends before it.

        With *until*, a position behind *seq*, only frames that begin before it; ``next_seq`` is then at most *until*.

        Raises:
            OSError: a segment can't be read.
        """
        for _ in range(3):  # retention may remove the segment between the look and the open
            try:
                stretch = self._read(seq)
                return stretch if stretch is None or until is None else _until(stretch, until)
            except FileNotFoundError:
                self._path = None
        return None

    def _read(self, seq: int) -> Stretch | None:
        segments = self._journal.segments
        if not segments:
            return None
        index = bisect.bisect_right(segments, seq, key=lambda segment: segment.first_seq) - 1
        reason: GapReason | None = "retention" if index < 0 else None
        for segment in segments[max(index, 0) :]:
            self._go_to(segment, seq)
            block = _next_block(segment, self._offset)
            if self._offset < (segment.size_bytes if block is None else block.offset):
                reason = reason or "journal_damaged"
            if block is not None:
                return self._take(block, seq, reason)
        return None

    def _go_to(self, segment: Segment, seq: int) -> None:
        """Goes to the frame that holds *seq*; without one, to the end of the one before it: damage may begin there."""
        if self._path != segment.path or self._seq > seq:
            self._path, self._offset = segment.path, self._journal.marks.offset_before(segment, seq)
        self._seq = seq
        # One look at the next event is enough for a viewer that reads on where it was.
        before: tuple[int, int, bytes] | None = None
        for found in scan_segment(segment, self._offset):
            if found.head.seq > seq:
                break
            before = found.start, found.end, found.payload
            if found.head.seq == seq:
                break
        if before is not None:
            start, end, payload = before
            self._offset = start if end_seq(payload) > seq else end

    def _take(self, block: _Block, seq: int, reason: GapReason | None) -> Stretch:
        first_seq = decode_event_head(block.first).seq
        self._offset, self._seq = block.offset + len(block.frames), end_seq(block.last)
        # Positions are also skipped where a run was killed; there nothing is missing that an event does not tell of.
        missing = Missing(seq, first_seq - 1, reason) if reason is not None and first_seq > seq else None
        return Stretch(block.frames, self._seq, missing)


def _until(stretch: Stretch, until: int) -> Stretch:
    """What of *stretch* begins before position *until*."""
    if stretch.next_seq <= until:
        return stretch
    size = 0
    for _, end, payload in scan_frames(stretch.frames):
        if decode_event_head(payload).seq >= until:
            break
        size = end
    missing = stretch.missing
    if missing is not None and missing.last_seq >= until:
        missing = Missing(missing.first_seq, until - 1, missing.reason)
    return Stretch(stretch.frames[:size], until, missing)


def _next_block(segment: Segment, offset: int) -> _Block | None:
    """The whole frames at *offset*, or behind the damage that begins there."""
    if offset >= segment.size_bytes:
        return None
    with segment.path.open("rb") as file:
        data = read_block(file, offset, segment.size_bytes)
        payloads = [(end, payload) for _, end, payload in scan_frames(data)]
        if not payloads:
            found = find_event(file, offset + 1, segment.size_bytes)
            return None if found is None else _next_block(segment, found)
    return _Block(offset, data[: payloads[-1][0]], payloads[0][1], payloads[-1][1])
