"""A viewer's place in a board's events: a cursor, served from memory, or from the journal when it is further behind."""

from typing import Final

import trio

from esper_protocol.codec import encode_message
from esper_protocol.events import Event, Gap, GapReason
from esper_protocol.messages import HistoryEnd
from esperd.board.board import Board
from esperd.server.output import Output
from esperd.storage.journal_reader import JournalReader, Missing, Stretch
from esperd.storage.tail import Entry
from esperd.system.clock import wall_ns

_BATCH_BYTES: Final = 256 * 1024
# How long the disk may take nothing before a viewer goes on without what memory has dropped; it is written to 20 times
# a second.
_DISK_WAIT_S: Final = 2.0
_DETAILS: Final[dict[GapReason, str]] = {
    "retention": "no longer kept",
    "journal_damaged": "unreadable",
    "disk_stalled": "the disk takes nothing",
}


class Subscription:
    """Follows one board for one client; or, with an *end*, reads up to there and is over.

    Args:
        cursor: The position of the first event that is wanted.
        end: The position before which it ends, not in the future; None for a viewer that follows.
        readers: Limits how many viewers read old segments at one time.
        is_interactive: Whether its client is a viewer that takes the write lease to type.
    """

    def __init__(
        self,
        board: Board,
        output: Output,
        cursor: int,
        end: int | None,
        *,
        readers: trio.CapacityLimiter,
        is_interactive: bool = False,
    ) -> None:
        self.board = board
        self.is_interactive = is_interactive
        self._output = output
        self._cursor = cursor
        self._end = end
        self._readers = readers
        self._reader = JournalReader(board.parts.journal)
        self._is_level = False
        self._is_over = False
        self._reason: str | None = None

    @property
    def follows(self) -> bool:
        """Whether it goes on with new events, which makes its client a viewer."""
        return self._end is None

    @property
    def behind(self) -> int:
        """How many positions it has not sent yet."""
        return max(self.board.publisher.next_seq - self._cursor, 0)

    def offer(self, entry: Entry) -> None:
        """A new entry was published: sends it at once if everything before it was sent."""
        if not self._is_level:
            return
        if self._output.send_now(entry.frame):
            self._cursor = entry.end_seq
        else:
            self._is_level = False
            self._output.wake()

    def end(self, reason: str) -> None:
        """Ends it, if it follows, behind what was published so far; the client is told why."""
        if self._end is None:
            self._end, self._reason = self.board.publisher.next_seq, reason
            self._output.wake()

    async def next_batch(self) -> bytes | None:
        """The next frames for a client that is behind."""
        tail = self.board.publisher.tail
        if self._end is not None and self._cursor >= self._end:
            return self._finish_history(self._end)
        if self._cursor >= tail.next_seq:
            self._is_level = True
            return None
        if self._cursor >= tail.first_seq:
            return self._from_tail(tail.from_seq(self._cursor, _BATCH_BYTES))
        return self._from_journal(await self._read_journal())

    def _finish_history(self, end: int) -> bytes | None:
        if self._is_over:
            return None
        self._is_over = True
        return encode_message(HistoryEnd(self.board.name, end, self._reason))

    def _from_tail(self, entries: list[Entry]) -> bytes:
        if self._end is not None:
            entries = [entry for entry in entries if entry.first_seq < self._end]
        self._cursor = entries[-1].end_seq
        return b"".join(entry.frame for entry in entries)

    async def _read_journal(self) -> Stretch | None:
        """What the disk has from the cursor on; waits for what memory has dropped and the disk is yet to take.

        None when the disk takes nothing for too long.
        """
        disk = self.board.parts.disk
        give_up_at = trio.current_time() + _DISK_WAIT_S
        while True:
            # Taken before the read, so that a batch which ends during the read counts.
            progress = disk.progress
            # Not abandoned on cancellation: the reader belongs to this task, and a read takes milliseconds.
            stretch = await trio.to_thread.run_sync(self._reader.read, self._cursor, self._end, limiter=self._readers)
            if stretch is not None or trio.current_time() >= give_up_at:
                return stretch
            with trio.move_on_at(give_up_at):
                await progress.wait()
            if progress.is_set() and disk.failure is None:
                give_up_at = trio.current_time() + _DISK_WAIT_S

    def _from_journal(self, stretch: Stretch | None) -> bytes:
        if stretch is None:
            reachable = self.board.publisher.tail.first_seq
            if self._end is not None:
                reachable = min(reachable, self._end)
            missing = Missing(self._cursor, reachable - 1, "disk_stalled")
            self._cursor = reachable
            return self._gap(missing)
        self._cursor = stretch.next_seq
        return (b"" if stretch.missing is None else self._gap(stretch.missing)) + stretch.frames

    def _gap(self, missing: Missing) -> bytes:
        """Tells this viewer, and only it, what it can't get."""
        publisher = self.board.publisher
        first, last = missing.first_seq, missing.last_seq
        gap = Gap(missing.reason, _DETAILS[missing.reason], None, first, last)
        return encode_message(Event(last, wall_ns(), self.board.name, publisher.generation, publisher.boot, gap))
