"""Positions that may have been given out without reaching the disk: an empty segment is named after one behind them.

Events get positions, and viewers see them, also while the disk refuses. If the daemon is killed then, nothing but this
name says that the next run must go on behind them. A name takes no block, so that a full disk has room for it. It goes
when the disk takes events again. An orderly stop on such a disk renames the file, so that the next start can tell what
was not written.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esperd.storage.files import Access, sync_directory
from esperd.storage.segments import Segment, segment_path

# More positions than can wait in memory for the disk, since each stands for at least a byte of what the disk writer may
# hold. After a run that was killed, counting goes on at a multiple of this.
SEQ_SKIP: Final = 10_000_000
# What is reserved at a time, and how much of it must be left: more than any board prints between two tries to write.
_RESERVED: Final = 10 * SEQ_SKIP
_LEAST_RESERVED: Final = 5 * SEQ_SKIP
_UNWRITTEN_NAME: Final = re.compile(r"([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)\.unwritten")


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What an orderly stop could not write: a range of positions that holds it, its size, and why (``errno``)."""

    first_seq: int
    last_seq: int
    size_bytes: int
    error_number: int


def seq_after_kill(next_seq: int) -> int:
    """Where counting goes on after a run that was killed, and of which *next_seq* is known."""
    return (next_seq // SEQ_SKIP + 2) * SEQ_SKIP


class ReservedPositions:
    """Those of one journal. The methods block.

    ``seq`` is the position that the empty segment is named after, or the one behind ``unwritten``; 0 without either.
    ``unwritten`` is what the run before could not write, until events of this one are durable.
    """

    def __init__(self, directory: Path, access: Access) -> None:
        self._directory = directory
        self._access = access
        self._path: Path | None = None
        self._is_needed = False
        self.seq = 0
        self.unwritten: Unwritten | None = None

    def adopt(self, segments: tuple[Segment, ...]) -> None:
        """Takes what the run before left beside the journal, or as empty segments at its end; the last one says it all.

        Raises:
            OSError: the directory can't be read.
        """
        found: list[tuple[int, Path, Unwritten | None]] = [(each.first_seq, each.path, None) for each in segments]
        for path in self._directory.iterdir():
            if match := _UNWRITTEN_NAME.fullmatch(path.name):
                unwritten = Unwritten(*map(int, match.groups()))
                found.append((unwritten.last_seq + 1, path, unwritten))
        found.sort(key=lambda each: each[0])
        for _, path, _ in found[:-1]:
            with contextlib.suppress(OSError):
                path.unlink()
        if found:
            self.seq, self._path, self.unwritten = found[-1]
            self._is_needed = True

    def hold(self, next_seq: int) -> None:
        """Reserves positions from *next_seq* on, the first one that the disk is still to take.

        Raises:
            OSError: it refuses even the name.
        """
        self._is_needed = True
        if self.seq >= next_seq + _LEAST_RESERVED:
            return
        seq = next_seq + _RESERVED
        self._name(segment_path(self._directory, seq))
        self.seq = seq

    def note_stop(self, unwritten: Unwritten) -> None:
        """Notes for the next start what this run leaves unwritten, and the run before, if nothing was written since.

        Raises:
            OSError: the disk refuses even the name.
        """
        before = self.unwritten
        first_seq = unwritten.first_seq if before is None else min(before.first_seq, unwritten.first_seq)
        size_bytes = unwritten.size_bytes + (0 if before is None else before.size_bytes)
        name = f"{first_seq}-{unwritten.last_seq}-{size_bytes}-{unwritten.error_number}.unwritten"
        self._name(self._directory / name)

    def _name(self, path: Path) -> None:
        if self._path is None:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, self._access.file_mode))
        else:
            self._path.rename(path)
        self._path = path
        sync_directory(self._directory)

    def pass_by(self) -> None:
        """The disk took an event that comes behind all that it refused: when that is durable, it says enough."""
        self._is_needed = False

    def release(self) -> None:
        """All that the disk took is durable. A disk that refuses to forget the name is asked again the next time."""
        if self._path is not None and not self._is_needed:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path, self.seq, self.unwritten = None, 0, None
