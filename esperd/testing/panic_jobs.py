"""Panic jobs with an ELF store on disk, and symbolizers that are scripts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import trio

from esper_protocol.codec import encode_message
from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeTimedOut,
    Event,
    Line,
    Panic,
)
from esperd.decode.elf_store import ElfStore
from esperd.decode.job import JobNumbers
from esperd.decode.panic import read_panics
from esperd.decode.panic_job import PanicSource
from esperd.decode.panic_jobs import PanicJobs
from esperd.decode.symbolizer_process import SYMBOLIZER
from esperd.simulation.scenarios import RECORDINGS
from esperd.storage.files import Access
from esperd.storage.tail import Entry

ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)
CRASH: Final = (RECORDINGS / "crash.raw").read_bytes()
# A symbolizer of the test: reads a question, then does what `%s` says.
SCRIPT: Final = """
import msgspec, os, struct, sys, time
def answer(report="{}"):
    data = msgspec.msgpack.encode({"number": number, "report": report, "elf_path": "/e.elf", "is_certain": True})
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
while head := sys.stdin.buffer.read(4):
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))
    number, reason = question["number"], question["panic"][2]
    %s
"""


def script(action: str) -> tuple[str, ...]:
    """A symbolizer that does *action* with each question."""
    return (sys.executable, "-c", SCRIPT % action)


def panic(reason: str = "LoadProhibited", app_sha256: str | None = "54bf6313b") -> Panic:
    """A panic that says the simulated firmware's hash."""
    backtrace = [(0x8000172C, 0x80021E00), (0x80001816, 0x80021E20)]
    return Panic("exception", reason, True, 0, None, {}, backtrace, False, app_sha256, 10, 20)


class Jobs:
    """The jobs of one store, with what they publish."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str] = SYMBOLIZER,
        *,
        at_once: int = 2,
        timeout_s: float = 20.0,
        idle_s: float = 60.0,
    ) -> None:
        limiter = trio.CapacityLimiter(1)
        self.elfs = ElfStore(folder / "elfs", 1 << 30, Access())
        self.jobs = PanicJobs(self.elfs, tuple(command), at_once, timeout_s, 1 << 30, limiter, JobNumbers(), idle_s)
        self.published: list[Body] = []
        self._grew = trio.Event()

    def queue(
        self, number: int = 1, found: Panic | None = None, entries: tuple[Entry, ...] = (), board: str = "b"
    ) -> None:
        target = f"panic:{number}"
        self.jobs.queue(PanicSource(board, target, found or panic(), None, entries, self._publish))

    def of(self, kind: type[Body] | tuple[type[Body], ...]) -> list[Any]:
        return [body for body in self.published if isinstance(body, kind)]

    @property
    def queued(self) -> list[str]:
        return [body.target for body in self.of(DecodeQueued)]

    async def wait_for(self, kind: type[Body] | tuple[type[Body], ...], count: int = 1) -> list[Any]:
        with trio.fail_after(20):
            while len(found := self.of(kind)) < count:
                self._grew = trio.Event()
                await self._grew.wait()
        return found

    def check_each_job_ends_once(self) -> None:
        """Raises AssertionError where a job has none or several ends, or a number of another."""
        queued = [body.job for body in self.of(DecodeQueued)]
        # Number 0 is of no job.
        ended = [body.job for body in self.of(ENDS) if body.job]
        if len(queued) != len(set(queued)) or sorted(ended) != sorted(queued):
            raise AssertionError(f"queued {queued}, ended {ended}")

    def _publish(self, body: Body) -> None:
        self.published.append(body)
        self._grew.set()


def crash() -> tuple[Panic, tuple[Entry, ...]]:
    """The first panic of the recorded crash, and its lines as a journal has them, in two events."""
    found = read_panics(CRASH)[0].panic
    lines = [line + b"\n" for line in CRASH.split(b"\n")]
    entries: list[Entry] = []
    for start, end in ((found.first_seq - 3, found.first_seq + 30), (found.first_seq + 30, found.last_seq + 9)):
        event = Event(start, 1, "b", 1, 1, Line(b"".join(lines[start:end]), end - start))
        entries.append(Entry(start, end, 1, end - start, encode_message(event)))
    return found, tuple(entries)
