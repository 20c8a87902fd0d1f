"""A source of bytes as a value machine: time and input go in, bytes and the next deadline come out."""

from __future__ import annotations

import math
from typing import Protocol

from esperd.simulation.errors import SimulationError

BLOCK_BYTES = 65536
"""What is handed over at once when nothing is paced: several times what a pseudo-terminal holds."""


class Player(Protocol):
    """What a terminal plays. Times are seconds on one monotonic clock, the caller's."""

    @property
    def deadline(self) -> float | None:
        """When ``on_deadline`` is to be called; None: not before more input comes."""
        ...

    def on_input(self, data: bytes, now: float) -> None:
        """Bytes that were written to the board."""
        ...

    def on_deadline(self, now: float) -> bytes:
        """Everything the board says up to ``now``; may be empty."""
        ...


class SpeedPlayer:
    """Another player's time, ``speed`` times faster; with speed 0 its time stands still but for its own deadlines.

    The other player's clock starts at 0 when this one is made at ``now``.

    Raises:
        SimulationError: if ``speed`` is negative or not a number.
    """

    def __init__(self, player: Player, *, speed: float, now: float) -> None:
        if not (math.isfinite(speed) and speed >= 0):
            raise SimulationError(
                f"The speed {speed:g} of a simulated board is not 0 or more. Use for example speed=2."
            )
        self._player = player
        self._speed = speed
        self._started_at = now
        self._stepped_to = 0.0

    @property
    def deadline(self) -> float | None:
        inner = self._player.deadline
        if inner is None:
            return None
        return self._started_at + (inner / self._speed if self._speed else 0.0)

    def on_input(self, data: bytes, now: float) -> None:
        self._player.on_input(data, self._inner_time(now))

    def on_deadline(self, now: float) -> bytes:
        if self._speed == 0:
            return self._step()
        inner_now = self._inner_time(now)
        inner_deadline = self._player.deadline
        if inner_deadline is not None and (deadline := self.deadline) is not None and deadline <= now:
            # There and back again, a deadline may come out a rounding error before itself.
            inner_now = max(inner_now, inner_deadline)
        return self._player.on_deadline(inner_now)

    def _inner_time(self, now: float) -> float:
        return (now - self._started_at) * self._speed if self._speed else self._stepped_to

    def _step(self) -> bytes:
        collected = bytearray()
        while len(collected) < BLOCK_BYTES and (deadline := self._player.deadline) is not None:
            self._stepped_to = max(self._stepped_to, deadline)
            collected += self._player.on_deadline(self._stepped_to)
        return bytes(collected)
