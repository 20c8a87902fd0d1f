"""Decode jobs: which core dumps wait for a report, the processes that make them, and what becomes of each.

A job belongs to a dump, not to a session: a board that vanishes as it crashes keeps its report. Each job has a number
of its own and ends in exactly one event (finished, failed, timed out, cancelled), which is published in one place,
where the job leaves the table of those that run; a result that comes from anywhere else has nowhere to go. The queue
holds each dump at most once, so it is never longer than the list of dumps.

When the daemon stops, every job that waits or runs is cancelled; its dump stays ``queued`` on disk, and the next start
queues it again.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import Body, DecodeQueued, DecodeStarted
from esper_protocol.records import CoredumpRecord, DecodeRecord, ElfRecord
from esperd.decode.decoder_process import DecodeOptions, DecoderProcess, remove_work_dirs, work_dir
from esperd.decode.elf_choice import usable_sha256
from esperd.decode.job import STOPPED, BoardLink, Job, JobNumbers, end_event, note_end
from esperd.decode.outcome import Outcome
from esperd.storage.coredump_files import REPORT_NAME
from esperd.storage.coredumps import CoredumpStore
from esperd.system.clock import rfc3339, wall_ns

_log: Final = logging.getLogger(__name__)

_WAITING_FOR_ELF: Final = ("no_elf", "ambiguous_elf")
# Of a dump that no job is for.
_UNFINISHED: Final = ("none", "queued", "running")
# How long a reload waits for an answer that takes milliseconds.
_STORE_S: Final = 5.0
# What a report counts at most among what waits for the disk: half of what may, so that the largest has a place, too.
_COUNTED_BYTES: Final = 4 * 1024 * 1024
# How long a stop waits for a report that is made already to reach the disk.
_WRITE_GRACE_S: Final = 0.3


class DecodeJobs:
    """All decode jobs of the daemon.

    Args:
        at_once: How many run at one time.
        limiter: For the threads that touch the disk.
        numbers: Where the numbers of jobs come from.
    """

    def __init__(
        self,
        store: CoredumpStore,
        process: DecoderProcess,
        at_once: int,
        limiter: trio.CapacityLimiter,
        numbers: JobNumbers,
    ) -> None:
        self._store = store
        self._process = process
        self._at_once = at_once
        self._limiter = limiter
        self._links: dict[str, BoardLink] = {}
        self._waiting: dict[str, Job] = {}
        self._running: dict[int, Job] = {}
        self._numbers = numbers
        self._unfinished: list[str] = []
        self._idle = trio.lowlevel.ParkingLot()
        self._is_stopped = False
        self._ended = trio.lowlevel.ParkingLot()

    @property
    def process(self) -> DecoderProcess:
        """What decodes."""
        return self._process

    def attach(self, board: str, link: BoardLink) -> None:
        """Makes a board known; its dumps can be queued from now on. What a run before left is noted."""
        self._links[board] = link
        self._unfinished += [
            record.id
            for record in self._store.records(board)
            if record.capture != "capturing" and record.decoded_bytes and record.decode.state in _UNFINISHED
        ]

    def is_attached(self, board: str) -> bool:
        """Whether dumps of a board can be queued."""
        return board in self._links

    async def detach(self, board: str) -> None:
        """The reverse: its jobs are stopped as by a stop of the daemon, and are over when this returns."""
        for record in self._store.records(board):
            self.cancel(record.id, STOPPED)
        link = self._links.pop(board)
        while any(job.link is link for job in self._running.values()):
            # Without a deadline of its own: what runs is killed within half a second.
            await self._ended.park()

    def publish_everywhere(self, body: Body) -> None:
        """Publishes what concerns the decodes of all boards."""
        for link in self._links.values():
            link.publish(body)

    @property
    def running(self) -> int:
        """How many run now."""
        return len(self._running)

    # Queueing -----------------------------------------------------------------------------------------

    def queue(self, record: CoredumpRecord, options: DecodeOptions | None = None) -> int:
        """Queues a dump of an attached board, in place of a job for it that waits or runs; returns the job's number.

        After the stop only the record says so.
        """
        link = self._links[record.board]
        self.cancel(record.id, "it is decoded anew")
        record.decode = DecodeRecord(state="queued", report_path=record.decode.report_path)
        link.save(record)
        options = options or DecodeOptions()
        job = Job(
            self._numbers.next(),
            record.id,
            link,
            options,
            self._process.backend_name(options),
            self._process.timeout_s(options),
        )
        if not self._is_stopped:
            self._waiting[record.id] = job
            link.publish(DecodeQueued(record.id, job.number))
            self._idle.unpark()
        return job.number

    def cancel(self, coredump_id: str, reason: str) -> bool:
        """Stops what waits or runs for a dump; False when nothing does."""
        running = [job for job in self._running.values() if job.coredump_id == coredump_id]
        for job in running:
            job.cancel_reason = reason
            job.scope.cancel()
        if (waiting := self._waiting.pop(coredump_id, None)) is not None:
            waiting.cancel_reason = reason
            self._end(waiting, None)
        return bool(running) or waiting is not None

    def elf_added(self, elf: ElfRecord) -> list[str]:
        """Queues the dumps that an ELF file may be for; returns their ids."""
        for job in self._running.values():
            job.new_elfs.append(elf.sha256)
        served = [record for record in self._unserved() if _may_be_of(record, elf.sha256)]
        for record in served:
            self.queue(record)
        return [record.id for record in served]

    def _unserved(self) -> list[CoredumpRecord]:
        return [
            record
            for record in self._store.records()
            if record.board in self._links and record.decode.state in _WAITING_FOR_ELF
        ]

    # Running ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Works until cancelled, first on what the run before left."""
        try:
            # The thread gets a list of its own: dumps come and go meanwhile.
            folders = [self._store.folder(record.id) for record in self._store.records() if record.board in self._links]
            await trio.to_thread.run_sync(_clean_up, folders, limiter=self._limiter, abandon_on_cancel=True)
            await self.queue_unfinished()
            async with trio.open_nursery() as nursery:
                for _ in range(self._at_once):
                    nursery.start_soon(self._work)
        finally:
            self._is_stopped = True
            for coredump_id in list(self._waiting):
                self.cancel(coredump_id, STOPPED)

    async def queue_unfinished(self) -> None:
        """Queues what a run before left of the boards that were attached since the last call."""
        unfinished, self._unfinished = self._unfinished, []
        for coredump_id in unfinished:
            record = self._store.get(coredump_id)
            # Somebody may have asked for it meanwhile, or removed it, or its board.
            if record is None or coredump_id in self._waiting or not self.is_attached(record.board):
                continue
            if record.decode.state in _UNFINISHED:
                self.queue(record)
        if not self._unserved_that_tell():
            return
        # ELF files may have come while no daemon, or another one, was there.
        known: list[str] = []
        with trio.move_on_after(_STORE_S) as waiting:
            known = await trio.to_thread.run_sync(self._known_sha256, limiter=self._limiter, abandon_on_cancel=True)
        if waiting.cancelled_caught:
            _log.error("ELF store does not answer; dumps wait for the next ELF file or start")
        # Asked anew: boards and dumps may have gone meanwhile, and others may be decoded already.
        for record in self._unserved_that_tell():
            if any(_may_be_of(record, sha256) for sha256 in known):
                self.queue(record)

    def _unserved_that_tell(self) -> list[CoredumpRecord]:
        """Those that say which ELF file they want."""
        return [record for record in self._unserved() if usable_sha256(record.app_sha256)]

    def _known_sha256(self) -> list[str]:
        try:
            return self._process.known_sha256()
        except OSError as error:
            _log.error("ELF store not readable error=%s", error)
            return []

    async def _work(self) -> None:
        while True:
            # Without a deadline: a board may run for years before it crashes.
            while not self._waiting:
                await self._idle.park()
            job = self._waiting.pop(next(iter(self._waiting)))
            self._running[job.number] = job
            outcome: Outcome | None = None
            try:
                with job.scope:
                    outcome = await self._decode(job)
            finally:
                del self._running[job.number]
                self._end(job, outcome)

    async def _decode(self, job: Job) -> Outcome:
        record = self._store.get(job.coredump_id)
        if record is None:
            return Outcome("failed", "the core dump is gone")
        job.started_at = trio.current_time()
        # A report that was made before stays until there is a better one.
        before = record.decode.report_path
        record.decode = DecodeRecord(
            state="running", backend=job.backend, report_path=before, started_at=rfc3339(wall_ns())
        )
        job.link.save(record)
        job.link.publish(DecodeStarted(job.coredump_id, job.backend, job.number))
        try:
            async with work_dir(self._store.folder(record.id), job.number, self._limiter) as folder:
                outcome = await self._process.decode(record, job.options, folder)
        except Exception as error:  # noqa: BLE001 - the supervision point of a job: it must not end the others
            _log.error("decode failed coredump=%s running=%d", job.coredump_id, self.running, exc_info=error)
            return Outcome("failed", f"esperd failed: {type(error).__name__}: {error}")
        return await self._write(job, outcome) if outcome.state == "done" else outcome

    async def _write(self, job: Job, outcome: Outcome) -> Outcome:
        """Puts a report on disk, by the board's disk writer."""
        written = trio.Event()
        errors: list[OSError] = []

        def fail(error: OSError) -> None:
            errors.append(error)
            written.set()

        text = outcome.text.encode()
        write = partial(self._store.files.write_report, job.coredump_id, outcome.report_json, text)
        job.link.submit(write, fail, written.set, min(len(outcome.report_json) + len(text), _COUNTED_BYTES))
        with trio.move_on_after(_WRITE_GRACE_S, shield=True):
            await written.wait()
        # Without a deadline: a disk that is slow is not ours to hurry, and a stop may cancel this.
        await written.wait()
        if errors:
            return Outcome("failed", f"the report can't be written: {errors[0].strerror}")
        return outcome

    # The end ------------------------------------------------------------------------------------------

    def _end(self, job: Job, outcome: Outcome | None) -> None:
        """The one place that a job ends at; without an outcome it was cancelled."""
        record = self._store.get(job.coredump_id)
        report_path = self._store.folder(job.coredump_id) / REPORT_NAME
        others = (*self._waiting.values(), *self._running.values())
        if any(other.coredump_id == job.coredump_id for other in others):
            record = None  # what is said of the dump is the other job's business
        if record is not None:
            note_end(record, job, outcome, report_path)
            job.link.save(record)
        state, error = ("cancelled", job.cancel_reason) if outcome is None else (outcome.state, outcome.error or "")
        _log.info("decode ended coredump=%s job=%d state=%s error=%s", job.coredump_id, job.number, state, error)
        job.link.publish(end_event(job, outcome, report_path))
        self._ended.unpark_all()
        # Its board may have gone while the job was cleaning up, which a cancellation does not reach.
        if record is None or state not in _WAITING_FOR_ELF or not self.is_attached(record.board):
            return
        if any(_may_be_of(record, sha256) for sha256 in job.new_elfs):
            # The one that it lacks may have come after it had looked.
            self.queue(record)


def _clean_up(folders: list[Path]) -> None:
    """In a thread."""
    for folder in folders:
        if remove_work_dirs(folder):
            _log.warning("removed what a decode left that was killed coredump=%s", folder.name)


def _may_be_of(record: CoredumpRecord, sha256: str) -> bool:
    """Whether a dump may be of this program: it is when it does not say."""
    wanted = usable_sha256(record.app_sha256)
    return wanted is None or sha256.startswith(wanted)
