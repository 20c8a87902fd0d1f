"""Positions that may have been given out without reaching the disk: an empty segment is named after one behind them.

Events get positions, and viewers see them, also while the disk refuses. If the daemon is killed then, nothing but this
name says that the next run must go on behind them. A name takes no block, so that a full disk has room for it. It goes
when the disk takes events again.
"""

import contextlib
import os
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


def seq_after_kill(next_seq: int) -> int:
    """Where counting goes on after a run that was killed, and of which *next_seq* is known."""
    return (next_seq // SEQ_SKIP + 2) * SEQ_SKIP


class ReservedPositions:
    """Those of one journal. The methods block.

    ``seq`` is the position that the empty segment is named after; 0 without one.
    """

    def __init__(self, directory: Path, access: Access) -> None:
        self._directory = directory
        self._access = access
        self._path: Path | None = None
        self.seq = 0

    def adopt(self, segments: tuple[Segment, ...]) -> None:
        """Takes the empty segments that the run before left at the end of the journal; the last one says it all."""
        for segment in segments[:-1]:
            with contextlib.suppress(OSError):
                segment.path.unlink()
        if segments:
            self._path, self.seq = segments[-1].path, segments[-1].first_seq

    def hold(self, next_seq: int) -> None:
        """Reserves positions from *next_seq* on, the first one that the disk is still to take.

        Raises:
            OSError: it refuses even the name.
        """
        if self.seq >= next_seq + _LEAST_RESERVED:
            return
        seq = next_seq + _RESERVED
        path = segment_path(self._directory, seq)
        if self._path is None:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, self._access.file_mode))
        else:
            self._path.rename(path)
        self._path = path
        sync_directory(self._directory)
        self.seq = seq

    def release(self) -> None:
        """What the journal holds says enough by now. A disk that refuses it is asked again the next time."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path, self.seq = None, 0
