"""One decode job: what it needs of its board, how its end is noted in the dump's record, the event that tells it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import Body, DecodeCancelled, DecodeFailed, DecodeFinished, DecodeTimedOut
from esper_protocol.records import CoredumpRecord
from esperd.decode.decoder_process import DecodeOptions
from esperd.decode.outcome import Outcome
from esperd.system.clock import rfc3339, wall_ns

STOPPED: Final = "the daemon stops"
# A report of more JSON or lines of text than this stays in its file: an event is sent to every viewer.
EVENT_REPORT_BYTES: Final = 64 * 1024
_EVENT_REPORT_LINES: Final = 2000


class JobNumbers:
    """Numbers the jobs of one run of the daemon, whatever they decode."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The number of a new job."""
        self._last += 1
        return self._last


@dataclass(frozen=True, slots=True)
class BoardLink:
    """What jobs need of the board that a dump is of; ``submit`` is that of its disk writer."""

    publish: Callable[[Body], object]
    submit: Callable[[Callable[[], None], Callable[[OSError], None], Callable[[], None], int], object]
    save: Callable[[CoredumpRecord], None]


@dataclass(slots=True)
class Job:
    """A job that waits or runs.

    ``backend`` and ``timeout_s`` are what it was planned with; ``new_elfs`` are the SHA-256 sums of the ELF files that
    came while it ran.
    """

    number: int
    coredump_id: str
    link: BoardLink
    options: DecodeOptions
    backend: str
    timeout_s: float
    started_at: float = 0.0
    new_elfs: list[str] = field(default_factory=list[str])
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    cancel_reason: str = STOPPED


def note_end(record: CoredumpRecord, job: Job, outcome: Outcome | None, report_path: Path) -> None:
    """Puts the end of a job into the dump's record; without an outcome it was cancelled."""
    decode = record.decode
    if outcome is None:
        # Cancelled by the stop of the daemon: the next start queues it again.
        is_again = job.cancel_reason == STOPPED
        decode.state, decode.error = ("queued", None) if is_again else ("cancelled", job.cancel_reason)
        return
    decode.state, decode.error = outcome.state, outcome.error
    decode.ended_at = rfc3339(wall_ns())
    record.app_sha256 = record.app_sha256 or outcome.app_sha256
    if head := outcome.head:
        decode.report_path, decode.backend = str(report_path), _backend(job, outcome)
        decode.elf_path, decode.elf_match = head.elf_path, head.elf_match
        record.reason, record.task = record.reason or head.reason, record.task or head.crashed_task


def end_event(job: Job, outcome: Outcome | None, report_path: Path) -> Body:
    """The one event that a job ends in."""
    target, backend = job.coredump_id, _backend(job, outcome)
    if outcome is None:
        return DecodeCancelled(target, job.cancel_reason, job.number)
    if outcome.state == "timed_out":
        return DecodeTimedOut(target, backend, job.timeout_s, job.number)
    if outcome.head is None:
        return DecodeFailed(target, backend, outcome.error or "", job.number)
    seconds = round(trio.current_time() - job.started_at, 3)
    return DecodeFinished(target, backend, seconds, str(report_path), _report_for_event(outcome), job.number)


def _backend(job: Job, outcome: Outcome | None) -> str:
    """Who decoded in the end, which with `auto` may be another one than was planned."""
    head = None if outcome is None else outcome.head
    return job.backend if head is None or head.decoder is None else head.decoder.backend


def _report_for_event(outcome: Outcome) -> str | None:
    is_small = len(outcome.report_json) <= EVENT_REPORT_BYTES and outcome.text.count("\n") <= _EVENT_REPORT_LINES
    return outcome.report_json.decode("utf-8", "replace") if is_small else None
