"""SIGHUP: the configuration is read again, and what has changed is applied to what it concerns, and to nothing else.

A file that is not valid changes nothing; viewers and the log are told why. What can't be changed while the daemon runs
stays as it is, which they are told, too.
"""

import dataclasses
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from esper_protocol.events import Failure, Note
from esperd.assembly import builtin_elfs, core_limits, journal_limits, retention_limits, worker_command
from esperd.board.board import Board
from esperd.configuration.changes import Changes, compare
from esperd.configuration.config import BoardConfig, Config
from esperd.errors import EsperdError
from esperd.fleet.board_changes import BoardChanges
from esperd.fleet.fleet import REMOVED, Fleet
from esperd.hooks.crash_hooks import CrashHooks
from esperd.server.registry import Registry
from esperd.service.manager import ServiceManager

_log: Final = logging.getLogger(__name__)

# The longest that a port takes to close: two seconds for a reset, five for a write of pyserial's.
_PORTS_S: Final = 8.0


class Reloader:
    """Applies a configuration to a daemon that runs.

    Each board's part of it counts as taken when the board has it: what fails or hangs in the middle is seen by the next
    reload as what it is.

    Args:
        config: What it runs with.
        load: Reads the configuration again; gets what holds now. Blocks.
        tell_status: Told what the last reload could not do; nothing when it did all.
        disks: Where disk writers run.
        owners: Where the tasks of boards run, and those that open and close them.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[Config], Config],
        fleet: Fleet,
        registry: Registry,
        hooks: CrashHooks,
        service: ServiceManager,
        tell_status: Callable[[str], None],
        disks: trio.Nursery,
        owners: trio.Nursery,
    ) -> None:
        self._config = config
        self._taken = {board.argument.name: board for board in config.boards}
        self._load = load
        self._fleet = fleet
        self._registry = registry
        self._hooks = hooks
        self._service = service
        self._tell_status = tell_status
        self._disks = disks
        self._owners = owners
        self._changing = BoardChanges(owners, self.ask, self._tell_failure)
        self._problems: list[str] = []
        self._asked = trio.Event()

    def ask(self) -> None:
        """Asks for a reload; one that is asked for during another one follows it."""
        self._asked.set()

    async def run(self) -> None:
        """Reloads whenever it is asked to, until cancelled."""
        while True:
            # Without a deadline: nobody has to ask.
            await self._asked.wait()
            self._asked = trio.Event()
            self._service.reloading()
            self._problems.clear()
            try:
                await self._reload()
            except Exception as error:  # noqa: BLE001 - the supervision point of a reload: it must not end the daemon
                _log.error("reload failed", exc_info=error)
                self._tell_failure(f"esperd failed: {type(error).__name__}: {error}", "a part may have been changed")
            self._tell_status("; ".join(self._problems))
            self._service.ready()

    async def _reload(self) -> None:
        try:
            # Left behind by a stop: it reads files, and asks for groups that a network may know.
            config = await trio.to_thread.run_sync(self._load, self._config, abandon_on_cancel=True)
        except EsperdError as error:
            _log.error("configuration not read again error=%s", error)
            self._tell_failure(str(error), "nothing was changed")
            return
        changes = compare(dataclasses.replace(self._config, boards=tuple(self._taken.values())), config)
        self._apply(changes.config)
        self._config = changes.config
        await self._exchange_ports(changes)
        for board in changes.opened:
            await self._changing.do(board.argument.name, "opened", partial(self._open, changes.config, board))
        self._tell(changes)

    async def _exchange_ports(self, changes: Changes) -> None:
        """No board opens another port before all have closed what they had: they may get each other's."""
        moved: list[Board] = []
        try:
            for wanted in changes.kept:
                name, endpoint = wanted.argument.name, wanted.argument.endpoint
                board = self._fleet.boards[name]
                if board.reconfigure(endpoint, wanted.baud, core_limits(changes.config, wanted)):
                    moved.append(board)
                self._taken[name] = wanted
            waits = [board.standby.wait_begun for board in moved]
            ended = [self._retire(name) for name in changes.closed]
            await self._wait_for_ports([*waits, *(port_closed.wait for port_closed in ended)], moved)
        finally:
            for board in moved:
                board.standby.end()
        for name in changes.closed:
            await self._changing.wait(name)

    async def _wait_for_ports(self, waits: list[Callable[[], Awaitable[None]]], moved: list[Board]) -> None:
        with trio.move_on_after(_PORTS_S) as waiting:
            async with trio.open_nursery() as nursery:
                for wait in waits:
                    nursery.start_soon(wait)
                for board in moved:
                    claims, endpoint = board.parts.claims, board.parts.endpoint
                    await trio.to_thread.run_sync(claims.note, endpoint, abandon_on_cancel=True)
        if waiting.cancelled_caught:
            _log.error("a port is still open, boards that are to have it try again after_s=%g", _PORTS_S)

    def _retire(self, name: str) -> trio.Event:
        """Begins to; returns what is set when the port is closed."""
        board = self._fleet.boards[name]
        del self._taken[name]
        port_closed = self._fleet.withdraw(name)

        async def retire() -> None:
            await self._fleet.retire(name)
            for session in list(self._registry.sessions):
                session.end_subscription(board, REMOVED)

        self._changing.begin(name, "closed", retire)
        return port_closed

    def _apply(self, config: Config) -> None:
        limits, registry = config.limits, self._registry
        logging.getLogger().setLevel(config.log_level.upper())
        registry.store.limits = retention_limits(config)
        for board in registry.boards.values():
            board.parts.journal.limits = journal_limits(config)
            board.publisher.tail.max_bytes = limits.tail_bytes
        decoding = registry.decoding
        decoding.set_elf_paths(config.elf_paths)
        decoding.elfs.limit_bytes, decoding.elfs.builtin = limits.elf_store_bytes, builtin_elfs(config)
        decoding.jobs.process.configure(worker_command(config), config.gdb, limits.decode_timeout_s)
        decoding.panics.timeout_s = limits.decode_timeout_s
        self._hooks.configure(config.hooks, limits)
        registry.rules.permissions, registry.rules.most_clients = config.permissions, limits.clients
        for session in list(registry.sessions):
            session.check_rights()

    async def _open(self, config: Config, wanted: BoardConfig) -> None:
        name = wanted.argument.name
        try:
            held = await self._fleet.hold(config, wanted)
        except EsperdError as error:
            _log.error("board not opened board=%s error=%s", name, error)
            self._tell_failure(str(error), f"board {name} was not opened; the next reload tries again")
            return
        board = self._fleet.launch(config, held, self._disks)
        # As at the start: no position is shown to anybody before it is on disk that this run began.
        await board.parts.disk.progress.wait()
        self._taken[name] = wanted
        self._fleet.show(board, self._owners)
        await self._registry.decoding.jobs.queue_unfinished()

    def _tell(self, changes: Changes) -> None:
        taken = ", ".join(changes.keys)
        refused = ", ".join(changes.refused)
        _log.info("configuration read again changed=%s", taken or "nothing")
        if refused:
            _log.warning("configuration needs a restart keys=%s", refused)
        if not taken and not refused:
            return
        text = f"configuration read again: {taken or 'nothing'} changed"
        if refused:
            text += f"; a restart is needed for {refused}"
        for board in self._fleet.boards.values():
            board.publisher.publish(Note(text, "esperd"))

    def _tell_failure(self, error: str, context: str) -> None:
        self._problems.append(error)
        self._tell_status("; ".join(self._problems))
        for board in self._fleet.boards.values():
            board.publisher.publish(Failure("configuration", error, context, None))
