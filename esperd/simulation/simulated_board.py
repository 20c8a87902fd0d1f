"""``sim:SCENARIO``: a board made of recordings that answers what is typed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from esperd.simulation.board_script import BoardScript
from esperd.simulation.errors import SimulationError
from esperd.simulation.player import SpeedPlayer
from esperd.simulation.scenarios import SCENARIOS
from esperd.simulation.terminal import open_terminal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def simulated_board_player(scenario: str, *, baud: int, speed: float, now: float) -> SpeedPlayer:
    """A board powered on at ``now``, its time ``speed`` times faster; speed 0 is as fast as it is read.

    Raises:
        SimulationError: if there is no such scenario.
    """
    if scenario not in SCENARIOS:
        raise SimulationError(f"There is no simulated board {scenario!r}. Use one of: {', '.join(sorted(SCENARIOS))}.")
    return SpeedPlayer(BoardScript(SCENARIOS[scenario], baud=baud), speed=speed, now=now)


@asynccontextmanager
async def open_simulated_board(scenario: str, *, baud: int, speed: float) -> AsyncGenerator[str]:
    """A simulated board behind a pseudo-terminal.

    Yields:
        The terminal's path, see ``open_terminal``.

    Raises:
        SimulationError: if there is no such scenario.
    """
    player = simulated_board_player(scenario, baud=baud, speed=speed, now=trio.current_time())
    async with open_terminal(player) as terminal_path:
        yield terminal_path
