"""The composition root: opens what the daemon owns and nests it, so that it ends in the right order.

From the outside in: the locks of the boards, their journals, the socket, their disk writers, the viewers, the decodes,
the boards.
"""

import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Final

import trio

from esper_protocol.events import DaemonStopping
from esper_protocol.version import PACKAGE_VERSION
from esperd.assembly import (
    StoredBoard,
    daemon_record,
    make_board,
    make_decoding,
    open_store,
    open_stored_boards,
    publish_start,
    running_alone,
)
from esperd.board.board import Board
from esperd.board.session import Activity
from esperd.clock import rfc3339, wall_ns
from esperd.config import Config
from esperd.decode.jobs import DecodeJobs
from esperd.server.client import ClientSession, refuse_client
from esperd.server.listener import accept_clients, open_listener
from esperd.server.registry import Registry
from esperd.storage.coredumps import CoredumpStore
from esperd.storage.orphans import Orphans
from esperd.telemetry import publish_telemetry

_log: Final = logging.getLogger(__name__)

# Viewers that read old segments at one time; each takes a thread.
_READERS: Final = 4
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def run_daemon(config: Config) -> None:
    """Runs until a stop signal.

    Raises:
        StartError: a directory, a lock or the socket is not to be had.
    """
    async with contextlib.AsyncExitStack() as held:
        # First, so that a stop signal is an orderly stop from the beginning; a second one waits until all is closed.
        signals = held.enter_context(trio.open_signal_receiver(*_STOP_SIGNALS))
        for board in config.boards:
            await held.enter_async_context(running_alone(config, board.argument.name))
        store = open_store(config)
        started_at = rfc3339(wall_ns())
        stored = held.enter_context(open_stored_boards(config, store, started_at))
        # The socket before the first event: a daemon that can't be reached has not started.
        listener = held.enter_context(open_listener(config.socket, config.access))
        # From here on nothing refuses to start: what leaves a nursery is a group of exceptions, which is no message.
        async with trio.open_nursery() as disks:
            with contextlib.ExitStack() as writers:
                decoding = make_decoding(config, store)
                boards = _start_boards(config, stored, store, decoding.jobs, disks, writers)
                registry = Registry(
                    daemon_record(config, started_at),
                    boards,
                    store,
                    Orphans(config.state_dir, store.files, boards),
                    trio.CapacityLimiter(_READERS),
                    decoding,
                )
                await _serve(config, registry, listener, signals)


def _start_boards(
    config: Config,
    stored: list[StoredBoard],
    store: CoredumpStore,
    decodes: DecodeJobs,
    disks: trio.Nursery,
    writers: contextlib.ExitStack,
) -> dict[str, Board]:
    """The boards, with their disk writers running in *disks* until *writers* ends."""
    activity = Activity()
    boards: dict[str, Board] = {}
    for part in stored:
        board = make_board(config, part, store, activity, decodes)
        # Nothing else ends a disk writer: it is not to be forgotten, whatever happens from here on.
        writers.callback(board.parts.disk.close)
        disks.start_soon(board.parts.disk.run)
        publish_start(board, part)
        boards[board.name] = board
    return boards


async def _serve(config: Config, registry: Registry, listener: socket.socket, signals: AsyncIterator[int]) -> None:
    """Owns the boards, around them the decodes, and around those the viewers, who see how all of it ends."""
    boards = list(registry.boards.values())
    first_batches = [board.parts.disk.progress for board in boards]
    async with trio.open_nursery() as clients:
        clients.start_soon(_serve_clients, listener, registry, config.limits.clients, first_batches)
        async with trio.open_nursery() as decodes:
            # Around the boards, because a dump that is cut by the stop is one to be decoded, too.
            decodes.start_soon(registry.decoding.run)
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
                # Without a deadline: a daemon runs until it is told to stop.
                reason = signal.Signals(await anext(signals)).name
                _log.info("esperd stops reason=%s", reason)
                owners.cancel_scope.cancel()
            decodes.cancel_scope.cancel()
        for board in boards:
            board.publisher.stop(DaemonStopping(reason))
        clients.cancel_scope.cancel()


async def _serve_clients(
    listener: socket.socket, registry: Registry, limit: int, first_batches: list[trio.Event]
) -> None:
    # No position is shown to anybody before it is on disk that this run began: if the daemon is killed, the next start
    # sees that it was, and does not give the same positions again.
    for first_batch in first_batches:
        await first_batch.wait()
    async with trio.open_nursery() as nursery, contextlib.aclosing(accept_clients(listener)) as arriving:
        async for client in arriving:
            if len(nursery.child_tasks) >= limit:
                refuse_client(client, limit)
            else:
                nursery.start_soon(ClientSession(client, registry).run)
