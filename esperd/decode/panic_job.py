"""One panic to decode: what was printed, how its report is asked for, and the event that its job ends in."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import trio

from esper_protocol.codec import decode_event
from esper_protocol.errors import RemoteProtocolError
from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeTimedOut,
    Event,
    Line,
    Panic,
    split_lines,
)
from esper_protocol.framing import HEADER_BYTES
from esper_protocol.records import DecodeState
from esperd.core.panic_text import STACK_WORDS
from esperd.core.text import strip_line
from esperd.decode.elf_choice import usable_sha256
from esperd.decode.job import EVENT_REPORT_BYTES, STOPPED
from esperd.decode.request import NATIVE, KnownElf
from esperd.decode.symbolizer_process import Silence
from esperd.decode.symbolizer_request import PanicAnswer, PanicRequest
from esperd.storage.tail import Entry

_STATES: Final[dict[str, DecodeState]] = {"no_elf": "no_elf", "ambiguous_elf": "ambiguous_elf"}


@dataclass(frozen=True, slots=True, eq=False)
class PanicSource:
    """A panic that was printed.

    Attributes:
        board: Whose.
        target: How events name it.
        panic: What was found; a bare backtrace is one, too.
        logged_sha256: What the boot log before it told of the program.
        entries: The events that hold its lines.
        publish: Publishes for the session and the boot that printed it, and for no other: whoever holds this can't
            give a result to another one.
    """

    board: str
    target: str
    panic: Panic
    logged_sha256: str | None
    entries: tuple[Entry, ...]
    publish: Callable[[Body], object]

    @property
    def app_sha256(self) -> str | None:
        """The beginning of the SHA-256 of the program that printed it, where that is known."""
        return usable_sha256(self.panic.app_sha256) or usable_sha256(self.logged_sha256)

    def may_be_of(self, sha256: str) -> bool:
        """Whether it may be of this program: it is when it does not say."""
        wanted = self.app_sha256
        return wanted is None or sha256.startswith(wanted)

    def request(self, number: int, stack: list[bytes], elfs: list[KnownElf]) -> PanicRequest:
        """The question for its functions; of *elfs*, with those that may be its program."""
        return PanicRequest(
            number=number,
            panic=self.panic,
            stack=stack,
            app_sha256=self.logged_sha256,
            elfs=[elf for elf in elfs if self.may_be_of(elf.sha256)],
            report_bytes=EVENT_REPORT_BYTES,
        )


@dataclass(slots=True, eq=False)
class PanicJob:
    """A job that waits or runs; ``new_elfs`` are the SHA-256 sums of the ELF files that came while it ran."""

    number: int
    source: PanicSource
    started_at: float = 0.0
    new_elfs: list[str] = field(default_factory=list[str])
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


@dataclass(frozen=True, slots=True)
class PanicOutcome:
    """What became of a job: ``report`` is there when the state is ``done``, ``error`` otherwise."""

    state: DecodeState
    error: str = ""
    report: str = ""


def stack_lines(source: PanicSource) -> list[bytes]:
    """The lines of stack memory that were printed with a panic; without what is not in memory any more."""
    panic = source.panic
    found: list[bytes] = []
    for entry in source.entries:
        try:
            event = decode_event(entry.frame[HEADER_BYTES:])
        except RemoteProtocolError:
            continue
        if isinstance(event, Event) and isinstance(event.body, Line):
            lines = split_lines(event.body)[max(panic.first_seq - event.seq, 0) : panic.last_seq + 1 - event.seq]
            found += [line for line in map(strip_line, lines) if STACK_WORDS.match(line)]
    return found


def text_digest(source: PanicSource, stack: list[bytes]) -> bytes | None:
    """What two panics of the same program have in common when all that was printed is the same; None without a hash."""
    sha256 = source.app_sha256
    if sha256 is None:
        return None
    panic = msgspec.structs.replace(source.panic, app_sha256=sha256, first_seq=0, last_seq=0)
    return hashlib.sha256(msgspec.msgpack.encode((panic, stack))).digest()


def outcome_of(answer: PanicAnswer | Silence) -> PanicOutcome:
    """What an answer, or its absence, means."""
    if isinstance(answer, Silence):
        return PanicOutcome(answer.kind, answer.error)
    if answer.error is not None:
        return PanicOutcome(_STATES.get(answer.error.code, "failed"), answer.error.message)
    return PanicOutcome("done", report=answer.report or "")


def end_event(job: PanicJob, outcome: PanicOutcome | None, timeout_s: float) -> Body:
    """The one event that a job ends in; without an outcome it was cancelled."""
    target, number = job.source.target, job.number
    if outcome is None:
        return DecodeCancelled(target, STOPPED, number)
    if outcome.state == "timed_out":
        return DecodeTimedOut(target, NATIVE, timeout_s, number)
    if outcome.state != "done":
        return DecodeFailed(target, NATIVE, outcome.error, number)
    seconds = round(trio.current_time() - job.started_at, 3)
    return DecodeFinished(target, NATIVE, seconds, "", outcome.report, number)
