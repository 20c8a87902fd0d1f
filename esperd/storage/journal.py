"""A board's journal on disk: append-only segments of frames, the very ones that viewers receive.

Only the last segment is ever written to. A frame is whole, or it is the torn end of the last segment, which the next
start cuts off. A segment without events may stand at the end, see ``reserved_positions``. All methods block; they run
in the disk writer's thread or before the board starts. ``segments`` is replaced, never changed, so that readers may use
it at any time.
"""

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper_protocol.codec import EventHead, decode_event
from esper_protocol.errors import RemoteProtocolError
from esper_protocol.events import DaemonStopping
from esperd.storage.files import Access, has_room, make_directory, sync_directory, write_all
from esperd.storage.reserved_positions import ReservedPositions, Unwritten, seq_after_kill
from esperd.storage.segment_marks import SegmentMarks
from esperd.storage.segments import (
    Found,
    Segment,
    end_seq,
    last_event,
    scan_segment,
    segment_first_seq,
    segment_path,
)

# Source: limits.h of Linux, IOV_MAX.
_MOST_BUFFERS: Final = 1024


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Sizes: of a segment, of all of them, and the part of the disk that stays free (percent)."""

    segment_bytes: int
    total_bytes: int
    free_disk_percent: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the end of the journal says about the run before.

    ``was_killed`` when the last event is not the one that an orderly stop writes, or a run began behind it; ``last_at``
    is its time (ns), null when there is none. The next session gets one more than ``generation``. ``unwritten`` is what
    an orderly stop could not write.
    """

    next_seq: int
    generation: int
    boot: int
    torn_bytes: int
    was_killed: bool
    last_at: int | None
    unwritten: Unwritten | None = None


_NOTHING_YET: Final = Recovery(1, 0, 0, torn_bytes=0, was_killed=False, last_at=None)


class Journal:
    """The segments of one board; this process is their only writer.

    ``has_begun``: it is on disk that a run began; if it is killed, the next start gives no position of it again.
    """

    def __init__(self, directory: Path, limits: JournalLimits, access: Access) -> None:
        self.directory = directory
        self.limits = limits
        self._access = access
        self._descriptor = -1
        # Something stands behind the end of the last segment that a refused append left there.
        self._is_torn = False
        self._reserved = ReservedPositions(directory, access)
        self.segments: tuple[Segment, ...] = ()
        self.marks = SegmentMarks()
        self.is_dirty = False
        self.has_begun = False

    @property
    def size_bytes(self) -> int:
        """The size of all segments."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def first_seq(self) -> int | None:
        """The oldest position that is kept on disk."""
        return self.segments[0].first_seq if self.segments else None

    # Start --------------------------------------------------------------------------------------------

    def open(self) -> Recovery:
        """Finds the segments, cuts off a torn end and opens the last one for appending.

        Raises:
            OSError: the directory or a segment can't be read or written.
        """
        make_directory(self.directory, self._access)
        segments = self._survey()
        self.segments = _without_empty_end(segments)
        self._reserved.adopt(segments[len(self.segments) :])
        recovery = self._recover(*self._open_last()) if segments or self._reserved.seq else _NOTHING_YET
        # The note of an orderly stop stays: until this run has begun, the next start is to tell what this one would.
        if self._reserved.seq and recovery.unwritten is None:
            # Until there is an event of this run behind it. A full disk that refuses it is asked again with each batch.
            try:
                self._reserved.hold(recovery.next_seq)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
        return recovery

    def _open_last(self) -> tuple[Found | None, int]:
        """Returns the last whole event, and how many bytes behind it were cut off."""
        if not self.segments:
            return None, 0
        last = self.segments[-1]
        self._descriptor = self._open_segment(last.path)
        found = last_event(last)
        end = 0 if found is None else found.end
        torn_bytes = last.size_bytes - end
        if torn_bytes:
            os.ftruncate(self._descriptor, end)
            self._set_last(Segment(last.path, last.first_seq, last.first_at, end))
        return found, torn_bytes

    def _survey(self) -> tuple[Segment, ...]:
        found = sorted((seq, path) for path in self.directory.iterdir() if (seq := segment_first_seq(path)) is not None)
        segments: list[Segment] = []
        for seq, path in found:
            # Without a readable event it takes the time of the one before, which keeps the index in order.
            before = segments[-1].first_at if segments else 0
            segment = Segment(path, seq, before, path.stat().st_size)
            first = next(scan_segment(segment), None)
            segments.append(segment if first is None else Segment(path, seq, first.head.at, segment.size_bytes))
        return tuple(segments)

    def _recover(self, last: Found | None, torn_bytes: int) -> Recovery:
        if last is None:
            # Nothing whole was written to the last segment: what is known stands before it.
            head, is_cut = self._last_known_head(), True
            next_seq = self.segments[-1].first_seq if self.segments else 1
        else:
            head, next_seq = last.head, end_seq(last.payload)
            is_cut = torn_bytes > 0 or self._reserved.seq > 0 or not _is_orderly_end(last.payload)
        unwritten = self._reserved.unwritten
        if unwritten is not None and next_seq > unwritten.last_seq:
            unwritten = None  # the run that came then told of it
        if is_cut:
            next_seq = seq_after_kill(max(next_seq, self._reserved.seq))
        generation, boot = (0, 0) if head is None else (head.generation, head.boot)
        if is_cut:
            generation, boot = self._highest_numbers(generation, boot)
            # Of a session more, which viewers saw, nothing may have reached the disk.
            generation += 1
        was_killed, last_at = is_cut and unwritten is None, None if head is None else head.at
        return Recovery(next_seq, generation, boot, torn_bytes, was_killed, last_at, unwritten)

    def _highest_numbers(self, generation: int, boot: int) -> tuple[int, int]:
        """Of the last session and boot: the last event may be a result that belongs to an older one."""
        heads = [found.head for segment in self.segments[-2:] for found in scan_segment(segment)]
        return max([generation, *(head.generation for head in heads)]), max([boot, *(head.boot for head in heads)])

    def _last_known_head(self) -> EventHead | None:
        for segment in reversed(self.segments[:-1]):
            found = last_event(segment)
            if found is not None:
                return found.head
        return None

    # Writing ------------------------------------------------------------------------------------------

    def append(self, frames: list[bytes], first_seq: int, first_at: int) -> None:
        """Appends whole frames, the first of which has the position *first_seq* and the time *first_at*.

        Raises:
            OSError: nothing of it was kept (``ENOSPC`` also when the disk is fuller than the limit allows).
        """
        try:
            self._append(frames, first_seq, first_at)
        except OSError:
            with contextlib.suppress(OSError):
                self._reserved.hold(first_seq)
                self.has_begun = True
            raise
        self._reserved.pass_by()
        self.has_begun = True

    def _append(self, frames: list[bytes], first_seq: int, first_at: int) -> None:
        size = sum(map(len, frames))
        # First, because it makes room: somebody may have lowered the limit for that.
        self._apply_retention(size)
        if not has_room(self.directory, self.limits.free_disk_percent):
            percent = self.limits.free_disk_percent
            why = f"less than {percent:g} % of the disk is free" if percent else os.strerror(errno.ENOSPC)
            raise OSError(errno.ENOSPC, why, str(self.directory))
        if not self.segments or self.segments[-1].size_bytes + size > self.limits.segment_bytes:
            self._start_segment(first_seq, first_at)
        self._cut_torn_end()
        # A part of a frame in the middle of a segment would be damage; whoever comes next cuts it off.
        self._is_torn = True
        _write_frames(self._descriptor, frames)
        self._is_torn = False
        self.is_dirty = True
        segment = self.segments[-1]
        self._set_last(Segment(segment.path, segment.first_seq, segment.first_at, segment.size_bytes + size))

    def sync(self) -> None:
        """Makes what was appended durable.

        Raises:
            OSError: the disk failed.
        """
        if self.is_dirty and self._descriptor >= 0:
            os.fdatasync(self._descriptor)
            self.is_dirty = False
            self._reserved.release()

    def close(self, unwritten: Unwritten | None = None) -> None:
        """Syncs and closes; harmless when it is closed.

        Args:
            unwritten: What the next start is to tell that this run could not write.

        Raises:
            OSError: the disk failed; it is closed all the same.
        """
        try:
            self._cut_torn_end()
            self.sync()
        finally:
            self._close_descriptor()
            if unwritten is not None:
                self._reserved.note_stop(unwritten)

    def _apply_retention(self, size: int) -> None:
        # By its own size only: to give up the past for a disk that others fill would be to lose it for nothing.
        while len(self.segments) > 1 and self.size_bytes + size > self.limits.total_bytes:
            self.segments[0].path.unlink(missing_ok=True)
            self.marks.forget(self.segments[0])
            self.segments = self.segments[1:]

    def _start_segment(self, first_seq: int, first_at: int) -> None:
        # Whatever fails here leaves the old segment as the last one, and is tried again with the next batch.
        self._cut_torn_end()
        self.sync()
        path = segment_path(self.directory, first_seq)
        descriptor = self._open_segment(path)
        try:
            sync_directory(self.directory)
        except OSError:
            os.close(descriptor)
            raise
        self._close_descriptor()
        self._descriptor = descriptor
        self.segments = (*self.segments, Segment(path, first_seq, first_at, 0))

    def _cut_torn_end(self) -> None:
        if self._is_torn and self._descriptor >= 0:
            os.ftruncate(self._descriptor, self.segments[-1].size_bytes)
            self._is_torn = False

    def _set_last(self, segment: Segment) -> None:
        self.segments = (*self.segments[:-1], segment)

    def _open_segment(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, self._access.file_mode)
        os.fchmod(descriptor, self._access.file_mode)
        return descriptor

    def _close_descriptor(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _without_empty_end(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    count = len(segments)
    while count and not segments[count - 1].size_bytes:
        count -= 1
    return segments[:count]


def _is_orderly_end(payload: bytes) -> bool:
    try:
        return isinstance(decode_event(payload).body, DaemonStopping)
    except RemoteProtocolError:
        return False


def _write_frames(descriptor: int, frames: list[bytes]) -> None:
    # One system call for most batches.
    for start in range(0, len(frames), _MOST_BUFFERS):
        batch = frames[start : start + _MOST_BUFFERS]
        written = os.writev(descriptor, batch)
        if written < sum(map(len, batch)):
            write_all(descriptor, b"".join(batch)[written:])
