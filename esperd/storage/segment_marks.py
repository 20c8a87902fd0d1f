"""Where the events of a segment stand, roughly: readers leave marks, so that nobody reads to a place in it twice."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esperd.storage.segments import Segment, scan_segment

if TYPE_CHECKING:
    from pathlib import Path

# Between two marks: little enough that reading it all is quick, and no more than some hundred marks for a segment.
_DISTANCE_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """An event begins at *offset* of a segment, and has the position *seq*."""

    seq: int
    offset: int


class SegmentMarks:
    """The marks of one journal, made as they are asked for. The methods block.

    They may be called from several worker threads at a time: marks are replaced, never changed, and what one thread
    makes and another overwrites is made again.
    """

    def __init__(self) -> None:
        self._marks: dict[Path, tuple[Mark, ...]] = {}

    def up_to(self, segment: Segment, seq: int) -> tuple[Mark, ...]:
        """The marks of *segment* before position *seq*: its first event, and one for every so many bytes.

        Raises:
            OSError: the segment can't be read; FileNotFoundError where retention removed it.
        """
        known = self._marks.get(segment.path, ())
        if not known or known[-1].seq < seq:
            known = (*known, *_more(segment, known[-1] if known else None, seq))
            self._marks[segment.path] = known
        return known[: bisect.bisect_left(known, seq, key=lambda mark: mark.seq)]

    def offset_before(self, segment: Segment, seq: int) -> int:
        """Where to begin to look for position *seq*: at an event that is not behind it.

        Raises:
            OSError: the segment can't be read; FileNotFoundError where retention removed it.
        """
        # Whoever reads on from the segment before needs no marks.
        marks = self.up_to(segment, seq) if seq > segment.first_seq else ()
        return marks[-1].offset if marks else 0

    def forget(self, segment: Segment) -> None:
        """The segment is removed. Harmless when it has no marks."""
        self._marks.pop(segment.path, None)


def _more(segment: Segment, last: Mark | None, seq: int) -> Iterator[Mark]:
    """The marks behind *last*, up to the first that is not before position *seq*."""
    next_offset = 0 if last is None else last.offset + _DISTANCE_BYTES
    for found in scan_segment(segment, 0 if last is None else last.offset):
        if found.start >= next_offset:
            yield Mark(found.head.seq, found.start)
            next_offset = found.start + _DISTANCE_BYTES
        if found.head.seq >= seq:
            return
