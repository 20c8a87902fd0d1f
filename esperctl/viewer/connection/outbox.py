"""What was typed, on its way to the board: in order, one request at a time."""

import asyncio
from collections.abc import Callable
from typing import Final

from esper_protocol.messages import Done, Send
from esperctl.errors import EsperctlError, RequestError
from esperctl.viewer.connection.live import Live
from esperctl.viewer.effects import SendToBoard
from esperctl.viewer.messages import EffectFailed, Message

# A daemon takes four times as much at once; a board at 115200 baud needs more than a second for this.
_PIECE_BYTES: Final = 16 * 1024


class Outbox:
    """Bytes for one board. Grows by what a person types or pastes, no more."""

    def __init__(self, live: Live, tell: Callable[[Message], None]) -> None:
        self._live = live
        self._tell = tell
        self._waiting = bytearray()
        self._has_some = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def put(self, effect: SendToBoard) -> None:
        """Queues bytes."""
        self._waiting += effect.data
        self._has_some.set()
        self._is_empty.clear()

    async def emptied(self) -> None:
        """Waits until all of it was sent, or refused. No deadline here: the caller sets one."""
        await self._is_empty.wait()

    async def run(self) -> None:
        """Sends what is queued until cancelled."""
        while True:
            # No deadline: nobody has to type.
            await self._has_some.wait()
            piece = bytes(self._waiting[:_PIECE_BYTES])
            del self._waiting[:_PIECE_BYTES]
            try:
                await self._live.request(Send(self._live.board, piece), Done)
            except EsperctlError as error:
                # What waits behind it would make no sense alone.
                self._waiting.clear()
                code = error.code if isinstance(error, RequestError) else "failed"
                self._tell(EffectFailed(SendToBoard(piece), code, error.message, error.hint))
            if not self._waiting:
                self._has_some.clear()
                self._is_empty.set()
