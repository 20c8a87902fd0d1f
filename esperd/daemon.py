"""The composition root: opens what the daemon owns and nests it, so that it ends in the right order.

From the outside in: the locks of the boards, their journals, the socket, their disk writers, the viewers, the decodes,
the boards.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from esper_protocol.version import PACKAGE_VERSION
from esperd.assembly import daemon_record, make_decoding, open_store
from esperd.board.board import Board
from esperd.configuration.config import Config
from esperd.fleet.fleet import Fleet, HeldBoard
from esperd.fleet.handover import hand_over_devices
from esperd.fleet.reload import Reloader
from esperd.fleet.telemetry import publish_telemetry
from esperd.hooks.crash_hooks import CrashHooks
from esperd.server.admission import serve_client
from esperd.server.listener import accept_clients, open_listener, serve_on
from esperd.server.registry import Registry, ServingRules
from esperd.service.manager import ServiceManager
from esperd.service.status import report_status
from esperd.service.watchdog import Watchdog
from esperd.storage.orphans import Orphans
from esperd.system.clock import rfc3339, wall_ns

_log: Final = logging.getLogger(__name__)

# Viewers that read old segments at one time; each takes a thread.
_READERS: Final = 4
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the nurseries of a daemon share."""

    config: Config
    load: Callable[[Config], Config]
    service: ServiceManager
    fleet: Fleet
    hooks: CrashHooks
    registry: Registry
    signals: AsyncIterator[int]
    has_terminal: bool


async def run_daemon(config: Config, service: ServiceManager, load: Callable[[Config], Config]) -> None:
    """Runs until a stop signal; *service* is told what happens meanwhile. SIGHUP has *load* called with what runs.

    Raises:
        StartError: a directory, a lock or the socket is not to be had.
    """
    async with contextlib.AsyncExitStack() as held:
        # First, so that a stop signal is an orderly stop from the beginning to the end.
        signals = held.enter_context(trio.open_signal_receiver(*_SIGNALS))
        has_terminal = _has_terminal()
        store = open_store(config)
        started_at = rfc3339(wall_ns())
        decoding = make_decoding(config, store)
        hooks = CrashHooks(config.hooks, config.limits, str(config.socket))
        fleet = Fleet(store, decoding, hooks, started_at)
        held.push_async_callback(fleet.release)
        stored: list[HeldBoard] = []
        for board in config.boards:
            stored.append(await fleet.hold(config, board))
            # For those that do not get to run.
            held.push_async_exit(stored[-1].held)
        # The socket before the first event: a daemon that can't be reached has not started.
        inherited = service.listener
        listener = held.enter_context(
            open_listener(config.socket, config.access, makes_directory=config.makes_socket_directory)
            if inherited is None
            else serve_on(inherited)
        )
        registry = Registry(
            daemon_record(config, started_at),
            fleet.boards,
            store,
            Orphans(config.state_dir, store.files, fleet.boards),
            trio.CapacityLimiter(_READERS),
            decoding,
            ServingRules(config.permissions, config.limits.clients),
        )
        parts = _Parts(config, load, service, fleet, hooks, registry, signals, has_terminal)
        # From here on nothing refuses to start: what leaves a nursery is a group of exceptions, which is no message.
        async with trio.open_nursery() as outermost:
            async with trio.open_nursery() as disks:
                try:
                    boards = [fleet.launch(config, part, disks) for part in stored]
                    await _serve(parts, boards, listener, disks, outermost)
                finally:
                    # Nothing else ends a disk writer: it is not to be forgotten, whatever happens.
                    fleet.close_disks()
            outermost.cancel_scope.cancel()


async def _serve(
    parts: _Parts, boards: list[Board], listener: socket.socket, disks: trio.Nursery, outermost: trio.Nursery
) -> None:
    """Owns the boards, around them the decodes, and around those the viewers, who see how all of it ends."""
    begun: list[Callable[[], Awaitable[None]]] = [board.parts.disk.wait_begun for board in boards]
    is_served = trio.Event()
    async with trio.open_nursery() as clients:
        clients.start_soon(parts.service.deliver)
        clients.start_soon(_serve_clients, listener, parts.registry, begun, parts.service, is_served)
        async with trio.open_nursery() as decodes:
            # Around the boards, because a dump that is cut by the stop is one to be decoded, too.
            decodes.start_soon(parts.registry.decoding.run)
            decodes.start_soon(parts.hooks.run)
            async with trio.open_nursery() as owners:
                for board in boards:
                    parts.fleet.show(board, owners)
                reason = await _run_until_stopped(parts, disks, owners, is_served)
                _log.info("esperd stops reason=%s", reason)
                outermost.start_soon(_note_impatience, parts)
                parts.service.stopping()
                owners.cancel_scope.cancel()
            decodes.cancel_scope.cancel()
        parts.fleet.stop(reason)
        clients.cancel_scope.cancel()


async def _run_until_stopped(parts: _Parts, disks: trio.Nursery, owners: trio.Nursery, is_served: trio.Event) -> str:
    """Reloads at each SIGHUP; returns the name of the signal that ends it."""
    config, observers = parts.config, _Observers(parts)
    parts.fleet.on_change = observers.boards_changed
    reloader = Reloader(
        config,
        parts.load,
        parts.fleet,
        parts.registry,
        parts.hooks,
        parts.service,
        observers.note_problem,
        disks,
        owners,
    )
    owners.start_soon(_reload, reloader, is_served)
    owners.start_soon(observers.run)
    owners.start_soon(publish_telemetry, parts.fleet.boards)
    owners.start_soon(hand_over_devices, parts.fleet.boards)
    _log.info(
        "esperd %s started pid=%d socket=%s boards=%s",
        PACKAGE_VERSION,
        os.getpid(),
        config.socket,
        ",".join(parts.fleet.boards),
    )
    # Without a deadline: a daemon runs until it is told to stop.
    async for number in parts.signals:
        if number != signal.SIGHUP or (parts.has_terminal and not _has_terminal()):
            return signal.Signals(number).name
        reloader.ask()
    return ""


async def _reload(reloader: Reloader, is_served: trio.Event) -> None:
    # The end of a reload says to the service manager that clients are served.
    await is_served.wait()
    await reloader.run()


async def _note_impatience(parts: _Parts) -> None:
    """Says of further signals what is still waited for. They change nothing: to lose data takes SIGKILL."""
    # Without a deadline: it is cancelled when all is written.
    async for number in parts.signals:
        waiting = ",".join(parts.fleet.unwritten) or "-"
        _log.warning("esperd stops already signal=%s not_written_yet=%s", signal.Signals(number).name, waiting)


def _has_terminal() -> bool:
    """Whether a person sees what we log; SIGHUP also says that the terminal was closed, which is to stop."""
    try:
        return os.isatty(sys.stderr.fileno())
    except (OSError, ValueError):
        return False


class _Observers:
    """What is said of the boards to the service manager."""

    def __init__(self, parts: _Parts) -> None:
        service = self._service = parts.service
        self._boards = parts.fleet.boards
        self._reporting = trio.CancelScope()
        watched_s = service.watchdog_s
        self._watchdog = None if watched_s is None else Watchdog(service, parts.fleet.at_work, watched_s)
        self._problem = ""

    def boards_changed(self) -> None:
        """Has them look at the boards that are there now."""
        self._reporting.cancel()
        if self._watchdog is not None:
            self._watchdog.boards_changed()

    def note_problem(self, text: str) -> None:
        """Has the status say what the last reload could not do; nothing when it did all."""
        if text != self._problem:
            self._problem = text
            self._reporting.cancel()

    async def run(self) -> None:
        """Observes until cancelled."""
        if self._service.address is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._report)
            if self._watchdog is not None:
                nursery.start_soon(self._watchdog.run)

    async def _report(self) -> None:
        while True:
            with trio.CancelScope() as self._reporting:
                await report_status(self._service, list(self._boards.values()), self._problem)


async def _serve_clients(
    listener: socket.socket,
    registry: Registry,
    begun: list[Callable[[], Awaitable[None]]],
    service: ServiceManager,
    is_served: trio.Event,
) -> None:
    # No position is shown to anybody before it is on disk that this run began: if the daemon is killed, the next start
    # sees that it was, and does not give the same positions again.
    async with trio.open_nursery() as nursery:
        for wait in begun:
            nursery.start_soon(wait)
    service.ready()
    is_served.set()
    async with trio.open_nursery() as nursery, contextlib.aclosing(accept_clients(listener)) as arriving:
        async for client in arriving:
            nursery.start_soon(serve_client, client, registry)
