"""The service manager's watchdog is fed by proof: every board's reader came round, and every disk writer's thread.

A daemon whose event loop turns while one of its boards is not read any more, or while nothing reaches a journal, is as
good as hung. So all are asked at once, and the manager is told only when all have answered. It acts when that takes too
long; until then a slow disk is only slow, and many slow ones are no slower than one. Without a watchdog nobody asks,
and an idle daemon sleeps.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio

from esperd.board.board import Board
from esperd.service.manager import ServiceManager

_log: Final = logging.getLogger(__name__)

# Of the watchdog's time: two rounds may come late, or one may wait that long for a disk, before the manager acts.
_ROUNDS: Final = 3


class Watchdog:
    """Asks the boards, and tells the service manager.

    Args:
        service: Who is told.
        boards: Who is asked; looked at anew in each round.
        watchdog_s: How long the manager waits.
    """

    def __init__(self, service: ServiceManager, boards: Mapping[str, Board], watchdog_s: float) -> None:
        self._service = service
        self._boards = boards
        self._pause_s = watchdog_s / _ROUNDS
        self._asked: dict[Board, trio.CancelScope] = {}

    async def run(self) -> None:
        """Asks and tells until cancelled."""
        while True:
            self._service.alive()
            await trio.sleep(self._pause_s)
            async with trio.open_nursery() as nursery:
                for board in self._boards.values():
                    self._asked[board] = trio.CancelScope()
                    nursery.start_soon(self._ask, board, self._asked[board])
            self._asked.clear()

    def boards_changed(self) -> None:
        """Waits no more for boards that are gone, which do not answer; those that came are asked in the next round."""
        for board, scope in self._asked.items():
            if self._boards.get(board.name) is not board:
                scope.cancel()

    async def _ask(self, board: Board, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._prove, "reader", board.name, board.prove_reading)
                nursery.start_soon(self._prove, "disk", board.name, board.parts.disk.prove_writing)

    async def _prove(self, part: str, board: str, proof: Callable[[], Awaitable[None]]) -> None:
        with trio.move_on_after(self._pause_s):
            await proof()
            return
        # So that the log says why, if the manager puts an end to it.
        _log.error("watchdog waits part=%s board=%s for_s=%.1f", part, board, self._pause_s)
        # Without a deadline: the manager has one.
        await proof()
        _log.warning("watchdog was answered part=%s board=%s", part, board)
