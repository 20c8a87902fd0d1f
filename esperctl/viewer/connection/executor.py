"""Carries out what the model asks for, and tells it what came of it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from esperctl.errors import EsperctlError, NoDaemonError
from esperctl.viewer import effects
from esperctl.viewer.connection.boards import list_boards
from esperctl.viewer.connection.followed_board import FollowedBoard, failed
from esperctl.viewer.connection.live import THE_END, ReadingPlace
from esperctl.viewer.connection.saving import save
from esperctl.viewer.messages import BoardsListed, EffectDone, Message

# So long a board that is left may take to take what was typed.
_LAST_KEYS_TIMEOUT_S: Final = 1.0


class Executor:
    """Owns the connections to the board that is followed, and the tasks of the effects.

    Args:
        tasks: Where they run.
        tell: Takes the messages for the model.
        copy: Puts text on the clipboard; False when it is too large for one.
        leave: Ends the viewer.
        socket: The only socket to look for boards at, or None.
        interactive: Whether to ask for the write lease.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        tell: Callable[[Message], None],
        copy: Callable[[str], bool],
        leave: Callable[[int], None],
        *,
        socket: str | None,
        interactive: bool,
    ) -> None:
        self._tasks = tasks
        self._tell = tell
        self._copy = copy
        self._leave = leave
        self._socket = socket
        self._interactive = interactive
        self._board: FollowedBoard | None = None
        # Until what was typed has reached them.
        self._left: dict[asyncio.Task[None], FollowedBoard] = {}
        self._working: set[asyncio.Task[None]] = set()

    def follow(self, socket: str, board: str, reading: ReadingPlace = THE_END) -> None:
        """Follows this board, and no other one any more."""
        if self._board is not None:
            leaving = self._tasks.create_task(self._board.leave(_LAST_KEYS_TIMEOUT_S))
            self._left[leaving] = self._board
            leaving.add_done_callback(self._left.pop)
        self._board = FollowedBoard(
            socket, board, reading, interactive=self._interactive, tasks=self._tasks, tell=self._tell
        )

    async def finish(self, timeout_s: float) -> None:
        """Waits until what was typed has reached its board, but not for long."""
        boards = list(self._left.values())
        if self._board is not None:
            boards.append(self._board)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for board in boards:
                    await board.emptied()

    def stop(self) -> None:
        """Ends the connections, the scans, and whatever else is under way."""
        for task in (*self._working, *self._left):
            task.cancel()
        if self._board is not None:
            self._board.stop()
            self._board = None

    def start(self, effect: effects.Effect) -> None:
        """Begins to carry out an effect; what it comes to is told."""
        match effect:
            case effects.SwitchBoard():
                self.follow(effect.socket, effect.board)
            case effects.Leave():
                self._leave(effect.exit_code)
            case effects.ListBoards() | effects.CopyText() | effects.SaveText():
                task = self._tasks.create_task(self._carry_out(effect))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
            case _ if self._board is not None:
                self._board.start(effect)
            case effects.StopScan():
                pass
            case _:
                error = NoDaemonError("no board is followed yet", "choose one")
                asyncio.get_running_loop().call_soon(self._tell, failed(effect, error))

    async def _carry_out(self, effect: effects.ListBoards | effects.CopyText | effects.SaveText) -> None:
        try:
            self._tell(await self._message(effect))
        except EsperctlError as error:
            self._tell(failed(effect, error))

    async def _message(self, effect: effects.ListBoards | effects.CopyText | effects.SaveText) -> Message:
        if isinstance(effect, effects.ListBoards):
            return BoardsListed(await list_boards(self._socket))
        if isinstance(effect, effects.CopyText) and self._copy(effect.text):
            return EffectDone(effect)
        return EffectDone(effect, str(save(effect.name, effect.text.encode())))
