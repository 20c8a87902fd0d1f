"""The composition root: opens what the daemon owns and nests it, so that it ends in the right order.

From the outside in: the locks of the boards, their disk writers, the socket, the boards and their viewers.
"""

import contextlib
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import DaemonStarted, DaemonStopping, Gap, Recovered
from esper_protocol.records import DaemonRecord
from esper_protocol.version import PACKAGE_VERSION
from esperd.board.board import Board, BoardParts
from esperd.board.publisher import Publisher
from esperd.board.session import Activity
from esperd.clock import rfc3339, wall_ns
from esperd.config import BoardConfig, Config
from esperd.core.limits import CoreLimits
from esperd.errors import StartError
from esperd.log_files import fault_log_path, log_path
from esperd.server.client import ClientSession, refuse_client
from esperd.server.listener import accept_clients, open_listener
from esperd.server.requests import Registry
from esperd.storage.coredumps import CoredumpStore, RetentionLimits, StoreRecovery
from esperd.storage.disk_writer import DiskWriter
from esperd.storage.files import make_directory
from esperd.storage.journal import Journal, JournalLimits, Recovery
from esperd.storage.tail import Tail
from esperd.telemetry import publish_telemetry

_log: Final = logging.getLogger(__name__)

# Viewers that read old segments at one time; each takes a thread.
_READERS: Final = 4
# What may wait in memory for a disk that refuses, beside the tail that viewers read.
_PENDING_BYTES: Final = 8 * 1024 * 1024
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def run_daemon(config: Config) -> None:
    """Runs until a stop signal.

    Raises:
        StartError: a directory, a lock or the socket is not to be had.
    """
    with contextlib.ExitStack() as held:
        for board in config.boards:
            held.enter_context(_board_lock(config, board.argument.name))
        store = CoredumpStore(
            config.state_dir / "coredumps",
            RetentionLimits(config.limits.coredumps_kept, config.limits.coredumps_bytes),
            config.file_mode,
            config.directory_mode,
        )
        started_at = rfc3339(wall_ns())
        with _start_errors(store.directory):
            repaired = store.open([board.argument.name for board in config.boards], started_at)
        # The socket before the first event: a daemon that can't be reached has not started.
        listener = held.enter_context(open_listener(config.socket, config.socket_group))
        activity = Activity()
        async with trio.open_nursery() as disks:
            boards = [
                _open_board(config, board, store, repaired[board.argument.name], activity, disks)
                for board in config.boards
            ]
            registry = Registry(
                _daemon_record(config, started_at),
                {board.name: board for board in boards},
                store,
                trio.CapacityLimiter(_READERS),
            )
            try:
                await _serve(config, registry, listener)
            finally:
                for opened in boards:
                    opened.parts.disk.close()


async def _serve(config: Config, registry: Registry, listener: socket.socket) -> None:
    """Owns the boards, and around them the viewers, who see how the boards end."""
    boards = list(registry.boards.values())
    async with trio.open_nursery() as clients:
        clients.start_soon(_serve_clients, listener, registry, config.limits.clients)
        async with trio.open_nursery() as owners:
            for board in boards:
                owners.start_soon(board.run)
            owners.start_soon(publish_telemetry, boards)
            _log.info(
                "esperd %s started pid=%d socket=%s boards=%s",
                PACKAGE_VERSION,
                os.getpid(),
                config.socket,
                ",".join(registry.boards),
            )
            reason = await _stop_signal()
            _log.info("esperd stops reason=%s", reason)
            owners.cancel_scope.cancel()
        for board in boards:
            board.publisher.stop(DaemonStopping(reason))
        clients.cancel_scope.cancel()


async def _stop_signal() -> str:
    # Without a deadline: a daemon runs until it is told to stop.
    with trio.open_signal_receiver(*_STOP_SIGNALS) as signals:
        async for number in signals:
            return signal.Signals(number).name
    return "no more signals"


async def _serve_clients(listener: socket.socket, registry: Registry, limit: int) -> None:
    async with trio.open_nursery() as nursery, contextlib.aclosing(accept_clients(listener)) as arriving:
        async for client in arriving:
            if len(nursery.child_tasks) >= limit:
                refuse_client(client, limit)
            else:
                nursery.start_soon(ClientSession(client, registry).run)


# What a board is made of ----------------------------------------------------------------------------------


def _open_board(
    config: Config,
    board: BoardConfig,
    store: CoredumpStore,
    repaired: StoreRecovery,
    activity: Activity,
    disks: trio.Nursery,
) -> Board:
    """Opens a board's journal, starts its disk writer, and publishes how the run before ended."""
    name, limits = board.argument.name, config.limits
    journal = Journal(
        _board_directory(config, name) / "journal",
        JournalLimits(limits.journal_segment_bytes, limits.journal_bytes, limits.free_disk_percent),
        config.file_mode,
        config.directory_mode,
    )
    with _start_errors(journal.directory):
        recovery = journal.open()
    disk = DiskWriter(journal, _PENDING_BYTES)
    publisher = Publisher(name, Tail(limits.tail_bytes, recovery.next_seq), disk, recovery.generation, recovery.boot)
    core_limits = CoreLimits(
        line_bytes=limits.line_bytes,
        coredump_text_bytes=limits.coredump_text_bytes,
        coredump_lines=limits.coredump_lines,
        coredump_idle_s=limits.coredump_idle_s,
        answer_prompt=board.answer_coredump_prompt,
    )
    opened = Board(
        BoardParts(
            name,
            board.argument.endpoint,
            board.baud,
            core_limits,
            publisher,
            journal,
            disk,
            store,
            store.next_number(name),
            activity,
        )
    )
    disk.watch(opened.on_disk_failure, opened.on_disk_recovery)
    disks.start_soon(disk.run)
    publisher.publish(DaemonStarted(PACKAGE_VERSION, os.getpid()))
    _publish_recovery(publisher, recovery, repaired)
    return opened


def _publish_recovery(publisher: Publisher, recovery: Recovery, repaired: StoreRecovery) -> None:
    if recovery.last_at is not None:
        since = rfc3339(recovery.last_at)
        if recovery.was_killed:
            publisher.publish(Gap("daemon_killed", f"esperd was killed; the last it wrote was at {since}"))
        else:
            publisher.publish(Gap("daemon_stopped", f"esperd did not run since {since}"))
    done: list[str] = []
    if recovery.torn_bytes:
        done.append(f"cut {recovery.torn_bytes} bytes of a half written event off the journal")
    if repaired.captures_closed:
        done.append(f"closed core dumps that were arriving: {', '.join(repaired.captures_closed)}")
    if repaired.decodes_queued:
        done.append(f"queued decodes again: {', '.join(repaired.decodes_queued)}")
    if repaired.temporary_files_removed:
        done.append(f"removed {repaired.temporary_files_removed} temporary files")
    if done:
        _log.warning("repaired board=%s %s", publisher.board, "; ".join(done))
        publisher.publish(
            Recovered(
                recovery.torn_bytes,
                repaired.captures_closed,
                repaired.decodes_queued,
                repaired.temporary_files_removed,
                "; ".join(done),
            )
        )


def _daemon_record(config: Config, started_at: str) -> DaemonRecord:
    name = config.socket.stem
    return DaemonRecord(
        version=PACKAGE_VERSION,
        pid=os.getpid(),
        started_at=started_at,
        socket=str(config.socket),
        state_dir=str(config.state_dir),
        log_path=str(log_path(config.state_dir, name)),
        fault_log_path=str(fault_log_path(config.state_dir, name)),
    )


# Directories and locks ------------------------------------------------------------------------------------


def _board_directory(config: Config, name: str) -> Path:
    return config.state_dir / "boards" / name


@contextmanager
def _board_lock(config: Config, name: str) -> Generator[None]:
    """Two daemons must not write the same journal."""
    directory = _board_directory(config, name)
    with _start_errors(directory):
        make_directory(directory, config.directory_mode)
        descriptor = os.open(
            directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, config.file_mode
        )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StartError(
            f"another esperd runs board {name} with the state directory {config.state_dir}",
            "see `esperctl boards`, or name the board otherwise: NAME=PORT",
            is_busy=True,
        ) from error
    finally:
        os.close(descriptor)


@contextmanager
def _start_errors(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StartError(
            f"can't use {error.filename or path}: {error.strerror}", "give esperd a --state-dir that it may write to"
        ) from error
