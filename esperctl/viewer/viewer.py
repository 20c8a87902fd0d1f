"""The viewer as a whole: the model in the middle, the terminal on one side, the board's daemon on the other."""

import asyncio
from typing import Final, NamedTuple

from esperctl.viewer.connection.executor import Executor
from esperctl.viewer.connection.live import ReadingPlace
from esperctl.viewer.effects import SendToBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import KeysPressed, Message, Resized, Ticked
from esperctl.viewer.model.model import Model
from esperctl.viewer.screen import Theme, draw
from esperctl.viewer.terminal.application import Terminal
from esperctl.viewer.terminal.frames import Frames

# Leaving must feel immediate, also while the port takes nothing.
_LAST_KEYS_TIMEOUT_S: Final = 1.0


class Place(NamedTuple):
    """A board, the socket of its daemon, and where in its log the user wants to begin to read."""

    socket: str
    board: str
    reading: ReadingPlace


class Viewer:
    """Runs once.

    Args:
        model: What is seen and done.
        theme: What the terminal can show.
        socket: The only one to look for boards at, if one was named.
        read_only: Whether the write lease is not asked for.
    """

    def __init__(self, model: Model, theme: Theme, socket: str | None, *, read_only: bool) -> None:
        self._model = model
        self._theme = theme
        self._socket = socket
        self._read_only = read_only
        self._tick: asyncio.TimerHandle | None = None
        self._terminal = Terminal(on_keys=self._on_keys, on_resize=self._on_resize)

    async def run(self, place: Place | None) -> int:
        """Shows a board, or lets the user choose one, until the user leaves; the exit code."""
        loop = asyncio.get_running_loop()
        self._frames = Frames(self._paint, call_later=loop.call_later, now=loop.time)
        async with asyncio.TaskGroup() as tasks:
            self._executor = executor = Executor(
                tasks,
                self._tell,
                self._terminal.copy,
                self._terminal.stop,
                socket=self._socket,
                interactive=not self._read_only,
            )
            if place is not None:
                executor.follow(*place)
            try:
                exit_code = await self._terminal.run()
                await executor.finish(_LAST_KEYS_TIMEOUT_S)
            finally:
                self._frames.stop()
                self._schedule_tick(None)
                executor.stop()
        return exit_code

    def _on_keys(self, keys: tuple[Key, ...]) -> None:
        self._handle(KeysPressed(keys))
        self._frames.at_once()

    def _on_resize(self, columns: int, rows: int) -> None:
        self._handle(Resized(columns, rows))
        self._frames.at_once()

    def _tell(self, message: Message) -> None:
        self._handle(message)
        self._frames.soon()

    def _handle(self, message: Message) -> None:
        for effect in self._model.handle(message, asyncio.get_running_loop().time()):
            self._executor.start(effect)
            if isinstance(effect, SendToBoard):
                self._frames.expect_answer()
        self._schedule_tick(self._model.next_tick_at)

    def _schedule_tick(self, at: float | None) -> None:
        if self._tick is not None:
            self._tick.cancel()
        self._tick = None if at is None else asyncio.get_running_loop().call_at(at, self._tell, Ticked())

    def _paint(self) -> None:
        self._terminal.show(draw(self._model.view(), self._theme))
        # To draw may bring something to say, for some seconds.
        self._schedule_tick(self._model.next_tick_at)
