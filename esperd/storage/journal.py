"""A board's journal on disk: append-only segments of frames, the very ones that viewers receive.

A segment's name is the position of its first event, ``00000000000000000001.journal``; its events follow each other, so
the names alone say where a position is. Only the last segment is ever written to. A frame is whole or it is the torn
end of the last segment, which the next start cuts off. All methods block; they run in the disk writer's thread or
before the board starts. ``segments`` is replaced, never changed, so that readers may use it at any time.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper_protocol.codec import EventHead, decode_event, decode_event_head
from esper_protocol.errors import RemoteProtocolError
from esper_protocol.events import DaemonStopping, seq_count
from esper_protocol.framing import scan_frames
from esperd.storage.files import has_room, make_directory, sync_directory

SUFFIX: Final = ".journal"
# More positions than can have been given out without reaching the disk, since each stands for at least a byte of what
# the disk writer may hold. After a run that was killed, counting goes on at a multiple of this.
SEQ_SKIP: Final = 10_000_000
# Enough of an older segment to hold its first frame, whose time the index needs.
_HEAD_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Sizes: of a segment, of all of them, and the part of the disk that stays free (percent)."""

    segment_bytes: int
    total_bytes: int
    free_disk_percent: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One file; ``first_at`` is the time of its first event (ns)."""

    path: Path
    first_seq: int
    first_at: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the end of the journal says about the run before.

    ``was_killed`` when the last event is not the one that an orderly stop writes; ``last_at`` is its time (ns), null
    when there is none.
    """

    next_seq: int
    generation: int
    boot: int
    torn_bytes: int
    was_killed: bool
    last_at: int | None


def segment_first_seq(path: Path) -> int | None:
    """The position in a segment's name; None for another file."""
    return int(path.stem) if path.suffix == SUFFIX and path.stem.isdecimal() else None


class Journal:
    """The segments of one board; this process is their only writer."""

    def __init__(self, directory: Path, limits: JournalLimits, file_mode: int, directory_mode: int) -> None:
        self.directory = directory
        self._limits = limits
        self._file_mode = file_mode
        self._directory_mode = directory_mode
        self._descriptor = -1
        self.segments: tuple[Segment, ...] = ()
        self.is_dirty = False

    @property
    def size_bytes(self) -> int:
        """The size of all segments."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def first_seq(self) -> int | None:
        """The oldest position that is kept on disk."""
        return self.segments[0].first_seq if self.segments else None

    def open(self) -> Recovery:
        """Finds the segments, cuts off a torn end and opens the last one for appending.

        Raises:
            OSError: the directory or a segment can't be read or written.
        """
        make_directory(self.directory, self._directory_mode)
        found = sorted((seq, path) for path in self.directory.iterdir() if (seq := segment_first_seq(path)) is not None)
        torn_bytes = 0
        segments: list[Segment] = []
        last: EventHead | None = None
        was_killed = False
        next_seq = 1
        for seq, path in found:
            is_last = path == found[-1][1]
            with path.open("rb") as file:
                content = file.read() if is_last else file.read(_HEAD_BYTES)
            end = len(content)
            if is_last:
                end, last_payload = _find_end(content)
                torn_bytes = len(content) - end
                if torn_bytes:
                    os.truncate(path, end)
                if last_payload is not None:
                    last = decode_event_head(last_payload)
                    event = decode_event(last_payload)
                    next_seq = last.seq + seq_count(event.body)
                    was_killed = torn_bytes > 0 or not isinstance(event.body, DaemonStopping)
                else:
                    next_seq, was_killed = seq, True
            head = next((decode_event_head(payload) for _, _, payload in scan_frames(content)), None)
            segments.append(Segment(path, seq, 0 if head is None else head.at, end if is_last else path.stat().st_size))
        self.segments = tuple(segments)
        if last is None and len(segments) > 1:
            # The last segment was made and nothing whole was written to it: what is known stands in the one before.
            last = self._last_head(segments[-2])
        if was_killed:
            next_seq = (next_seq // SEQ_SKIP + 2) * SEQ_SKIP
        if segments:
            self._descriptor = self._open_segment(segments[-1].path)
        generation, boot = (0, 0) if last is None else (last.generation, last.boot)
        return Recovery(next_seq, generation, boot, torn_bytes, was_killed, None if last is None else last.at)

    def append(self, frames: list[bytes], first_seq: int, first_at: int) -> None:
        """Appends whole frames, the first of which has the position *first_seq* and the time *first_at*.

        Raises:
            OSError: nothing of it was kept (``ENOSPC`` also when the disk is fuller than the limit allows).
        """
        size = sum(map(len, frames))
        if not self._make_room(size):
            raise OSError(
                errno.ENOSPC, f"less than {self._limits.free_disk_percent:g} % of the disk is free", str(self.directory)
            )
        if not self.segments or self.segments[-1].size_bytes + size > self._limits.segment_bytes:
            self._start_segment(first_seq, first_at)
        segment = self.segments[-1]
        try:
            _write_all(self._descriptor, frames)
        except OSError:
            # A part of a frame in the middle of a segment would hide all that follows it.
            os.ftruncate(self._descriptor, segment.size_bytes)
            raise
        self.is_dirty = True
        grown = Segment(segment.path, segment.first_seq, segment.first_at, segment.size_bytes + size)
        self.segments = (*self.segments[:-1], grown)

    def sync(self) -> None:
        """Makes what was appended durable.

        Raises:
            OSError: the disk failed.
        """
        if self.is_dirty and self._descriptor >= 0:
            os.fdatasync(self._descriptor)
            self.is_dirty = False

    def close(self) -> None:
        """Syncs and closes.

        Raises:
            OSError: the disk failed; it is closed all the same.
        """
        try:
            self.sync()
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _make_room(self, size: int) -> bool:
        """Applies retention; False when the disk is too full even with nothing but the last segment left."""
        while len(self.segments) > 1 and (
            self.size_bytes + size > self._limits.total_bytes
            or not has_room(self.directory, self._limits.free_disk_percent)
        ):
            self.segments[0].path.unlink(missing_ok=True)
            self.segments = self.segments[1:]
        return has_room(self.directory, self._limits.free_disk_percent)

    def _start_segment(self, first_seq: int, first_at: int) -> None:
        path = self.directory / f"{first_seq:020d}{SUFFIX}"
        descriptor = self._open_segment(path)
        sync_directory(self.directory)
        previous, self._descriptor = self._descriptor, descriptor
        if previous >= 0:
            os.fdatasync(previous)
            os.close(previous)
        self.segments = (*self.segments, Segment(path, first_seq, first_at, 0))

    def _open_segment(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, self._file_mode)
        os.fchmod(descriptor, self._file_mode)
        return descriptor

    @staticmethod
    def _last_head(segment: Segment) -> EventHead | None:
        _, payload = _find_end(segment.path.read_bytes())
        return None if payload is None else decode_event_head(payload)


def _find_end(content: bytes) -> tuple[int, bytes | None]:
    """Where the whole frames of a segment end, and the payload of the last of them that is an event."""
    end, last = 0, None
    for _, frame_end, payload in scan_frames(content):
        try:
            decode_event_head(payload)
        except RemoteProtocolError:
            break
        end, last = frame_end, payload
    return end, last


def _write_all(descriptor: int, frames: list[bytes]) -> None:
    # One system call for most batches; IOV_MAX is 1024 on Linux.
    for start in range(0, len(frames), 1024):
        batch = frames[start : start + 1024]
        total = sum(map(len, batch))
        written = os.writev(descriptor, batch)
        if written < total:
            rest = memoryview(b"".join(batch))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
