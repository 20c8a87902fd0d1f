"""The files of a journal, and what can be read in them: whole events, also behind damage.

A segment's name is the position of its first event, ``00000000000000000001.journal``; its events follow each other, so
the names alone say in which one a position is.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from esper_protocol.codec import EventHead, decode_event, decode_event_head
from esper_protocol.errors import RemoteProtocolError
from esper_protocol.events import seq_count
from esper_protocol.framing import HEADER, HEADER_BYTES, MAX_PAYLOAD_BYTES, scan_frames

_SUFFIX: Final = ".journal"
# A part of a segment: large enough that reading it is cheap, small enough that many viewers may do so at once.
_BLOCK_BYTES: Final = 256 * 1024
# How the payload of an event begins: a MessagePack array, the text "event".
_EVENT_START: Final = re.compile(rb"[\x91-\x9f]\xa5event")
# A board may print what looks like an event. A real one behind damage is among the first; a search for it among
# millions would check as many checksums.
_MOST_CANDIDATES: Final = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """One file; ``first_at`` is the time of its first event (ns), ``size_bytes`` as much as is written."""

    path: Path
    first_seq: int
    first_at: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """An event in a segment: from where to where, its envelope, and all of it."""

    start: int
    end: int
    head: EventHead
    payload: bytes


def segment_first_seq(path: Path) -> int | None:
    """The position in a segment's name; None for another file."""
    return int(path.stem) if path.suffix == _SUFFIX and path.stem.isdecimal() else None


def segment_path(directory: Path, first_seq: int) -> Path:
    """The reverse."""
    return directory / f"{first_seq:020d}{_SUFFIX}"


def scan_segment(segment: Segment, offset: int = 0) -> Iterator[Found]:
    """Yields each whole event from *offset* on, which is where one begins, and goes on behind damage.

    Raises:
        OSError: the file can't be read; FileNotFoundError where retention removed it.
    """
    next_offset: int | None = offset
    with segment.path.open("rb") as file:
        while next_offset is not None:
            position = next_offset
            for start, end, payload in scan_frames(read_block(file, position, segment.size_bytes)):
                next_offset = position + end
                try:
                    head = decode_event_head(payload)
                except RemoteProtocolError:
                    continue
                yield Found(position + start, position + end, head, payload)
            if next_offset == position:
                next_offset = find_event(file, position + 1, segment.size_bytes)


def read_block(file: BinaryIO, offset: int, size_bytes: int) -> bytes:
    """What stands at *offset*, at least one whole frame if there is one; *size_bytes* is where the file ends for us."""
    limit = size_bytes - offset
    if limit <= 0:
        return b""
    file.seek(offset)
    data = file.read(min(_BLOCK_BYTES, limit))
    if len(data) >= HEADER_BYTES:
        length, _ = HEADER.unpack_from(data)
        missing = HEADER_BYTES + length - len(data)
        if missing > 0 and length <= MAX_PAYLOAD_BYTES:
            data += file.read(min(missing, limit - len(data)))
    return data


def find_event(file: BinaryIO, offset: int, size_bytes: int) -> int | None:
    """Where the first whole event at or after *offset* begins, past whatever stands before it; None without one."""
    if offset >= size_bytes:
        return None
    file.seek(offset)
    content = file.read(size_bytes - offset)
    for match in itertools.islice(_EVENT_START.finditer(content, HEADER_BYTES), _MOST_CANDIDATES):
        start = match.start() - HEADER_BYTES
        if next(scan_frames(content, start), None) is not None:
            return offset + start
    return None


def last_event(segment: Segment) -> Found | None:
    """The last whole event.

    Raises:
        OSError: the file can't be read.
    """
    last = None
    for last in scan_segment(segment):  # noqa: B007 - what the last round leaves is wanted
        pass
    return last


def end_seq(payload: bytes) -> int:
    """The position after an event; of one with fields that are not understood, it takes one position.

    Raises:
        RemoteProtocolError: it is not an event.
    """
    try:
        event = decode_event(payload)
    except RemoteProtocolError:
        return decode_event_head(payload).seq + 1
    return event.seq + seq_count(event.body)
