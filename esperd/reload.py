"""SIGHUP: the configuration is read again, and what has changed is applied to what it concerns, and to nothing else.

A file that is not valid changes nothing; viewers and the log are told why. What can't be changed while the daemon runs
stays as it is, which they are told, too.
"""

import dataclasses
import logging
from collections.abc import Callable
from typing import Final

import trio

from esper_protocol.events import Failure, Note
from esperd.assembly import builtin_elfs, core_limits, journal_limits, retention_limits, worker_command
from esperd.configuration.changes import Changes, compare
from esperd.configuration.config import BoardConfig, Config
from esperd.errors import EsperdError
from esperd.fleet import Fleet
from esperd.hooks.crash_hooks import CrashHooks
from esperd.server.registry import Registry
from esperd.service.manager import ServiceManager

_log: Final = logging.getLogger(__name__)


class Reloader:
    """Applies a configuration to a daemon that runs.

    Args:
        config: What it runs with.
        load: Reads the configuration again, as it was read at the start; blocks.
        disks: Where disk writers run.
        owners: Where the tasks of boards run.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        fleet: Fleet,
        registry: Registry,
        hooks: CrashHooks,
        service: ServiceManager,
        disks: trio.Nursery,
        owners: trio.Nursery,
    ) -> None:
        self.config = config
        self._load = load
        self._fleet = fleet
        self._registry = registry
        self._hooks = hooks
        self._service = service
        self._disks = disks
        self._owners = owners
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
            try:
                await self._reload()
            except Exception as error:  # noqa: BLE001 - the supervision point of a reload: it must not end the daemon
                _log.error("reload failed", exc_info=error)
                self._tell_failure(f"esperd failed: {type(error).__name__}: {error}", "a part may have been changed")
            self._service.ready()

    async def _reload(self) -> None:
        try:
            config = await trio.to_thread.run_sync(self._load)
        except EsperdError as error:
            _log.error("configuration not read again error=%s", error)
            self._tell_failure(str(error), "nothing was changed")
            return
        changes = compare(self.config, config)
        self.config = changes.config
        self._apply(changes.config)
        for board in changes.kept:
            self._fleet.boards[board.argument.name].reconfigure(
                board.argument.endpoint, board.baud, core_limits(changes.config, board)
            )
        for name in changes.closed:
            await self._fleet.retire(name)
        for board in changes.opened:
            await self._open(board)
        self._tell(changes)

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

    async def _open(self, wanted: BoardConfig) -> None:
        name = wanted.argument.name
        try:
            held = await self._fleet.hold(self.config, wanted)
        except EsperdError as error:
            _log.error("board not opened board=%s error=%s", name, error)
            self._tell_failure(str(error), f"board {name} was not opened; the next reload tries again")
            others = tuple(board for board in self.config.boards if board.argument.name != name)
            self.config = dataclasses.replace(self.config, boards=others)
            return
        board = self._fleet.launch(self.config, held, self._disks)
        # As at the start: no position is shown to anybody before it is on disk that this run began.
        await board.parts.disk.progress.wait()
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
        for board in self._fleet.boards.values():
            board.publisher.publish(Failure("configuration", error, context, None))
