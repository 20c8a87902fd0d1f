"""What is told of a board's disk: that it refuses, that something was lost by that, and that it takes again."""

import errno
from typing import Final

from esper_protocol.events import Failure, FailureOver, Gap, GapReason
from esperd.board.captures import Captures
from esperd.board.crash_memory import CrashMemory
from esperd.board.publisher import Publisher
from esperd.storage.disk_writer import RETRY_S, Lost
from esperd.storage.journal import Journal

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def gap_reason(error_number: int | None) -> GapReason:
    """Of a gap that an error of the disk made."""
    return "disk_full" if error_number in _FULL else "disk_stalled"


class DiskReports:
    """Publishes it; ``captures``, and the last of the ``crashes``, are saved anew once the disk takes all again."""

    def __init__(self, publisher: Publisher, captures: Captures, crashes: CrashMemory, journal: Journal) -> None:
        self._publisher = publisher
        self._captures = captures
        self._crashes = crashes
        self._journal = journal
        self._lost_events = False

    def on_failure(self, error: OSError) -> None:
        """The journal, or a core dump, can't be written; viewers are served from memory meanwhile."""
        self._publisher.summary.disk = f"{'full' if error.errno in _FULL else 'failing'}: {error.strerror}"
        hint = "the journal and core dumps wait in memory, and are tried again"
        self._publisher.publish(
            Failure("disk", f"{error.strerror}: {error.filename or self._journal.directory}", hint, RETRY_S)
        )

    def on_loss(self, lost: Lost, failure: OSError) -> None:
        """The journal is written again, and lacks something."""
        self._lost_events = True
        detail = f"the disk refused: {failure.strerror}"
        self._publisher.publish(Gap(gap_reason(failure.errno), detail, lost.size_bytes, lost.first_seq, lost.last_seq))

    def on_recovery(self) -> None:
        """All that waits can be written."""
        self._publisher.summary.disk = None
        self._captures.save_again()
        self._crashes.write()
        lost = [f"core dump {coredump_id} is not whole" for coredump_id in self._captures.take_cut()]
        if self._lost_events:
            lost.insert(0, "it has a gap")
        self._lost_events = False
        # Not that nothing was lost: the run before may have lost something to the same disk.
        what = ", ".join(lost) or "all that waited is written"
        self._publisher.publish(FailureOver("disk", f"the disk takes the journal again; {what}"))
