"""The service manager's watchdog is fed by proof: every board's reader came round, and every disk writer's thread.

A daemon whose event loop turns while one of its boards is not read any more, or while nothing reaches a journal, is as
good as hung. So each is asked in turn, and the manager is told only when all have answered. It acts when that takes too
long; until then a slow disk is only slow. Without a watchdog nobody asks, and an idle daemon sleeps.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import trio

from esperd.board.board import Board
from esperd.service_manager import ServiceManager

_log: Final = logging.getLogger(__name__)

# Of the watchdog's time: two rounds may come late, or one may wait that long for a disk, before the manager acts.
_ROUNDS: Final = 3


async def feed_watchdog(service: ServiceManager, boards: Collection[Board], watchdog_s: float) -> None:
    """Asks and tells until cancelled."""
    pause_s = watchdog_s / _ROUNDS
    while True:
        service.alive()
        await trio.sleep(pause_s)
        for board in boards:
            await _prove("reader", board.name, board.prove_reading, pause_s)
            await _prove("disk", board.name, board.parts.disk.prove_writing, pause_s)


async def _prove(part: str, board: str, proof: Callable[[], Awaitable[None]], patience_s: float) -> None:
    with trio.move_on_after(patience_s):
        await proof()
        return
    # So that the log says why, if the manager puts an end to it.
    _log.error("watchdog waits part=%s board=%s for_s=%.1f", part, board, patience_s)
    # Without a deadline: the manager has one.
    await proof()
    _log.warning("watchdog was answered part=%s board=%s", part, board)
