"""``replay:FILE``: plays a recorded transcript, byte for byte."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from esperd.simulation.player import BLOCK_BYTES, SpeedPlayer
from esperd.simulation.recording import Recording, load_recording
from esperd.simulation.terminal import open_terminal
from esperd.simulation.wire import BITS_PER_BYTE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

    Pieces = Iterator[tuple[float, int]]

STEP_S = 0.01


class ReplayPlayer:
    """Plays pieces of data at their times; the time starts at 0.

    Args:
        data: The transcript.
        pieces: Gives the times (seconds, ascending) and lengths of one pass; called again for each loop.
        loop: Begin again after the last byte, as long after the last piece as ``pass_s`` says.
        pass_s: Duration of one pass.
    """

    def __init__(self, data: bytes, pieces: Callable[[], Pieces], *, loop: bool, pass_s: float) -> None:
        self._data = data
        self._pieces = pieces
        self._loop = loop and bool(data)
        self._pass_s = pass_s
        self._pass_started_at = 0.0
        self._position = 0
        self._rest = pieces()
        self._next = next(self._rest, None)

    @property
    def deadline(self) -> float | None:
        return None if self._next is None else self._pass_started_at + self._next[0]

    def on_input(self, data: bytes, now: float) -> None:
        """A transcript does not listen."""

    def on_deadline(self, now: float) -> bytes:
        said = bytearray()
        while len(said) < BLOCK_BYTES and self._next is not None and self._pass_started_at + self._next[0] <= now:
            length = self._next[1]
            said += self._data[self._position : self._position + length]
            self._position += length
            self._next = next(self._rest, None)
            if self._next is None and self._loop:
                self._begin_again()
        return bytes(said)

    def _begin_again(self) -> None:
        self._pass_started_at += self._pass_s
        self._position = 0
        self._rest = self._pieces()
        self._next = next(self._rest, None)


def replay_player(recording: Recording, *, baud: int, speed: float, loop: bool, now: float) -> SpeedPlayer:
    """A player of ``recording`` from ``now`` on, ``speed`` times faster; speed 0 is as fast as it is read."""
    data = recording.data
    if speed == 0:
        player = ReplayPlayer(data, lambda: _blocks(len(data), BLOCK_BYTES, 0.0), loop=loop, pass_s=0.0)
    elif recording.timing is not None:
        timing = recording.timing
        last_at, last_bytes = timing[-1] if timing else (0.0, 0)
        pass_s = last_at + last_bytes * BITS_PER_BYTE / baud
        player = ReplayPlayer(data, lambda: iter(timing), loop=loop, pass_s=pass_s)
    else:
        step_bytes = max(1, round(baud / BITS_PER_BYTE * STEP_S))
        step_s = step_bytes * BITS_PER_BYTE / baud
        pass_s = len(data) * BITS_PER_BYTE / baud
        player = ReplayPlayer(data, lambda: _blocks(len(data), step_bytes, step_s), loop=loop, pass_s=pass_s)
    return SpeedPlayer(player, speed=speed, now=now)


def _blocks(total_bytes: int, block_bytes: int, block_s: float) -> Pieces:
    for index, position in enumerate(range(0, total_bytes, block_bytes)):
        yield index * block_s, min(block_bytes, total_bytes - position)


@asynccontextmanager
async def open_replay(path: Path, *, baud: int, speed: float, loop: bool) -> AsyncGenerator[str]:
    """A board that says what was recorded in ``path``; after the last byte it stays connected and silent.

    The timing is that of the ``.json`` of the same stem (field ``timing_ms_len``) where there is one, else ``baud``'s.

    Yields:
        The terminal's path, see ``open_terminal``.

    Raises:
        SimulationError: see ``load_recording``.
    """
    recording = await trio.to_thread.run_sync(load_recording, path)
    player = replay_player(recording, baud=baud, speed=speed, loop=loop, now=trio.current_time())
    async with open_terminal(player) as terminal_path:
        yield terminal_path
