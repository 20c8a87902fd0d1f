"""Panic jobs: which panics of the log wait for their functions, and what becomes of each.

A sibling of ``jobs``, which decodes what is on disk: a panic is text that just went by, its report is an event, and
after a restart nothing is done again. Each job has a number and ends in exactly one event, published in one place.

A result belongs to the session and the boot that printed the panic. A job never learns which these are: all it has is
a function that publishes for them. So a result that comes late is told as what it is, after the board was unplugged (as
one with a USB port of its own always is when it crashes) or has booted again.

A board may print panics and backtraces faster than anything can decode them. What is too many gets no job: it is
counted, and one event tells how many there were.
"""

import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import DecodeFailed, DecodeQueued, DecodeStarted
from esper_protocol.records import ElfRecord
from esperd.decode.elf_store import ElfStore
from esperd.decode.job import JobNumbers
from esperd.decode.panic_job import PanicJob, PanicOutcome, PanicSource, end_event, outcome_of, stack_lines, text_digest
from esperd.decode.request import NATIVE
from esperd.decode.symbolizer_process import Silence, Symbolizer
from esperd.decode.symbolizer_request import PanicAnswer

_log: Final = logging.getLogger(__name__)

# For each board. A boot loop prints a panic each second or so; more than these wait only when the symbolizer hangs, or
# when a program prints backtraces without end.
QUEUE_LIMIT: Final = 32
# When so few wait still, others are taken again. One at a time, and each would be a burst of its own.
_QUEUE_RESUME: Final = QUEUE_LIMIT // 2
# Panics that wait for their ELF file; who adds it wants to know of the last ones.
WANTED_LIMIT: Final = 16
# Reports of a boot loop, which prints the same again and again; each has some kilobytes.
_CACHE_SIZE: Final = 32
# A process that nobody needs holds some 40 MB.
IDLE_S: Final = 60.0


@dataclass(slots=True)
class _Surplus:
    """What of a board was too many: how many, and the last of them."""

    count: int
    last: PanicSource


class PanicJobs:
    """All panic jobs of the daemon.

    Args:
        elfs: Where ELF files are found.
        command: The symbolizer.
        at_once: How many run at one time, each with a symbolizer of its own.
        timeout_s: The deadline of a job.
        memory_bytes: What each symbolizer may take.
        limiter: For the thread that reads the store.
        numbers: Where the numbers of jobs come from.
        idle_s: How long a symbolizer stays that has nothing to do.
    """

    def __init__(
        self,
        elfs: ElfStore,
        command: tuple[str, ...],
        at_once: int,
        timeout_s: float,
        memory_bytes: int,
        limiter: trio.CapacityLimiter,
        numbers: JobNumbers,
        idle_s: float = IDLE_S,
    ) -> None:
        self._elfs = elfs
        self._command = command
        self._at_once = at_once
        self.timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._limiter = limiter
        self._numbers = numbers
        self._idle_s = idle_s
        self._waiting: deque[PanicJob] = deque()
        self._running: dict[int, PanicJob] = {}
        self._wanted: deque[PanicSource] = deque(maxlen=WANTED_LIMIT)
        self._cache: OrderedDict[bytes, str] = OrderedDict()
        self._surplus: dict[str, _Surplus] = {}
        self._ended = trio.lowlevel.ParkingLot()
        # Who waits for work; the last one is woken first: it was the last to work, so its process knows the most.
        self._sleepers: list[trio.Event] = []
        self._is_stopped = False

    @property
    def running(self) -> int:
        """How many run now."""
        return len(self._running)

    # Queueing -----------------------------------------------------------------------------------------

    def queue(self, source: PanicSource) -> None:
        """Queues a panic; never waits. One too many is counted instead, and nothing is said after the stop."""
        if self._is_stopped:
            return
        surplus = self._surplus.get(source.board)
        if surplus is not None:
            surplus.count, surplus.last = surplus.count + 1, source
            return
        if self._count_waiting(source.board) >= QUEUE_LIMIT:
            self._surplus[source.board] = _Surplus(1, source)
            return
        job = PanicJob(self._numbers.next(), source)
        source.publish(DecodeQueued(source.target, job.number))
        self._waiting.append(job)
        if self._sleepers:
            self._sleepers.pop().set()

    def elf_added(self, elf: ElfRecord) -> list[str]:
        """Queues the panics that an ELF file may be for; returns their targets."""
        for job in self._running.values():
            job.new_elfs.append(elf.sha256)
        served = [source for source in self._wanted if source.may_be_of(elf.sha256)]
        for source in served:
            self._wanted.remove(source)
            self.queue(source)
        return [source.target for source in served]

    async def detach(self, board: str) -> None:
        """Stops the jobs of a board that goes, as a stop of the daemon does; they are over when this returns."""
        while True:
            self._cancel_waiting(board)
            running = [job for job in self._running.values() if job.source.board == board]
            if not running:
                break
            for job in running:
                job.scope.cancel()
            # Without a deadline of its own: what runs is killed within half a second.
            await self._ended.park()
        for source in [source for source in self._wanted if source.board == board]:
            self._wanted.remove(source)

    def _count_waiting(self, board: str) -> int:
        return sum(job.source.board == board for job in self._waiting)

    def _cancel_waiting(self, board: str) -> None:
        for job in [job for job in self._waiting if job.source.board == board]:
            self._waiting.remove(job)
            self._end(job, None)
        self._tell_surplus(board)

    def _tell_surplus(self, board: str) -> None:
        surplus = self._surplus.pop(board, None)
        if surplus is None:
            return
        error = f"{QUEUE_LIMIT} panics of the board waited already"
        if surplus.count > 1:
            error += f"; {surplus.count - 1} before it were not decoded either"
        _log.warning("panics not decoded, too many board=%s count=%d", board, surplus.count)
        surplus.last.publish(DecodeFailed(surplus.last.target, NATIVE, error))

    # Running ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Works until cancelled; then no process is left."""
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(self._at_once):
                    nursery.start_soon(self._work)
        finally:
            self._is_stopped = True
            for board in dict.fromkeys([*(job.source.board for job in self._waiting), *self._surplus]):
                self._cancel_waiting(board)

    async def _work(self) -> None:
        symbolizer = Symbolizer(self._command, self._memory_bytes)
        try:
            while True:
                job = await self._next_job(symbolizer)
                self._running[job.number] = job
                outcome: PanicOutcome | None = None
                try:
                    with job.scope:
                        outcome = await self._decode(job, symbolizer)
                finally:
                    del self._running[job.number]
                    self._end(job, outcome)
        finally:
            await symbolizer.aclose()

    async def _next_job(self, symbolizer: Symbolizer) -> PanicJob:
        while (job := self._take()) is None:
            wake = trio.Event()
            self._sleepers.insert(len(self._sleepers) if symbolizer.is_warm else 0, wake)
            # Without a process nothing is held, and there is no deadline: a board may run for years before it crashes.
            with trio.move_on_after(self._idle_s if symbolizer.is_warm else float("inf")):
                await wake.wait()
            if wake in self._sleepers:
                self._sleepers.remove(wake)
            if not wake.is_set():
                await symbolizer.aclose()
        return job

    def _take(self) -> PanicJob | None:
        """The first that waits whose board has none that runs: a board's panics are told in the order they came in."""
        busy = {job.source.board for job in self._running.values()}
        job = next((job for job in self._waiting if job.source.board not in busy), None)
        if job is not None:
            self._waiting.remove(job)
            if job.source.board in self._surplus and self._count_waiting(job.source.board) <= _QUEUE_RESUME:
                self._tell_surplus(job.source.board)
        return job

    async def _decode(self, job: PanicJob, symbolizer: Symbolizer) -> PanicOutcome:
        source = job.source
        job.started_at = trio.current_time()
        source.publish(DecodeStarted(source.target, NATIVE, job.number))
        try:
            stack = stack_lines(source)
            digest = text_digest(source, stack)
            if digest is not None and (report := self._cache.get(digest)) is not None:
                self._cache.move_to_end(digest)
                await trio.lowlevel.checkpoint()
                return PanicOutcome("done", report=report)
            answer = await self._ask(job, stack, symbolizer)
            if isinstance(answer, PanicAnswer) and answer.elf_path is not None:
                self._remember(digest, answer)
        except Exception as error:  # noqa: BLE001 - the supervision point of a job: it must not end the others
            _log.error("decode failed board=%s target=%s", source.board, source.target, exc_info=error)
            return PanicOutcome("failed", f"esperd failed: {type(error).__name__}: {error}")
        if isinstance(answer, Silence):
            _log.warning("symbolizer failed board=%s target=%s error=%s", source.board, source.target, answer.error)
        return outcome_of(answer)

    async def _ask(self, job: PanicJob, stack: list[bytes], symbolizer: Symbolizer) -> PanicAnswer | Silence:
        # Around all of it: also the store may be what does not answer.
        answer: PanicAnswer | Silence = Silence("timed_out", f"no answer within {self.timeout_s:g} s")
        with trio.move_on_after(self.timeout_s):
            elfs = await trio.to_thread.run_sync(self._elfs.known, limiter=self._limiter, abandon_on_cancel=True)
            answer = await symbolizer.ask(job.source.request(job.number, stack, elfs), self.timeout_s)
            if isinstance(answer, PanicAnswer) and answer.elf_path is not None:
                used = Path(answer.elf_path)
                await trio.to_thread.run_sync(self._elfs.note_use, used, limiter=self._limiter, abandon_on_cancel=True)
        return answer

    def _remember(self, digest: bytes | None, answer: PanicAnswer) -> None:
        if digest is None or answer.report is None or not answer.is_certain:
            return
        self._cache[digest] = answer.report
        if len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)

    # The end ------------------------------------------------------------------------------------------

    def _end(self, job: PanicJob, outcome: PanicOutcome | None) -> None:
        """The one place that a job ends at; without an outcome it was cancelled: the daemon stops, or a board goes."""
        source = job.source
        source.publish(end_event(job, outcome, self.timeout_s))
        self._ended.unpark_all()
        if outcome is None or outcome.state not in ("no_elf", "ambiguous_elf"):
            return
        if any(source.may_be_of(sha256) for sha256 in job.new_elfs):
            # The one that it lacks may have come after it had looked.
            self.queue(source)
        else:
            self._wanted.append(source)
