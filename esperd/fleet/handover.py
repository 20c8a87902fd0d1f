"""A board that goes first may come later: from time to time each board looks whether its device is that one's."""

from collections.abc import Mapping
from typing import Final

import trio

from esperd.board.board import Board

_PERIOD_S: Final = 60.0


async def hand_over_devices(boards: Mapping[str, Board]) -> None:
    """Hands over until cancelled; *boards* may come and go."""
    while True:
        await trio.sleep(_PERIOD_S)
        for board in list(boards.values()):
            await board.hand_over()
