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
from esperd.assembly import builtin_elfs, journal_limits, retention_limits, worker_command
from esperd.configuration.changes import Changes, compare
from esperd.configuration.config import Config
from esperd.errors import EsperdError
from esperd.fleet.fleet import Fleet
from esperd.fleet.lineup import Lineup
from esperd.hooks.crash_hooks import CrashHooks
from esperd.server.registry import Registry
from esperd.service.manager import ServiceManager

_log: Final = logging.getLogger(__name__)

# A file is read within milliseconds, and what a network knows of a group within a second.
_READ_S: Final = 20.0


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
        self._load = load
        self._fleet = fleet
        self._registry = registry
        self._hooks = hooks
        self._service = service
        self._tell_status = tell_status
        self._lineup = Lineup(fleet, registry, disks, owners, self.ask, self._tell_failure)
        # A thread that hangs in it can't be ended: at most one does.
        self._reading = trio.CapacityLimiter(1)
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
        config = await self._read()
        if config is None:
            return
        for doubt in config.doubts:
            _log.warning("configuration problem=%s", doubt)
            self._tell_failure(doubt, "the rest of the file was read")
        changes = compare(dataclasses.replace(self._config, boards=tuple(self._fleet.configs)), config)
        self._apply(changes.config)
        self._config = changes.config
        await self._lineup.change(changes)
        self._tell(changes)

    async def _read(self) -> Config | None:
        """The configuration as its file is now; None when it can't be taken, which has been told."""
        error = f"the configuration could not be read within {_READ_S:g} s: its disk or the directory of groups hangs"
        try:
            with trio.move_on_after(_READ_S):
                # Left behind by a stop: it reads files, and asks for groups that a network may know.
                return await trio.to_thread.run_sync(
                    self._load, self._config, abandon_on_cancel=True, limiter=self._reading
                )
        except EsperdError as refusal:
            error = str(refusal)
        _log.error("configuration not read again error=%s", error)
        self._tell_failure(error, "nothing was changed")
        return None

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
        decoding.elfs.free_disk_percent = limits.free_disk_percent
        decoding.jobs.process.configure(worker_command(config), config.gdb, limits.decode_timeout_s)
        decoding.panics.timeout_s = limits.decode_timeout_s
        self._hooks.configure(config.hooks, limits)
        registry.rules.permissions, registry.rules.most_clients = config.permissions, limits.clients
        for session in list(registry.sessions):
            session.check_rights()

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
