"""A board at a pseudo-terminal, played by the test."""

import contextlib
import fcntl
import os
import struct
import termios
import tty

import trio


class BoardTerminal:
    """The board's end is here; ``path`` is the port that the daemon opens.

    The port's end is held open, too: so what the board says outlives a daemon, as in a USB serial adapter.
    """

    def __init__(self) -> None:
        self._board, self._port = os.openpty()
        tty.setraw(self._port)
        os.set_blocking(self._board, False)
        self.path = os.ttyname(self._port)

    async def send(self, data: bytes) -> None:
        """Says *data*; waits while the port's buffer is full."""
        rest = memoryview(data)
        while rest:
            await trio.lowlevel.checkpoint()
            try:
                rest = rest[os.write(self._board, rest) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._board)

    async def receive(self) -> bytes:
        """What the daemon wrote to the board."""
        while True:
            await trio.lowlevel.wait_readable(self._board)
            with contextlib.suppress(BlockingIOError):
                return os.read(self._board, 65536)

    def waiting_bytes(self) -> int:
        """How much of what the daemon wrote to the board can be received."""
        return int(struct.unpack("I", fcntl.ioctl(self._board, termios.FIONREAD, bytes(4)))[0])

    def hang_up(self) -> None:
        """The board is unplugged. Harmless when it was before."""
        for descriptor in (self._board, self._port):
            if descriptor >= 0:
                os.close(descriptor)
        self._board = self._port = -1
