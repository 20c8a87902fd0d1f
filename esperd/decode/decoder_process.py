"""A core dump to a decoder process and back: what it is asked, under which limits, and what it came to."""

import contextlib
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import trio

from esper_protocol.records import CoredumpRecord, Machine
from esperd.decode.elf_store import ElfStore
from esperd.decode.outcome import Outcome, outcome_of, processor_seconds
from esperd.decode.process import ProcessLimits, run_limited
from esperd.decode.request import AUTO, NATIVE, DecodeRequest

WORKER: Final = (sys.executable, "-m", "esperd.decode.worker")
# A report has some 100 KiB; with thousands of tasks, as a damaged dump may claim to have, some megabytes.
_OUTPUT_BYTES: Final = 16 * 1024 * 1024
_WORK_PREFIX: Final = "work-"
# For what takes milliseconds on a disk that answers, and is no reason to wait for one that does not.
_DISK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a dump is to be decoded; ``elf`` is the path of an ELF file, null for the one that the dump is of."""

    backend: str = AUTO
    elf: Path | None = None
    timeout_s: float | None = None
    force: bool = False
    with_locals: bool = False


class DecoderProcess:
    """Runs decoders.

    Args:
        command: The program that speaks ``esperd.decode.request``.
        gdb: A GDB for each machine, where it is configured.
        elfs: Where ELF files are found.
        timeout_s: The deadline of a decode.
        memory_bytes: What each of its processes may take.
        limiter: For the thread that reads the store.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        gdb: Mapping[Machine, str],
        elfs: ElfStore,
        timeout_s: float,
        memory_bytes: int,
        limiter: trio.CapacityLimiter,
    ) -> None:
        self._elfs = elfs
        self._memory_bytes = memory_bytes
        self._limiter = limiter
        self.configure(command, gdb, timeout_s)

    def configure(self, command: tuple[str, ...], gdb: Mapping[Machine, str], timeout_s: float) -> None:
        """Takes other settings, for the decodes that begin from now on."""
        self._command = command
        self._gdb = {str(machine): path for machine, path in gdb.items()}
        self._timeout_s = timeout_s

    def backend_name(self, options: DecodeOptions) -> str:
        """What is going to decode, as events name it."""
        if self._command != WORKER:
            return Path(self._command[0]).name
        return NATIVE if options.backend == AUTO else options.backend

    def timeout_s(self, options: DecodeOptions) -> float:
        """The deadline of a decode with these options."""
        return self._timeout_s if options.timeout_s is None else min(options.timeout_s, self._timeout_s)

    def known_sha256(self) -> list[str]:
        """The sums of all ELF files. Blocks.

        Raises:
            OSError: the store can't be read.
        """
        return [elf.sha256 for elf in self._elfs.known()]

    async def decode(self, record: CoredumpRecord, options: DecodeOptions, work_dir: Path | None) -> Outcome:
        """Decodes a stored dump. When it is cancelled, no process is left.

        Raises:
            OSError: the ELF store can't be read.
        """
        timeout_s = self.timeout_s(options)
        outcome = Outcome("timed_out", f"no report within {timeout_s:g} s")
        # Around all of it: also the store may be what does not answer.
        with trio.move_on_after(timeout_s):
            outcome = await self._decode(record, options, work_dir)
        if outcome.head is not None and outcome.head.elf_path is not None:
            used = Path(outcome.head.elf_path)
            with trio.move_on_after(_DISK_S):
                await trio.to_thread.run_sync(self._elfs.note_use, used, limiter=self._limiter, abandon_on_cancel=True)
        return outcome

    async def _decode(self, record: CoredumpRecord, options: DecodeOptions, work_dir: Path | None) -> Outcome:
        # Also where the program is given: the ROM's ELF file may be among them.
        elfs = await trio.to_thread.run_sync(self._elfs.known, limiter=self._limiter, abandon_on_cancel=True)
        limits = ProcessLimits(
            self.timeout_s(options), _OUTPUT_BYTES, self._memory_bytes, processor_seconds(self._timeout_s)
        )
        request = DecodeRequest(
            # The text and not what the capture made of it: damaged lines can be told and filled from it.
            dump=record.raw_path,
            elf=None if options.elf is None else str(options.elf),
            elfs=elfs,
            needs_elf=True,
            app_sha256=record.app_sha256,
            force=options.force,
            locals=options.with_locals,
            backend=options.backend,
            work_dir=None if work_dir is None else str(work_dir),
            gdb=self._gdb,
            memory_bytes=self._memory_bytes,
            cpu_s=limits.cpu_s,
            watch_stdin=True,
        )
        result = await run_limited(
            self._command,
            msgspec.json.encode(request) + b"\n",
            limits,
            directory=work_dir,
            environment=worker_environment(),
        )
        return outcome_of(result, limits)


def worker_environment() -> dict[str, str]:
    """What our decoders run with."""
    # Python puts the current folder on its path for `-m`, and the current folder is one that files are written to.
    return os.environ | {"PYTHONSAFEPATH": "1"}


@asynccontextmanager
async def work_dir(folder: Path, number: int, limiter: trio.CapacityLimiter) -> AsyncGenerator[Path | None]:
    """An empty folder in a dump's folder, removed with all that is in it; None when the disk gives none, or not soon.

    What can't be removed soon is left to the next start.
    """
    path = folder / f"{_WORK_PREFIX}{number}"
    is_made = False
    try:
        with contextlib.suppress(OSError), trio.move_on_after(_DISK_S):
            await trio.to_thread.run_sync(_make_empty, path, limiter=limiter, abandon_on_cancel=True)
            is_made = True
        yield path if is_made else None
    finally:
        # Shielded: it takes a moment, and what a cancelled job leaves would stay.
        with trio.move_on_after(_DISK_S, shield=True):
            await trio.to_thread.run_sync(_remove, path, limiter=limiter, abandon_on_cancel=True)


def remove_work_dirs(folder: Path) -> int:
    """Removes what a killed daemon left in a dump's folder; returns how many folders. Blocks."""
    found = list(folder.glob(f"{_WORK_PREFIX}*"))
    for path in found:
        _remove(path)
    return len(found)


def _make_empty(path: Path) -> None:
    _remove(path)
    path.mkdir(mode=0o700)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
