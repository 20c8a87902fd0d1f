"""The one task of a board that writes to its disk, in batches, in a worker thread.

Whoever has something to keep leaves it here and goes on at once: reading the port never waits for a disk. What was left
is written within FLUSH_S, and synced within a second, or at once after ``hurry``. When the disk refuses, or does not
answer, events and file operations wait in memory, each up to a limit, and are tried again; an event over the limit is
dropped, counted and reported, an operation is refused.
"""

import errno
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from esperd.storage.file_operations import FileOperation, FileOperations
from esperd.storage.journal import Journal
from esperd.storage.reserved_positions import Unwritten
from esperd.storage.tail import Entry

_log: Final = logging.getLogger(__name__)

# How long an event may wait for others to be written with it. Also the most that a killed daemon loses.
FLUSH_S: Final = 0.05
SYNC_S: Final = 1.0
RETRY_S: Final = 1.0
# A slow disk takes a first event within some seconds; a service manager waits a minute and a half for the start.
_LONGEST_BEGIN_S: Final = 20.0
# A batch fits into the smallest allowed segment, and keeps the thread busy for milliseconds at most.
BATCH_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that were dropped since the journal could last be written: a range that holds them, and their size."""

    first_seq: int
    last_seq: int
    size_bytes: int


class DiskWatcher(Protocol):
    """Who is told, once each, how the disk does."""

    def on_failure(self, error: OSError) -> None:
        """The disk begins to refuse something."""
        ...

    def on_loss(self, lost: Lost, failure: OSError) -> None:
        """The journal is written again, and lacks something."""
        ...

    def on_recovery(self) -> None:
        """The disk takes everything again."""
        ...


class DiskWriter:
    """Owns the writing side of a board's journal and core dump files.

    ``progress`` is set when the batch that is written next is over, whether the disk took it or not; then another event
    takes its place. ``failure`` is why the journal is not written.

    Args:
        journal: Open; this task closes it.
        max_pending_bytes: What may wait for a disk that refuses: of events, and as much of file operations.
    """

    def __init__(self, journal: Journal, max_pending_bytes: int) -> None:
        self._journal = journal
        self._max_pending_bytes = max_pending_bytes
        self._watcher: DiskWatcher | None = None
        self._pending: deque[Entry] = deque()
        self._pending_bytes = 0
        self._in_flight: list[Entry] = []
        self._operations = FileOperations(journal.directory, max_pending_bytes, RETRY_S)
        self._wakeup = trio.Event()
        # Set when nothing is gained by waiting for more to write.
        self._enough = trio.Event()
        self._needs_sync = False
        self._close_asked = trio.Event()
        self._last_sync = -math.inf
        self._had_last_try = False
        self._lost: Lost | None = None
        self.progress = trio.Event()
        self._begun = trio.Event()
        self.failure: OSError | None = None

    def watch(self, watcher: DiskWatcher) -> None:
        """Names who is told."""
        self._watcher = watcher

    async def wait_begun(self) -> None:
        """Waits until the next start will know of this run: no position is to be shown to anybody before.

        A start after a kill would give it again. But a disk that takes nothing, not even a name, keeps nobody from
        being served for long.
        """
        with trio.move_on_after(_LONGEST_BEGIN_S):
            await self._begun.wait()
            return
        _log.error("journal not begun, after a kill positions are given again directory=%s", self._journal.directory)

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
        coredump_id: str | None = None,
    ) -> bool:
        """Leaves a file operation. Then *on_error* or *on_done* is called on the loop.

        False when too much waits already: then it will not be run, and *on_error* is called, but not from here either.

        Args:
            run: Called in the thread; again, if it belongs to a dump and the disk refused.
            on_error: Told why it was not done.
            on_done: Told that it was.
            data_bytes: What the operation holds in memory.
            coredump_id: The dump whose operations run in order and wait for a disk that refuses.
        """
        self._wakeup.set()
        return self._operations.submit(FileOperation(run, on_error, on_done, coredump_id, data_bytes))

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
                nursery.start_soon(self._operations.refuse)
                while not self._is_over:
                    try:
                        await self._wait()
                        await self._write_batch(is_last_try=self._closing and not self._had_last_try)
                    except Exception as error:  # noqa: BLE001 - supervises a board's disk: the next batch may do better
                        self._note_unexpected(error)
                nursery.cancel_scope.cancel()
            coredumps = await self._operations.give_up()
            unwritten = self._give_up_events()
            if unwritten is not None or coredumps:
                self._log_unwritten(unwritten, coredumps)
            await trio.to_thread.run_sync(self._close_journal, unwritten)

    @property
    def _closing(self) -> bool:
        return self._close_asked.is_set()

    @property
    def _is_over(self) -> bool:
        if not self._closing:
            return False
        # What is refused is asked for once more when the daemon stops, and not waited for; the rest is written.
        has_events = self._pending and not (self._had_last_try and self.failure)
        has_operations = self._operations and not (self._had_last_try and self._operations.refusal)
        return not (has_events or has_operations)

    async def _wait(self) -> None:
        """Waits for work, and a moment for more of it; for the sync that is due; or to try again."""
        if self.failure is not None:
            # Whatever hurries, hurries in vain; only the end does not wait for the next try.
            with trio.move_on_after(RETRY_S):
                await self._close_asked.wait()
        else:
            sync_at = self._last_sync + SYNC_S if self._journal.is_dirty else math.inf
            with trio.move_on_at(min(sync_at, self._operations.retry_at)):
                await self._wakeup.wait()
                with trio.move_on_after(FLUSH_S):
                    await self._enough.wait()
        self._wakeup = trio.Event()
        if not self._closing:
            self._enough = trio.Event()

    async def _write_batch(self, *, is_last_try: bool) -> None:
        now = trio.current_time()
        needs_sync = self._needs_sync or self._closing or now >= self._last_sync + SYNC_S
        self._needs_sync = False
        self._in_flight = self._take_batch()
        is_appended, error = await trio.to_thread.run_sync(self._work, self._in_flight, needs_sync)
        if not is_appended:
            self._give_back()
        self._in_flight = []
        if needs_sync and error is None:
            self._last_sync = now
        if self._journal.has_begun:
            self._begun.set()
        await self._operations.work(is_last=is_last_try)
        self._note_outcome(error)
        self._end_batch()
        self._had_last_try = self._had_last_try or is_last_try

    def _work(self, batch: list[Entry], needs_sync: bool) -> tuple[bool, OSError | None]:
        """In the thread: appends and syncs; an error may also come after the events were appended, from the sync."""
        is_appended = False
        try:
            if batch:
                self._journal.append([entry.frame for entry in batch], batch[0].first_seq, batch[0].at)
            is_appended = True
            if needs_sync:
                self._journal.sync()
        except OSError as error:
            return is_appended, error
        return is_appended, None

    def _end_batch(self) -> None:
        if self._pending or self._operations.is_due:
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

    def _note_outcome(self, error: OSError | None) -> None:
        self.failure = error
        before, trouble = self._operations.trouble, error or self._operations.refusal
        directory, watcher = self._journal.directory, self._watcher
        lost = None
        if error is None:
            lost, self._lost = self._lost, None
        if lost is not None:
            _log.warning("journal goes on with a gap journal=%s lost=%s", directory, lost)
            if watcher is not None:
                watcher.on_loss(lost, before or OSError(errno.EBUSY, "the disk was too slow"))
        self._operations.trouble = trouble
        if trouble is not None:
            if before is None:
                _log.error("disk refuses journal=%s error=%s pending_bytes=%d", directory, trouble, self._pending_bytes)
                if watcher is not None:
                    watcher.on_failure(trouble)
            return
        was_over_limit, self._operations.was_over_limit = self._operations.was_over_limit, False
        if before is not None or lost is not None or was_over_limit:
            _log.warning("disk takes again journal=%s", directory)
            if watcher is not None:
                watcher.on_recovery()

    def _note_unexpected(self, error: Exception) -> None:
        """An error of ours costs the batch that it came from, and nothing else."""
        _log.error("disk writer failed journal=%s", self._journal.directory, exc_info=error)
        for entry in self._in_flight:
            self._count_lost(entry)
        self._in_flight = []
        if not self._closing:
            # So that the next try comes after a pause, and its success tells what was lost.
            self.failure = self._operations.trouble = OSError(
                errno.EIO, f"esperd failed: {type(error).__name__}: {error}"
            )
        self._end_batch()

    # The end ------------------------------------------------------------------------------------------

    def _give_up_events(self) -> Unwritten | None:
        for entry in self._pending:
            self._count_lost(entry)
        lost, why = self._lost, self.failure
        if lost is None:
            return None
        return Unwritten(lost.first_seq, lost.last_seq, lost.size_bytes, why.errno or errno.EIO if why else errno.EIO)

    def _log_unwritten(self, unwritten: Unwritten | None, coredumps: list[str]) -> None:
        events, size_bytes = 0, 0
        if unwritten is not None:
            events, size_bytes = unwritten.last_seq - unwritten.first_seq + 1, unwritten.size_bytes
        _log.error(
            "stopped, the disk refused the rest journal=%s positions=%d bytes=%d core_dumps=%s error=%s",
            self._journal.directory,
            events,
            size_bytes,
            ",".join(coredumps) or "none",
            self._operations.trouble,
        )

    def _close_journal(self, unwritten: Unwritten | None) -> None:
        try:
            self._journal.close(unwritten)
        except OSError as error:
            _log.error("journal not closed in order journal=%s error=%s", self._journal.directory, error)
