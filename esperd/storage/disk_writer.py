"""The one task of a board that writes to its disk, in batches, in a worker thread.

Whoever has something to keep leaves it here and goes on at once: reading the port never waits for a disk. What was left
is written within FLUSH_S, and synced within a second, or at once after ``hurry``. When the disk refuses, frames wait in
memory up to a limit and are tried again; what is over the limit is dropped, counted and reported.
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

_log: Final = logging.getLogger(__name__)

# How long a frame may wait for others to be written with it. Also the most that a killed daemon loses.
FLUSH_S: Final = 0.05
SYNC_S: Final = 1.0
RETRY_S: Final = 1.0
# A batch fits into the smallest allowed segment, and keeps the thread busy for milliseconds at most.
BATCH_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class PendingFrame:
    """A frame of the journal that is not on disk yet."""

    first_seq: int
    end_seq: int
    at: int
    frame: bytes


@dataclass(slots=True)
class Lost:
    """Frames that were dropped since the journal could last be written."""

    first_seq: int
    last_seq: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _FileOperation:
    run: Callable[[], None]
    on_error: Callable[[OSError], None]


def _ignore_failure(error: OSError) -> None:
    """Nobody watches yet."""


def _ignore_recovery(lost: Lost | None, failure: OSError) -> None:
    """Nobody watches yet."""


class DiskWriter:
    """Owns the writing side of a board's journal and core dump files.

    Args:
        journal: Open; this task closes it.
        max_pending_bytes: What may wait for a disk that refuses.
    """

    def __init__(self, journal: Journal, max_pending_bytes: int) -> None:
        self._journal = journal
        self._directory = journal.directory
        self._max_pending_bytes = max_pending_bytes
        self._on_failure: Callable[[OSError], None] = _ignore_failure
        self._on_recovery: Callable[[Lost | None, OSError], None] = _ignore_recovery
        self._frames: deque[PendingFrame] = deque()
        self._pending_bytes = 0
        self._operations: deque[_FileOperation] = deque()
        self._wakeup = trio.Event()
        self._progress = trio.Event()
        self._hurry = False
        self._closing = False
        self._last_sync = -math.inf
        self._lost: Lost | None = None
        self.failure: OSError | None = None

    def watch(self, on_failure: Callable[[OSError], None], on_recovery: Callable[[Lost | None, OSError], None]) -> None:
        """Names who is told, once each, when the disk begins to refuse and when it takes again, with what was lost."""
        self._on_failure, self._on_recovery = on_failure, on_recovery

    def append(self, frame: PendingFrame) -> None:
        """Leaves a frame for the journal."""
        self._frames.append(frame)
        self._pending_bytes += len(frame.frame)
        while self._pending_bytes > self._max_pending_bytes:
            self._drop_oldest()
        self._wakeup.set()

    def submit(self, run: Callable[[], None], on_error: Callable[[OSError], None]) -> None:
        """Leaves a file operation; operations run in order. *on_error* is called on the loop, in this task."""
        self._operations.append(_FileOperation(run, on_error))
        self._wakeup.set()

    def hurry(self) -> None:
        """Asks that what was left be written and synced without delay: something happened that must not be lost."""
        self._hurry = True
        self._wakeup.set()

    async def wait_progress(self) -> None:
        """Waits until the next batch is over, whether it could be written or not; the caller sets a deadline."""
        await self._progress.wait()

    def close(self) -> None:
        """Lets ``run`` write what is left, and end."""
        self._closing = True
        self._wakeup.set()

    async def run(self) -> None:
        """Writes until ``close``; then closes the journal.

        Only ``close`` ends it, not cancellation: whatever ends the daemon, what was left here is written first. The one
        wait, for the disk, has no deadline, because giving up would be to lose it.
        """
        with trio.CancelScope(shield=True):
            while not await self._write_until_closed():
                pass
            await trio.to_thread.run_sync(self._close_journal)

    async def _write_until_closed(self) -> bool:
        """False after an unexpected exception, which costs the batch it came from and nothing else."""
        try:
            while True:
                await self._wait()
                await self._write_batch()
                # A disk that refuses is not waited for when the daemon stops.
                if self._closing and (self.failure is not None or not (self._frames or self._operations)):
                    return True
        except Exception:  # noqa: BLE001 - the supervision point of a board's disk: the next batch may do better
            _log.exception("disk writer failed journal=%s", self._directory)
            return False

    async def _wait(self) -> None:
        """Waits for work, and a moment for more of it; for the sync that is due; or to try again."""
        if self.failure is not None and not self._closing:
            await trio.sleep(RETRY_S)
        else:
            with trio.move_on_at(self._last_sync + SYNC_S if self._journal.is_dirty else math.inf):
                await self._wakeup.wait()
                # A full batch gains nothing by waiting, and a fast port would fill the memory meanwhile.
                if not (self._hurry or self._closing or self._pending_bytes >= BATCH_BYTES):
                    await trio.sleep(FLUSH_S)
        self._wakeup = trio.Event()

    async def _write_batch(self) -> None:
        now = trio.current_time()
        needs_sync = self._hurry or self._closing or now >= self._last_sync + SYNC_S
        self._hurry = False
        batch = self._take_batch()
        operations, self._operations = self._operations, deque[_FileOperation]()
        journal_error, failed = await trio.to_thread.run_sync(self._work, batch, operations, needs_sync)
        if needs_sync:
            self._last_sync = now
        for operation, error in failed:
            operation.on_error(error)
        if journal_error is None:
            self._note_success()
        else:
            self._give_back(batch)
            self._note_failure(journal_error)
        if self._frames or self._operations:
            self._wakeup.set()
        progress, self._progress = self._progress, trio.Event()
        progress.set()

    def _work(
        self, batch: list[PendingFrame], operations: deque[_FileOperation], needs_sync: bool
    ) -> tuple[OSError | None, list[tuple[_FileOperation, OSError]]]:
        """In the thread: appends, does the file operations, syncs. Touches nothing of the loop's but the journal."""
        journal_error: OSError | None = None
        try:
            if batch:
                self._journal.append([pending.frame for pending in batch], batch[0].first_seq, batch[0].at)
            if needs_sync:
                self._journal.sync()
        except OSError as error:
            journal_error = error
        failed: list[tuple[_FileOperation, OSError]] = []
        for operation in operations:
            try:
                operation.run()
            except OSError as error:
                failed.append((operation, error))
        return journal_error, failed

    def _take_batch(self) -> list[PendingFrame]:
        batch: list[PendingFrame] = []
        size = 0
        while self._frames and (not batch or size + len(self._frames[0].frame) <= BATCH_BYTES):
            pending = self._frames.popleft()
            size += len(pending.frame)
            batch.append(pending)
        self._pending_bytes -= size
        return batch

    def _give_back(self, batch: list[PendingFrame]) -> None:
        self._frames.extendleft(reversed(batch))
        self._pending_bytes += sum(len(pending.frame) for pending in batch)
        while self._pending_bytes > self._max_pending_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        pending = self._frames.popleft()
        self._pending_bytes -= len(pending.frame)
        if self._lost is None:
            self._lost = Lost(pending.first_seq, pending.end_seq - 1, 0)
        # Not always in order: a batch that comes back from the thread is older than what was dropped meanwhile.
        self._lost.first_seq = min(self._lost.first_seq, pending.first_seq)
        self._lost.last_seq = max(self._lost.last_seq, pending.end_seq - 1)
        self._lost.size_bytes += len(pending.frame)

    def _note_failure(self, error: OSError) -> None:
        is_new = self.failure is None
        self.failure = error
        if is_new:
            _log.error(
                "disk refuses journal=%s error=%s pending_bytes=%d", self._journal.directory, error, self._pending_bytes
            )
            self._on_failure(error)

    def _note_success(self) -> None:
        failure, self.failure = self.failure, None
        lost, self._lost = self._lost, None
        if failure is not None or lost is not None:
            _log.warning("disk takes again journal=%s lost=%s", self._directory, lost)
            self._on_recovery(lost, failure or OSError(errno.EBUSY, "the disk was too slow"))

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except OSError as error:
            _log.error("journal not closed in order journal=%s error=%s", self._directory, error)
