"""From the boards that there are to those that there are to be: opened, closed, and with each other's ports.

A board is changed by one reload at a time. While it still is, nothing else is begun with it; the reload that follows
finds it as it then is.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio

from esperd.assembly import core_limits
from esperd.board.board import Board
from esperd.configuration.changes import Changes
from esperd.configuration.config import BoardConfig, Config
from esperd.errors import EsperdError
from esperd.fleet.board_changes import BoardChanges, Change
from esperd.fleet.fleet import REMOVED, Fleet
from esperd.server.registry import Registry

_log: Final = logging.getLogger(__name__)

# The longest that a port takes to close: two seconds for a reset, five for a write of pyserial's.
_PORTS_S: Final = 8.0


class Lineup:
    """Opens, closes and reconfigures the boards of a fleet that runs.

    Args:
        registry: Who follows a board that goes, and what decodes the dumps of one that comes.
        disks: Where disk writers run.
        owners: Where the tasks of boards run, and those that open and close them.
        when_late: Called when a board is settled that ``change`` did not wait for.
        tell_failure: Told what failed or takes long, and what that means.
    """

    def __init__(
        self,
        fleet: Fleet,
        registry: Registry,
        disks: trio.Nursery,
        owners: trio.Nursery,
        when_late: Callable[[], None],
        tell_failure: Callable[[str, str], None],
    ) -> None:
        self._fleet = fleet
        self._registry = registry
        self._disks = disks
        self._owners = owners
        self._tell_failure = tell_failure
        self._changing = BoardChanges(owners, when_late, tell_failure)

    async def change(self, changes: Changes) -> None:
        """Makes the boards what they are to be, but for those that are still being changed."""
        unsettled = self._changing.put_off()
        await self._exchange_ports(changes, unsettled)
        for board in changes.opened:
            if (name := board.argument.name) not in unsettled:
                opening = self._changing.begin(name, "opened", partial(self._open, changes.config, board))
                await self._changing.wait(opening)

    async def _exchange_ports(self, changes: Changes, unsettled: set[str]) -> None:
        """No board opens another port before all have closed what they had: they may get each other's."""
        moved: list[Board] = []
        closing: list[Change] = []
        try:
            for wanted in changes.kept:
                name, limits = wanted.argument.name, core_limits(changes.config, wanted)
                if name not in unsettled and self._fleet.reconfigure(wanted, limits):
                    board = self._fleet.boards[name]
                    moved.append(board)
            waits = [board.standby.wait_begun for board in moved]
            notes = [partial(board.parts.claims.note, board.parts.endpoint) for board in moved]
            for name in changes.closed:
                if name not in unsettled:
                    board = self._fleet.boards[name]
                    waits.append(self._fleet.withdraw(name).wait)
                    # It keeps its lock until all of it is written, and is not to keep its device as well.
                    notes.append(partial(board.parts.claims.note, None))
                    closing.append(self._changing.begin(name, "closed", partial(self._retire, board)))
            await _wait_for_ports(waits, notes)
        finally:
            for board in moved:
                board.standby.end()
        for change in closing:
            await self._changing.wait(change)

    async def _retire(self, board: Board) -> None:
        await self._fleet.retire(board.name)
        for session in list(self._registry.sessions):
            session.end_subscription(board, REMOVED)

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
        await board.parts.disk.wait_begun()
        self._fleet.show(board, self._owners)
        await self._registry.decoding.jobs.queue_unfinished()


async def _wait_for_ports(waits: Sequence[Callable[[], Awaitable[None]]], notes: Sequence[Callable[[], None]]) -> None:
    with trio.move_on_after(_PORTS_S) as waiting:
        async with trio.open_nursery() as nursery:
            for wait in waits:
                nursery.start_soon(wait)
            for note in notes:
                await trio.to_thread.run_sync(note, abandon_on_cancel=True)
    if waiting.cancelled_caught:
        _log.error("a port is still open, boards that are to have it try again after_s=%g", _PORTS_S)
