"""The boards that this daemon runs, each with all that it holds; they come and go with the configuration.

A board's parts live in nurseries that end one after another when the daemon stops: its port first, its disk writer
last. When a board alone goes, the same order holds for it.
"""

import contextlib
import logging
from dataclasses import dataclass
from typing import Final, Literal

import trio

from esper_protocol.events import DaemonStopping
from esperd.assembly import StoredBoard, make_board, open_stored_board, publish_start, running_alone, start_errors
from esperd.board.board import Board
from esperd.board.session import Activity
from esperd.configuration.config import BoardConfig, Config
from esperd.core.limits import CoreLimits
from esperd.decode.decoding import Decoding
from esperd.hooks.crash_hooks import CrashHooks
from esperd.storage.coredumps import CoredumpStore

_log: Final = logging.getLogger(__name__)

REMOVED: Final = "the board is not configured any more"


@dataclass(frozen=True, slots=True)
class HeldBoard:
    """A board whose lock and journal are ours, and which does not run yet."""

    stored: StoredBoard
    held: contextlib.AsyncExitStack


@dataclass(slots=True, eq=False)
class _Running:
    """A board that runs: its lock and journal, its task, and whether its port is closed and its disk writer done.

    ``config`` is what it has of the configuration. Its ``stage``: ``launched``, ``shown`` to clients, ``withdrawn``.
    """

    config: BoardConfig
    board: Board
    held: contextlib.AsyncExitStack
    scope: trio.CancelScope
    closed: trio.Event
    written: trio.Event
    stage: Literal["launched", "shown", "withdrawn"] = "launched"


def _ignore_change() -> None:
    """Nobody watches."""


class Fleet:
    """Opens boards and closes them; ``boards`` are those that clients may see.

    ``at_work`` are those, and with them the ones that are being closed: whoever watches over them does so to the end.
    Both say what stage the boards are in, for others, who keep hold of them; nothing else says which boards there are.
    ``on_change`` is called whenever either are others: at once, and not only when a board has been closed in order.

    Args:
        store: Of their core dumps.
        decoding: What their dumps and panics are decoded by.
        hooks: What is told of their crashes.
        started_at: When this run began (RFC 3339).
    """

    def __init__(self, store: CoredumpStore, decoding: Decoding, hooks: CrashHooks, started_at: str) -> None:
        self.boards: dict[str, Board] = {}
        self.at_work: dict[str, Board] = {}
        self.on_change = _ignore_change
        self._store = store
        self._decoding = decoding
        self._hooks = hooks
        self._started_at = started_at
        self._activity = Activity()
        self._running: dict[str, _Running] = {}

    async def hold(self, config: Config, board: BoardConfig) -> HeldBoard:
        """Makes a board ours, and brings in order what is stored of it.

        Raises:
            StartError: another daemon has it, or it can't be read or written.
        """
        async with contextlib.AsyncExitStack() as held:
            await held.enter_async_context(running_alone(config, board.argument.name))
            with start_errors(config.state_dir):
                # In a thread: other boards are being read meanwhile.
                stored = await trio.to_thread.run_sync(open_stored_board, config, board, self._store, self._started_at)
            # Once it has a disk writer, that one has closed it before.
            held.callback(stored.journal.close)
            self._store.take(stored.records)
            held.callback(self._store.leave, board.argument.name)
            return HeldBoard(stored, held.pop_all())
        raise AssertionError  # an exit stack hides no exception here

    def launch(self, config: Config, held: HeldBoard, disks: trio.Nursery) -> Board:
        """Makes a board that is held, starts its disk writer, and publishes that it runs. It is not visible yet."""
        board = make_board(config, held.stored, self._store, self._activity, self._decoding)
        running = _Running(held.stored.config, board, held.held, trio.CancelScope(), trio.Event(), trio.Event())
        self._running[board.name] = running
        disks.start_soon(self._write, running)
        self._hooks.watch(board)
        publish_start(board, held.stored)
        return board

    def show(self, board: Board, owners: trio.Nursery) -> None:
        """Opens the port of a board, and lets clients see it."""
        running = self._running[board.name]
        running.stage = "shown"
        self._tell_change()
        owners.start_soon(self._own, running)

    @property
    def configs(self) -> list[BoardConfig]:
        """What each board that clients may see has of the configuration."""
        return [running.config for running in self._running.values() if running.stage == "shown"]

    def reconfigure(self, wanted: BoardConfig, core_limits: CoreLimits) -> bool:
        """Gives a board other settings; returns whether its port is another one, see ``Board.reconfigure``."""
        running = self._running[wanted.argument.name]
        is_other_port = running.board.reconfigure(wanted.argument.endpoint, wanted.baud, core_limits)
        running.config = wanted
        return is_other_port

    def withdraw(self, name: str) -> trio.Event:
        """Hides a board, which ``retire`` ends, and has its port closed; the event is that it is."""
        running = self._running[name]
        # First: nobody is to begin anything with a board that is about to end.
        running.stage = "withdrawn"
        self._tell_change()
        running.board.explain_closing(REMOVED)
        running.scope.cancel()
        return running.closed

    async def retire(self, name: str) -> None:
        """Ends a board that was withdrawn, in order: its port, its decodes, its journal, its lock."""
        running = self._running[name]
        board = running.board
        # Without a deadline, as what follows: whoever calls has one, and the watchdog asks the board meanwhile.
        await running.closed.wait()
        # Before the last event: each job ends in one of its own.
        await self._decoding.jobs.detach(name)
        await self._decoding.panics.detach(name)
        self._hooks.forget(board)
        board.publisher.stop(DaemonStopping(REMOVED))
        board.parts.disk.close()
        # To give the lock to another daemon before all is written would be to lose it.
        await running.written.wait()
        del self._running[name]
        self._tell_change()
        await running.held.aclose()
        _log.info("board closed board=%s", name)

    def stop(self, reason: str) -> None:
        """Publishes the last event of each board."""
        for running in self._running.values():
            running.board.publisher.stop(DaemonStopping(reason))

    @property
    def unwritten(self) -> list[str]:
        """The boards whose disk writers are not done."""
        return [name for name, running in self._running.items() if not running.written.is_set()]

    def close_disks(self) -> None:
        """Lets the disk writers write what is left, and end. Nothing else ends them."""
        for running in self._running.values():
            running.board.parts.disk.close()

    async def release(self) -> None:
        """Gives up journals and locks of what still runs."""
        for running in self._running.values():
            await running.held.aclose()

    def _tell_change(self) -> None:
        self.boards.clear()
        self.at_work.clear()
        for name, running in self._running.items():
            if running.stage == "shown":
                self.boards[name] = running.board
            if running.stage != "launched":
                self.at_work[name] = running.board
        self.on_change()

    async def _write(self, running: _Running) -> None:
        try:
            await running.board.parts.disk.run()
        finally:
            running.written.set()

    async def _own(self, running: _Running) -> None:
        try:
            with running.scope:
                await running.board.run()
        finally:
            running.closed.set()
