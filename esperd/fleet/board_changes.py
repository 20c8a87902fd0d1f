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
class Change:
    """``what``: ``opened`` or ``closed``. ``is_late``: a reload went on without it, and another one is to follow it."""

    board: str
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
        self._changes: dict[str, Change] = {}

    def put_off(self) -> set[str]:
        """The boards that are still being changed: what is wanted of them now has to wait, and another reload does."""
        for change in self._changes.values():
            self._go_on_without(change)
        return set(self._changes)

    def begin(self, board: str, what: str, change: Callable[[], Awaitable[None]]) -> Change:
        """Begins to change a board that is not being changed."""
        begun = self._changes[board] = Change(board, what)
        self._nursery.start_soon(self._run, begun, change)
        return begun

    async def wait(self, change: Change) -> None:
        """Waits until it is over, but not for long."""
        with trio.move_on_after(_PATIENCE_S):
            await change.over.wait()
        # It may have ended as the patience did.
        if not change.over.is_set():
            self._go_on_without(change)

    def _go_on_without(self, change: Change) -> None:
        change.is_late = True
        _log.error("board not %s yet board=%s", change.what, change.board)
        self._tell_failure(
            f"board {change.board} is still being {change.what}: its disk does not answer, or its port",
            "the configuration is read again when that is done",
        )

    async def _run(self, change: Change, make: Callable[[], Awaitable[None]]) -> None:
        board, what = change.board, change.what
        try:
            await make()
        except Exception as error:  # noqa: BLE001 - the supervision point of a change: it must not end the daemon
            _log.error("board not %s board=%s", what, board, exc_info=error)
            self._tell_failure(f"esperd failed: {type(error).__name__}: {error}", f"board {board} was not {what}")
        finally:
            del self._changes[board]
            change.over.set()
        if change.is_late:
            _log.warning("board was %s board=%s", what, board)
            self._when_late()
