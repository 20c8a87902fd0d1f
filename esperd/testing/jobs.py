"""Decode jobs with real dumps on disk, and decoders that are scripts."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import trio

from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeTimedOut,
)
from esper_protocol.records import CoredumpRecord, DecodeState
from esperd.decode.decoder_process import WORKER, DecoderProcess
from esperd.decode.elf_store import ElfStore
from esperd.decode.job import BoardLink, JobNumbers
from esperd.decode.jobs import DecodeJobs
from esperd.simulation.scenarios import RECORDINGS
from esperd.storage.coredumps import CoredumpStore, RetentionLimits
from esperd.storage.files import Access

ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)
REPORT: Final = {"elf_path": None, "elf_match": "unknown", "reason": "abort", "crashed_task": "main", "decoder": None}
ANSWER: Final = "import json, sys; sys.stdin.readline(); print(json.dumps({'report': %r, 'text': 'all of it'}))"
HANG: Final = "import time; time.sleep(60)"


class Jobs:
    """The jobs of one state directory, with what they publish."""

    def __init__(
        self, folder: Path, command: tuple[str, ...] = WORKER, *, at_once: int = 1, timeout_s: float = 20.0
    ) -> None:
        limiter = trio.CapacityLimiter(1)
        self.store = CoredumpStore(folder / "coredumps", RetentionLimits(50, 1 << 30), Access())
        self.store.take(self.store.read("b", "2026-11-21T06:00:00Z")[0])
        self.elfs = ElfStore(folder / "elfs", 1 << 30, Access())
        process = DecoderProcess(command, {}, self.elfs, timeout_s, 1 << 30, limiter)
        self.jobs = DecodeJobs(self.store, process, at_once, limiter, JobNumbers())
        self.published: list[Body] = []
        self._grew = trio.Event()
        self.jobs.attach("b", BoardLink(self._publish, self._submit, self._save))

    def add_dump(self, number: int = 1, state: DecodeState = "none", sha256: str | None = None) -> CoredumpRecord:
        """A dump as a capture leaves it."""
        name = f"b-{number}"
        folder = self.store.folder(name)
        record = CoredumpRecord(
            id=name,
            board="b",
            generation=1,
            boot=1,
            started_at="2026-11-21T06:00:00Z",
            capture="captured",
            end_reason="end_marker",
            decoded_bytes=10744,
            app_sha256=sha256,
            raw_path=str(folder / "core.b64"),
            core_path=str(folder / "core.bin"),
            first_seq=1,
            last_seq=2,
        )
        record.decode.state = state
        self.store.add(record)
        self.store.files.create(name, msgspec.json.encode(record), b"")
        shutil.copyfile(RECORDINGS / "crash.raw", record.raw_path)
        return record

    def on_disk(self, number: int = 1) -> CoredumpRecord:
        """A record as the next start finds it."""
        record = self.store.files.read_record(self.store.folder(f"b-{number}"))
        if record is None:
            raise AssertionError(f"the record of b-{number} is not on disk")
        return record

    async def wait_for(self, kind: type[Body] | tuple[type[Body], ...], count: int = 1) -> list[Body]:
        with trio.fail_after(20):
            while len(found := [body for body in self.published if isinstance(body, kind)]) < count:
                self._grew = trio.Event()
                await self._grew.wait()
        return found

    def _publish(self, body: Body) -> None:
        self.published.append(body)
        self._grew.set()

    def _submit(
        self, run: Callable[[], None], on_error: Callable[[OSError], None], on_done: Callable[[], None], _: int
    ) -> None:
        try:
            run()
        except OSError as error:
            on_error(error)
        else:
            on_done()

    def _save(self, record: CoredumpRecord) -> None:
        self.store.files.write_record(record.id, msgspec.json.encode(record))


def script(program: str) -> tuple[str, ...]:
    """A decoder that is a Python program."""
    return (sys.executable, "-c", program)


def content_of(path: str) -> bytes:
    """What is in a file that an event names."""
    return Path(path).read_bytes()


def children() -> str:
    """The processes that this one has."""
    return "".join(task.read_text("ascii") for task in Path("/proc/self/task").glob("*/children")).strip()


def check_each_job_ends_once(published: list[Body]) -> None:
    """Raises AssertionError where a job has none or several ends, or a number of another."""
    queued = [body.job for body in published if isinstance(body, DecodeQueued)]
    ended = [body.job for body in published if isinstance(body, ENDS)]
    if sorted(ended) != sorted(queued) or len(queued) != len(set(queued)):
        raise AssertionError(f"queued {queued}, ended {ended}")
