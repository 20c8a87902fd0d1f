"""What is told of a board's disk: that it refuses, and that it takes again, with or without a loss."""

import errno

from esper_protocol.events import Failure, Gap, GapReason, Note
from esperd.board.captures import Captures
from esperd.board.publisher import Publisher
from esperd.storage.disk_writer import RETRY_S, Lost
from esperd.storage.journal import Journal


class DiskReports:
    """Publishes it; ``captures`` are saved anew once the disk takes something."""

    def __init__(self, publisher: Publisher, captures: Captures, journal: Journal) -> None:
        self._publisher = publisher
        self._captures = captures
        self._journal = journal

    def on_failure(self, error: OSError) -> None:
        """The journal can't be written; viewers are served from memory meanwhile."""
        hint = "the journal waits in memory and is tried again"
        self._publisher.publish(
            Failure("disk", f"{error.strerror}: {error.filename or self._journal.directory}", hint, RETRY_S)
        )

    def on_recovery(self, lost: Lost | None, failure: OSError) -> None:
        """The journal is written again."""
        self._captures.save_again()
        if lost is None:
            self._publisher.publish(Note("the disk takes the journal again; nothing was lost", "esperd"))
            return
        reason: GapReason = "disk_full" if failure.errno in (errno.ENOSPC, errno.EDQUOT) else "disk_stalled"
        detail = f"the disk refused: {failure.strerror}"
        self._publisher.publish(Gap(reason, detail, lost.size_bytes, lost.first_seq, lost.last_seq))
