"""From a Config to what a daemon is made of: locks, journals, boards, and what the run before left to tell.

All that can refuse to start is here, and raises StartError.
"""

import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import DaemonStarted, Gap, Recovered
from esper_protocol.records import CoredumpRecord, CrashSummary, DaemonRecord
from esper_protocol.version import PACKAGE_VERSION
from esperd.board.board import Board, BoardParts
from esperd.board.device_claims import DeviceClaims
from esperd.board.disk_reports import gap_reason
from esperd.board.publisher import Publisher
from esperd.board.session import Activity
from esperd.configuration.config import BoardConfig, Config
from esperd.core.limits import CoreLimits
from esperd.daemon_log.log_files import fault_log_path, log_path
from esperd.decode.decoder_process import WORKER, DecoderProcess
from esperd.decode.decoding import Decoding
from esperd.decode.elf_store import ElfStore
from esperd.decode.job import JobNumbers
from esperd.decode.jobs import DecodeJobs
from esperd.decode.panic_jobs import PanicJobs
from esperd.decode.symbolizer_process import SYMBOLIZER
from esperd.errors import StartError
from esperd.ports.endpoint_kinds import SimulatedEndpoint
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.storage.board_lock import board_directory, hold_board, owner_of
from esperd.storage.coredump_recovery import StoreRecovery
from esperd.storage.coredumps import CoredumpStore, RetentionLimits
from esperd.storage.disk_writer import DiskWriter
from esperd.storage.journal import Journal, JournalLimits, Recovery
from esperd.storage.last_crash import LastCrashFile
from esperd.storage.tail import Tail
from esperd.system.clock import rfc3339

_log: Final = logging.getLogger(__name__)

# What may wait in memory for a disk that refuses, beside the tail that viewers read.
_PENDING_BYTES: Final = 8 * 1024 * 1024
# Retention removes whole segments, and never the one that is written to: few of them would be a coarse limit.
_LEAST_SEGMENTS: Final = 4


@dataclass(frozen=True, slots=True)
class StoredBoard:
    """What was found on disk of one board."""

    config: BoardConfig
    journal: Journal
    recovery: Recovery
    claims: DeviceClaims
    crash_file: LastCrashFile
    last_crash: CrashSummary | None
    records: list[CoredumpRecord]
    repaired: StoreRecovery
    next_coredump: int


@asynccontextmanager
async def running_alone(config: Config, board: str) -> AsyncGenerator[None]:
    """Two daemons must not write the same journal.

    Raises:
        StartError: another one does, or the state directory can't be written.
    """
    async with contextlib.AsyncExitStack() as held:
        with start_errors(config.state_dir):
            try:
                await held.enter_async_context(hold_board(config.state_dir, board, config.access))
            except BlockingIOError as error:
                owner = await trio.to_thread.run_sync(owner_of, config.state_dir, board)
                raise StartError(
                    f"another esperd ({owner}) runs board {board} with the state directory {config.state_dir}",
                    "see `esperctl boards`, or name the board otherwise: NAME=PORT",
                    is_busy=True,
                ) from error
        yield


def open_store(config: Config) -> CoredumpStore:
    """The store of core dumps, before it takes any."""
    return CoredumpStore(config.state_dir / "coredumps", retention_limits(config), config.access)


def open_stored_board(config: Config, board: BoardConfig, store: CoredumpStore, started_at: str) -> StoredBoard:
    """Opens and repairs what is stored of a board; touches nothing that others use. Blocks.

    Raises:
        OSError: it can't be read or written.
    """
    name = board.argument.name
    directory = board_directory(config.state_dir, name)
    journal = Journal(directory / "journal", journal_limits(config), config.access)
    with contextlib.ExitStack() as held:
        held.callback(journal.close)
        recovery = journal.open()
        records, repaired = store.read(name, started_at, was_killed=recovery.was_killed)
        claims = DeviceClaims(config.state_dir, name, config.access)
        claims.note(board.argument.endpoint)
        crash_file = LastCrashFile(directory, config.access)
        stored = StoredBoard(
            board,
            journal,
            recovery,
            claims,
            crash_file,
            crash_file.read(),
            records,
            repaired,
            store.next_number(name),
        )
        held.pop_all()
    return stored


def make_decoding(config: Config, store: CoredumpStore) -> Decoding:
    """What core dumps and panics are decoded with."""
    limits = config.limits
    elfs = ElfStore(
        config.state_dir / "elfs",
        limits.elf_store_bytes,
        config.access,
        builtin_elfs(config),
        limits.free_disk_percent,
    )
    limiter = trio.CapacityLimiter(1)
    process = DecoderProcess(
        worker_command(config),
        config.gdb,
        elfs,
        limits.decode_timeout_s,
        limits.decode_memory_bytes,
        limiter,
    )
    numbers = JobNumbers()
    panics = PanicJobs(
        elfs,
        SYMBOLIZER,
        limits.decode_backtraces,
        limits.decode_timeout_s,
        limits.decode_memory_bytes,
        limiter,
        numbers,
    )
    jobs = DecodeJobs(store, process, limits.decode_coredumps, limiter, numbers)
    return Decoding(jobs, panics, elfs, config.elf_paths, limiter)


def make_board(
    config: Config, stored: StoredBoard, store: CoredumpStore, activity: Activity, decoding: Decoding
) -> Board:
    """A board with its disk writer, which is yet to be run."""
    name, limits, recovery = stored.config.argument.name, config.limits, stored.recovery
    disk = DiskWriter(stored.journal, _PENDING_BYTES)
    tail = Tail(limits.tail_bytes, recovery.next_seq)
    board = Board(
        BoardParts(
            name,
            stored.config.argument.endpoint,
            stored.config.baud,
            core_limits(config, stored.config),
            Publisher(name, tail, disk, recovery.generation, recovery.boot),
            stored.journal,
            disk,
            stored.crash_file,
            store,
            stored.next_coredump,
            activity,
            decoding.jobs,
            decoding.panics,
            stored.claims,
        )
    )
    disk.watch(board.disk_reports)
    board.publisher.summary.last_crash = stored.last_crash
    return board


def publish_start(board: Board, stored: StoredBoard) -> None:
    """Publishes that a run begins, how the one before ended, and what was repaired."""
    publisher, recovery, repaired = board.publisher, stored.recovery, stored.repaired
    publisher.publish(DaemonStarted(PACKAGE_VERSION, os.getpid()))
    since = None if recovery.last_at is None else rfc3339(recovery.last_at)
    wrote = "it had written nothing" if since is None else f"the last it wrote was at {since}"
    if (lost := recovery.unwritten) is not None:
        detail = (
            f"esperd stopped while the disk refused what it had to write ({os.strerror(lost.error_number)}); {wrote}"
        )
        reason = gap_reason(lost.error_number)
        publisher.publish(Gap(reason, detail, lost.size_bytes, lost.first_seq, lost.last_seq))
    elif recovery.was_killed:
        publisher.publish(Gap("daemon_killed", f"esperd was killed; {wrote}"))
    elif since is not None:
        publisher.publish(Gap("daemon_stopped", f"esperd did not run since {since}"))
    if done := _repairs(recovery, repaired):
        _log.warning("repaired board=%s %s", board.name, done)
        publisher.publish(
            Recovered(
                recovery.torn_bytes,
                repaired.captures_closed,
                repaired.decodes_queued,
                repaired.temporary_files_removed,
                done,
            )
        )


def daemon_record(config: Config, started_at: str) -> DaemonRecord:
    """What the daemon says of itself."""
    name = config.socket.stem
    return DaemonRecord(
        version=PACKAGE_VERSION,
        pid=os.getpid(),
        started_at=started_at,
        socket=str(config.socket),
        state_dir=str(config.state_dir),
        log_path=str(log_path(config.log_dir, name)),
        fault_log_path=str(fault_log_path(config.log_dir, name)),
    )


def _repairs(recovery: Recovery, repaired: StoreRecovery) -> str:
    done: list[str] = []
    if recovery.torn_bytes:
        done.append(f"cut {recovery.torn_bytes} bytes of a half written event off the journal")
    if repaired.captures_closed:
        done.append(f"closed core dumps that were arriving: {', '.join(repaired.captures_closed)}")
    if repaired.decodes_queued:
        done.append(f"queued decodes again: {', '.join(repaired.decodes_queued)}")
    if repaired.temporary_files_removed:
        done.append(f"removed {repaired.temporary_files_removed} temporary files")
    return "; ".join(done)


def builtin_elfs(config: Config) -> tuple[Path, ...]:
    """The program of the simulated boards, where there is one."""
    is_simulated = any(isinstance(board.argument.endpoint, SimulatedEndpoint) for board in config.boards)
    return (FIRMWARE_ELF,) if is_simulated else ()


def worker_command(config: Config) -> tuple[str, ...]:
    """What decodes core dumps."""
    return config.decode_command or WORKER


def retention_limits(config: Config) -> RetentionLimits:
    """What is kept of core dumps."""
    return RetentionLimits(config.limits.coredumps_kept, config.limits.coredumps_bytes)


def journal_limits(config: Config) -> JournalLimits:
    """What is kept of a journal, and in which parts."""
    limits = config.limits
    segment_bytes = min(limits.journal_segment_bytes, limits.journal_bytes // _LEAST_SEGMENTS)
    return JournalLimits(segment_bytes, limits.journal_bytes, limits.free_disk_percent)


def core_limits(config: Config, board: BoardConfig) -> CoreLimits:
    """What bounds the pure part of a board."""
    limits = config.limits
    return CoreLimits(
        line_bytes=limits.line_bytes,
        coredump_text_bytes=limits.coredump_text_bytes,
        coredump_lines=limits.coredump_lines,
        coredump_idle_s=limits.coredump_idle_s,
        answer_prompt=board.answer_coredump_prompt,
    )


@contextmanager
def start_errors(path: Path) -> Generator[None]:
    """Turns what a disk says into StartError."""
    try:
        yield
    except OSError as error:
        raise StartError(
            f"can't use {error.filename or path}: {error.strerror}", "give esperd a --state-dir that it may write to"
        ) from error
