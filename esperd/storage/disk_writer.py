"""The one task of a board that writes to its disk, in batches, in a worker thread.

Whoever has something to keep leaves it here and goes on at once: reading the port never waits for a disk. What was left
is written within FLUSH_S, and synced within a second, or at once after ``hurry``. When the disk refuses, events wait in
memory up to a limit and are tried again; what is over the limit is dropped, counted and reported. A disk may also not
answer at all: then file operations wait up to the same limit, and what is over it is refused.
"""

import errno
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from esperd.storage.journal import Journal
from esperd.storage.tail import Entry

_log: Final = logging.getLogger(__name__)

# How long an event may wait for others to be written with it. Also the most that a killed daemon loses.
FLUSH_S: Final = 0.05
SYNC_S: Final = 1.0
RETRY_S: Final = 1.0
# A batch fits into the smallest allowed segment, and keeps the thread busy for milliseconds at most.
BATCH_BYTES: Final = 512 * 1024
# What a file operation holds beside the data that it names: a record as JSON, at most.
_OPERATION_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that were dropped since the journal could last be written: a range that holds them, and their size."""

    first_seq: int
    last_seq: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _FileOperation:
    run: Callable[[], None]
    on_error: Callable[[OSError], None]
    on_done: Callable[[], None] | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of one batch: an error may also come after its events were appended, from the sync."""

    is_appended: bool
    error: OSError | None
    done: list[_FileOperation]
    failed: list[tuple[_FileOperation, OSError]]


def _ignore_failure(error: OSError) -> None:
    """Nobody watches yet."""


def _ignore_recovery(lost: Lost | None, failure: OSError) -> None:
    """Nobody watches yet."""


class DiskWriter:
    """Owns the writing side of a board's journal and core dump files.

    ``progress`` is set when the batch that is written next is over, whether the disk took it or not (``failure``);
    then another event takes its place.

    Args:
        journal: Open; this task closes it.
        max_pending_bytes: What may wait for a disk that refuses: of events, and as much of file operations.
    """

    def __init__(self, journal: Journal, max_pending_bytes: int) -> None:
        self._journal = journal
        self._max_pending_bytes = max_pending_bytes
        self._on_failure: Callable[[OSError], None] = _ignore_failure
        self._on_recovery: Callable[[Lost | None, OSError], None] = _ignore_recovery
        self._pending: deque[Entry] = deque()
        self._pending_bytes = 0
        self._in_flight: list[Entry] = []
        self._operations: deque[_FileOperation] = deque()
        self._operation_bytes = 0
        self._refused: deque[_FileOperation] = deque()
        self._refusal = trio.Event()
        self._was_full = False
        self._wakeup = trio.Event()
        # Set when nothing is gained by waiting for more to write.
        self._enough = trio.Event()
        self._needs_sync = False
        self._close_asked = trio.Event()
        self._last_sync = -math.inf
        self._lost: Lost | None = None
        self.progress = trio.Event()
        self.failure: OSError | None = None

    def watch(self, on_failure: Callable[[OSError], None], on_recovery: Callable[[Lost | None, OSError], None]) -> None:
        """Names who is told, once each, when the disk begins to refuse and when it takes again, with what was lost."""
        self._on_failure, self._on_recovery = on_failure, on_recovery

    def append(self, entry: Entry) -> None:
        """Leaves an event for the journal."""
        self._pending.append(entry)
        self._pending_bytes += len(entry.frame)
        if self._pending_bytes >= BATCH_BYTES:
            self._enough.set()
            self._drop_what_is_over()
        self._wakeup.set()

    def submit(
        self,
        run: Callable[[], None],
        on_error: Callable[[OSError], None],
        on_done: Callable[[], None] | None = None,
        data_bytes: int = 0,
    ) -> bool:
        """Leaves a file operation; operations run in order. Then *on_error* or *on_done* is called on the loop.

        False when too much waits already: then it will not be run, and *on_error* is called (``EBUSY``), but not from
        here either.

        Args:
            run: Called in the thread.
            on_error: Told why it was not done.
            on_done: Told that it was.
            data_bytes: What the operation holds in memory.
        """
        operation = _FileOperation(run, on_error, on_done, _OPERATION_BYTES + data_bytes)
        if self._operation_bytes + operation.size_bytes > self._max_pending_bytes:
            self._refused.append(operation)
            self._refusal.set()
            self._was_full = True
            return False
        self._operation_bytes += operation.size_bytes
        self._operations.append(operation)
        self._wakeup.set()
        return True

    def hurry(self) -> None:
        """Asks that what was left be written and synced without delay: something happened that must not be lost."""
        self._needs_sync = True
        self._enough.set()
        self._wakeup.set()

    async def prove_writing(self) -> None:
        """Returns when the thread has come back, whether the disk took or refused. Has no deadline of its own."""
        came_back = self.progress
        self._enough.set()
        self._wakeup.set()
        await came_back.wait()

    def close(self) -> None:
        """Lets ``run`` write what is left, and end."""
        self._close_asked.set()
        self._enough.set()
        self._wakeup.set()

    async def run(self) -> None:
        """Writes until ``close``; then closes the journal.

        Only ``close`` ends it, not cancellation: whatever ends the daemon, what was left here is written first. The one
        wait, for the disk, has no deadline, because giving up would be to lose it.
        """
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._refuse)
                while not self._is_over:
                    try:
                        await self._wait()
                        await self._write_batch()
                    except Exception as error:  # noqa: BLE001 - supervises a board's disk: the next batch may do better
                        self._note_unexpected(error)
                nursery.cancel_scope.cancel()
            await trio.to_thread.run_sync(self._close_journal)

    async def _refuse(self) -> None:
        """Tells what became of the operations that were one too many, while the thread may hang for ever."""
        while True:
            await self._refusal.wait()
            self._refusal = trio.Event()
            while self._refused:
                operation = self._refused.popleft()
                try:
                    operation.on_error(OSError(errno.EBUSY, "the disk does not answer"))
                except Exception as error:  # noqa: BLE001 - supervises, as above
                    _log.error("refusal failed journal=%s", self._journal.directory, exc_info=error)

    @property
    def _closing(self) -> bool:
        return self._close_asked.is_set()

    @property
    def _is_over(self) -> bool:
        # A disk that refuses is not waited for when the daemon stops.
        return self._closing and (self.failure is not None or not (self._pending or self._operations))

    async def _wait(self) -> None:
        """Waits for work, and a moment for more of it; for the sync that is due; or to try again."""
        if self.failure is not None:
            # Whatever hurries, hurries in vain; only the end does not wait for the next try.
            with trio.move_on_after(RETRY_S):
                await self._close_asked.wait()
        else:
            with trio.move_on_at(self._last_sync + SYNC_S if self._journal.is_dirty else math.inf):
                await self._wakeup.wait()
                with trio.move_on_after(FLUSH_S):
                    await self._enough.wait()
        self._wakeup = trio.Event()
        if not self._closing:
            self._enough = trio.Event()

    async def _write_batch(self) -> None:
        now = trio.current_time()
        needs_sync = self._needs_sync or self._closing or now >= self._last_sync + SYNC_S
        self._needs_sync = False
        self._in_flight = self._take_batch()
        operations, self._operations = self._operations, deque[_FileOperation]()
        try:
            outcome = await trio.to_thread.run_sync(self._work, self._in_flight, operations, needs_sync)
        finally:
            # Until now their data was held.
            self._operation_bytes -= sum(operation.size_bytes for operation in operations)
        if not outcome.is_appended:
            self._give_back()
        self._in_flight = []
        if needs_sync and outcome.error is None:
            self._last_sync = now
        for operation, error in outcome.failed:
            operation.on_error(error)
        for operation in outcome.done:
            if operation.on_done is not None:
                operation.on_done()
        if outcome.error is None:
            self._note_success()
        else:
            self._note_failure(outcome.error)
        self._end_batch()

    def _work(self, batch: list[Entry], operations: deque[_FileOperation], needs_sync: bool) -> _Outcome:
        """In the thread: appends, syncs, does the file operations. Touches nothing of the loop's but the journal."""
        is_appended, journal_error = False, None
        try:
            if batch:
                self._journal.append([entry.frame for entry in batch], batch[0].first_seq, batch[0].at)
            is_appended = True
            if needs_sync:
                self._journal.sync()
        except OSError as error:
            journal_error = error
        done: list[_FileOperation] = []
        failed: list[tuple[_FileOperation, OSError]] = []
        for operation in operations:
            try:
                operation.run()
                done.append(operation)
            except OSError as error:
                failed.append((operation, error))
            except Exception as error:  # noqa: BLE001 - an error of ours costs this operation, and not the batch
                _log.exception("file operation failed journal=%s", self._journal.directory)
                failed.append((operation, OSError(errno.EIO, f"esperd failed: {error}")))
        return _Outcome(is_appended, journal_error, done, failed)

    def _end_batch(self) -> None:
        if self._pending or self._operations:
            self._wakeup.set()
        if self._pending_bytes >= BATCH_BYTES:
            self._enough.set()
        progress, self.progress = self.progress, trio.Event()
        progress.set()

    # What waits ---------------------------------------------------------------------------------------

    def _take_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        size = 0
        while self._pending and (not batch or size + len(self._pending[0].frame) <= BATCH_BYTES):
            entry = self._pending.popleft()
            size += len(entry.frame)
            batch.append(entry)
        self._pending_bytes -= size
        return batch

    def _give_back(self) -> None:
        self._pending.extendleft(reversed(self._in_flight))
        self._pending_bytes += sum(len(entry.frame) for entry in self._in_flight)
        self._drop_what_is_over()

    def _drop_what_is_over(self) -> None:
        while self._pending_bytes > self._max_pending_bytes:
            entry = self._pending.popleft()
            self._pending_bytes -= len(entry.frame)
            self._count_lost(entry)

    def _count_lost(self, entry: Entry) -> None:
        # A batch that comes back is dropped after younger events were.
        before = self._lost or Lost(entry.first_seq, 0, 0)
        self._lost = Lost(
            min(before.first_seq, entry.first_seq),
            max(before.last_seq, entry.end_seq - 1),
            before.size_bytes + len(entry.frame),
        )

    # How it went --------------------------------------------------------------------------------------

    def _note_failure(self, error: OSError) -> None:
        is_new = self.failure is None
        self.failure = error
        if is_new:
            directory = self._journal.directory
            _log.error("disk refuses journal=%s error=%s pending_bytes=%d", directory, error, self._pending_bytes)
            self._on_failure(error)

    def _note_success(self) -> None:
        failure, self.failure = self.failure, None
        lost, self._lost = self._lost, None
        was_full, self._was_full = self._was_full, False
        if failure is not None or lost is not None or was_full:
            _log.warning("disk takes again journal=%s lost=%s", self._journal.directory, lost)
            self._on_recovery(lost, failure or OSError(errno.EBUSY, "the disk was too slow"))

    def _note_unexpected(self, error: Exception) -> None:
        """An error of ours costs the batch that it came from, and nothing else."""
        _log.error("disk writer failed journal=%s", self._journal.directory, exc_info=error)
        for entry in self._in_flight:
            self._count_lost(entry)
        self._in_flight = []
        if not self._closing:
            # So that the next try comes after a pause, and its success tells what was lost.
            self.failure = OSError(errno.EIO, f"esperd failed: {type(error).__name__}: {error}")
        self._end_batch()

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except OSError as error:
            _log.error("journal not closed in order journal=%s error=%s", self._journal.directory, error)
