"""Boards that a reload opens and closes.

Each has a task of its own, which a disk that hangs may keep longer than a reload waits.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

_log: Final = logging.getLogger(__name__)

# A port closes within some seconds, a decode ends within one, a journal is written within milliseconds.
_PATIENCE_S: Final = 10.0


@dataclass(slots=True, eq=False)
class _Change:
    """``what``: ``opened`` or ``closed``. ``is_late``: a reload went on without it, and another one is to follow it."""

    what: str
    is_late: bool = False
    over: trio.Event = field(default_factory=trio.Event)


class BoardChanges:
    """At most one of each board.

    Args:
        nursery: Where they run.
        when_late: Called when one is over that a reload did not wait for.
        tell_failure: Told what failed or takes long, and what that means.
    """

    def __init__(
        self, nursery: trio.Nursery, when_late: Callable[[], None], tell_failure: Callable[[str, str], None]
    ) -> None:
        self._nursery = nursery
        self._when_late = when_late
        self._tell_failure = tell_failure
        self._changes: dict[str, _Change] = {}

    def begin(self, board: str, what: str, change: Callable[[], Awaitable[None]]) -> None:
        """Begins to change a board that is not being changed."""
        self._changes[board] = _Change(what)
        self._nursery.start_soon(self._run, board, change)

    async def do(self, board: str, what: str, change: Callable[[], Awaitable[None]]) -> None:
        """Changes a board, and waits for that; one that is still being changed is tried again when that is over."""
        if board in self._changes:
            self._put_off(board)
        else:
            self.begin(board, what, change)
            await self.wait(board)

    async def wait(self, board: str) -> None:
        """Waits for the change that was begun, but not for long."""
        change = self._changes.get(board)
        if change is None:
            return
        with trio.move_on_after(_PATIENCE_S):
            await change.over.wait()
            return
        self._put_off(board)

    def _put_off(self, board: str) -> None:
        change = self._changes[board]
        change.is_late = True
        _log.error("board not %s yet board=%s", change.what, board)
        self._tell_failure(
            f"board {board} is still being {change.what}: its disk does not answer, or its port",
            "the configuration is read again when that is done",
        )

    async def _run(self, board: str, change: Callable[[], Awaitable[None]]) -> None:
        what = self._changes[board].what
        try:
            await change()
        except Exception as error:  # noqa: BLE001 - the supervision point of a change: it must not end the daemon
            _log.error("board not %s board=%s", what, board, exc_info=error)
            self._tell_failure(f"esperd failed: {type(error).__name__}: {error}", f"board {board} was not {what}")
        finally:
            ended = self._changes.pop(board)
            ended.over.set()
        if ended.is_late:
            _log.warning("board was %s board=%s", what, board)
            self._when_late()
