"""Which panics and backtraces of a session are to be decoded. On the reading path: it only puts them into a queue."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from esper_protocol.events import App, Backtrace, Panic, panic_target
from esperd.board.publisher import Origin, Publisher
from esperd.decode.panic import has_addresses
from esperd.decode.panic_job import PanicSource
from esperd.decode.panic_jobs import PanicJobs

# The text of a panic: at most 400 lines, of which those of stack memory have 100 bytes.
_TEXT_BYTES: Final = 128 * 1024
# Backtraces inside of one panic: one for each core.
_PENDING: Final = 8


@dataclass(frozen=True, slots=True)
class _Found:
    """A panic, or a bare backtrace, that is to be decoded."""

    origin: Origin
    target: str
    panic: Panic


class PanicWatch:
    """Watches the events of one session.

    A backtrace is held until it is known whether it is a panic's: a panic is published when its text is over. One that
    is not, or is another core's, is decoded for itself.
    """

    def __init__(self, publisher: Publisher, jobs: PanicJobs) -> None:
        self._publisher = publisher
        self._jobs = jobs
        self._pending: list[tuple[Origin, Backtrace]] = []
        self._found: list[_Found] = []
        # Of the boot that it is of; another session may be another board.
        self._told: tuple[Origin, str] | None = None

    def note(self, body: Panic | Backtrace | App, seq: int) -> None:
        """Takes an event that was just published, at position *seq*."""
        origin = self._publisher.origin
        match body:
            case Panic():
                self._take_panic(body, seq, origin)
            case Backtrace():
                if len(self._pending) >= _PENDING:
                    self._release(*self._pending.pop(0))
                self._pending.append((origin, body))
            case App():
                if body.elf_sha256 is not None:
                    self._told = origin, body.elf_sha256

    def flush(self, open_panic_seq: int | None, app_sha256: str | None) -> None:
        """Queues what was found, between two reads: what is published now takes positions.

        Args:
            open_panic_seq: Where a panic began that is not over yet.
            app_sha256: What the boot log told of the program that runs now.
        """
        if not self._pending and not self._found:
            return
        pending, self._pending = self._pending, []
        for origin, backtrace in pending:
            if open_panic_seq is not None and backtrace.line_seq >= open_panic_seq:
                self._pending.append((origin, backtrace))
            else:
                self._release(origin, backtrace)
        found, self._found = self._found, []
        for one in found:
            self._jobs.queue(self._source(one, app_sha256))

    def _take_panic(self, panic: Panic, seq: int, origin: Origin) -> None:
        pending, self._pending = self._pending, []
        for before, backtrace in pending:
            is_inside = panic.first_seq <= backtrace.line_seq <= panic.last_seq
            if not (is_inside and backtrace.frames == panic.backtrace):
                self._release(before, backtrace)
        if has_addresses(panic):
            self._found.append(_Found(origin, panic_target(seq), panic))

    def _release(self, origin: Origin, backtrace: Backtrace) -> None:
        line = backtrace.line_seq
        panic = Panic(
            "other", "backtrace", False, None, None, {}, backtrace.frames, backtrace.corrupted, None, line, line
        )
        self._found.append(_Found(origin, panic_target(line), panic))

    def _source(self, found: _Found, app_sha256: str | None) -> PanicSource:
        publisher, panic = self._publisher, found.panic
        if found.origin != publisher.origin:
            told = self._told
            app_sha256 = told[1] if told is not None and told[0] == found.origin else None
        # Only RISC-V says more in its lines than the event has. They are taken now: in memory they may not be for long.
        entries = publisher.tail.from_seq(panic.first_seq, _TEXT_BYTES) if "MEPC" in panic.registers else []
        publish = partial(publisher.publish, origin=found.origin)
        return PanicSource(publisher.board, found.target, panic, app_sha256, tuple(entries), publish)
