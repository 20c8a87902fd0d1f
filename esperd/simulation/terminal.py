"""Joins a player to a real pseudo-terminal.

The slave side is opened here and kept open: a pseudo-terminal whose last slave descriptor is closed reports a hang-up
and loses what it holds, while a board that is played here outlives any number of opens and closes by the daemon.
"""

from __future__ import annotations

import os
import tty
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from esperd.simulation.player import Player

READ_BYTES = 65536


@asynccontextmanager
async def open_terminal(player: Player) -> AsyncGenerator[str]:
    """Play on a new pseudo-terminal until the block is left.

    Yields:
        The slave's path, such as ``/dev/pts/7``, in raw mode. What is played before somebody opens it waits in the
        terminal's buffer (about 20 KB), then the player waits; opening must not flush the input.

    Resource handling:
        Both descriptors and the tasks that serve them belong to the block. An error of the block leaves it in an
        exception group, as from any nursery.
    """
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        feeder = _Feeder(master, player)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feeder.play)
            nursery.start_soon(feeder.listen)
            yield os.ttyname(slave)
            nursery.cancel_scope.cancel()
    finally:
        os.close(slave)
        os.close(master)


class _Feeder:
    """The two tasks at the master side; neither waits for the other."""

    def __init__(self, master: int, player: Player) -> None:
        self._master = master
        self._player = player
        self._input_came = trio.Event()

    async def listen(self) -> None:
        """Take what is written to the board, at once, whatever the board does: its writer never blocks."""
        # No deadline: a board that nobody writes to is an ordinary board.
        while True:
            await trio.lowlevel.wait_readable(self._master)
            try:
                data = os.read(self._master, READ_BYTES)
            except BlockingIOError:
                continue
            self._player.on_input(data, trio.current_time())
            self._input_came.set()

    async def play(self) -> None:
        """Say what is due, then wait for the next deadline or for input, which may bring a nearer one."""
        while True:
            self._input_came = trio.Event()
            deadline = self._player.deadline
            with trio.move_on_at(float("inf") if deadline is None else deadline):
                await self._input_came.wait()
            if (deadline := self._player.deadline) is not None and deadline <= trio.current_time():
                await self._write(self._player.on_deadline(trio.current_time()))

    async def _write(self, data: bytes) -> None:
        # No deadline: a viewer that does not read stops the board, as flow control would, until it reads again.
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._master)
